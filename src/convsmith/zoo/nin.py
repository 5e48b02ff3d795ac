"""Network in network: Lin, Chen & Yan 2013, "Network in network", Fig. 2 and section 4 (arXiv:1312.4400).

`nin_cifar` is the CIFAR-10 net: three mlpconv layers (a convolution and two 1x1 convolutions, each with ReLU), dropout
and pooling between them, and global average pooling in place of linear layers; 966,986 parameters. The paper gives no
widths: they are those of the authors' released definition. That release averages in the second pooling (`second="avg"`)
where the paper's section 4.1 pools the maximum.
"""

from __future__ import annotations

from typing import Literal

from convsmith.spec import AvgPool, Conv, Dropout, Flatten, Node, Pool, PoolTo, Relu, Seq, SpecError
from convsmith.zoo.variant import Variant

# the authors' definition: kernel, maps of the convolution and of the two 1x1 convolutions (None: the classes)
MLPCONV = ((5, 192, 160, 96), (5, 192, 192, 192), (3, 192, 192, None))


def mlpconv(kernel: int, filters: int, hidden: int, out: int) -> Seq:
    """relu(conv1x1(relu(conv1x1(relu(conv(x)))))): a perceptron of three layers slid over the maps (Eq. 2)."""
    return Seq(Conv(filters, kernel), Relu, Conv(hidden), Relu, Conv(out), Relu)


def nin(
    classes: int = 10, width: float = 1.0, rate: float = 0.5, *, second: Literal["max", "avg"] = "max"
) -> Node:  # fmt: skip
    """mlpconv, pool, dropout, twice, then mlpconv to a map for each class and their means; `width` scales the maps."""
    if not width > 0 or second not in ("max", "avg"):
        raise SpecError(f"nin: width must be above 0 and second 'max' or 'avg', got {width!r}, {second!r}")
    mlp1, mlp2, mlp3 = (
        mlpconv(kernel, *[classes if maps is None else max(1, round(maps * width)) for maps in row])
        for kernel, *row in MLPCONV
    )
    pool = Pool(3, 2, ceil=True)
    return Seq(
        mlp1=mlp1, pool1=pool, drop1=Dropout(rate),
        mlp2=mlp2, pool2=pool if second == "max" else AvgPool(3, 2, ceil=True), drop2=Dropout(rate),
        mlp3=mlp3, avgpool=PoolTo(1), flatten=Flatten,
    )  # fmt: skip


VARIANTS = {
    "nin_cifar": Variant(
        nin, side=32, classes=10, paper="Lin, Chen & Yan 2013, Network in network (arXiv:1312.4400)", year=2013,
        init="he_fan_in", departs="widths from the authors' released definition; initial weights are He's",
    ),
}  # fmt: skip
