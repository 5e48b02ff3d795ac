"""ResNet: He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition", Table 1 (arXiv:1512.03385).

`resnet18` ... `resnet152` are torchvision's: a bottleneck strides in its 3x3 (known as v1.5), which makes ResNet-50
4.089 G MACs. `resnet50_paper` ... stride in the first 1x1 as the paper does (3.8 G). The paper's 18- and 34-layer
nets of Table 2 use shortcut A (`resnet18_paper`, `resnet34_paper`); `shortcut="B"` and `"C"` give Table 3's others.
`plain18` and `plain34` are the same nets without any skip.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from convsmith.spec import Conv, Flatten, Linear, Node, Norm, Pool, PoolTo, Relu, Residual, Seq, SpecError, ZeroChannels
from convsmith.zoo.variant import Variant

Shortcut = Literal["A", "B", "C", "none"]

# Table 1: depth -> block, blocks in conv2_x ... conv5_x
TABLE1 = {
    18: ("basic", 2, 2, 2, 2),
    34: ("basic", 3, 4, 6, 3),
    50: ("bottleneck", 3, 4, 6, 3),
    101: ("bottleneck", 3, 4, 23, 3),
    152: ("bottleneck", 3, 8, 36, 3),
}


def basic(width: int, stride: int = 1, shortcut: Shortcut = "B") -> Node:
    """relu(x + f(x)), f = 3x3, 3x3."""
    body = Seq(
        conv1=Conv(width, 3, stride, bias=False), bn1=Norm(), relu1=Relu,
        conv2=Conv(width, 3, bias=False), bn2=Norm(),
    )  # fmt: skip
    return skip(body, width, stride, shortcut)


def bottleneck(width: int, stride: int = 1, shortcut: Shortcut = "B", stride_in: str = "3x3") -> Node:
    """relu(x + f(x)), f = 1x1, 3x3, 1x1 with four times the channels at the end."""
    first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
    body = Seq(
        conv1=Conv(width, 1, first, bias=False), bn1=Norm(), relu1=Relu,
        conv2=Conv(width, 3, second, bias=False), bn2=Norm(), relu2=Relu,
        conv3=Conv(4 * width, 1, bias=False), bn3=Norm(),
    )  # fmt: skip
    return skip(body, 4 * width, stride, shortcut)


def skip(body: Seq, out: int, stride: int, shortcut: Shortcut) -> Node:
    """Section 3.3's shortcuts: A pads zeros, B projects where sizes change, C projects always.

    "none" is the plain net.
    """
    if shortcut == "none":
        return Seq(**dict(body.children), after=Relu)
    if shortcut not in ("A", "B", "C"):
        raise SpecError(f"shortcut is 'A', 'B', 'C' or 'none', got {shortcut!r}")
    if shortcut == "A":
        path: Node = Seq(downsample=Seq(Pool(1, stride), ZeroChannels(out)))
    else:
        path = Seq(downsample=Seq(Conv(out, 1, stride, bias=False), Norm()))
    return Residual(body, path, after=Relu, when="always" if shortcut == "C" else "needed")


def stage(block: Callable[[int], Node], stride: int, depth: int) -> Seq:
    """`depth` blocks of which the first has the stride; the others are one and the same value."""
    return Seq(block(stride), *[block(1)] * (depth - 1))


def resnet(
    classes: int = 1000, depth: int = 50, shortcut: Shortcut = "B", stride_in: str = "3x3", width: int = 64
) -> Node:
    """A column of Table 1; `width` is the first stage's, doubled at each further one."""
    if depth not in TABLE1 or stride_in not in ("3x3", "1x1"):
        raise SpecError(
            f"resnet: depth is one of {list(TABLE1)} and stride_in '3x3' or '1x1', got {depth}, {stride_in!r}"
        )
    kind, *repeats = TABLE1[depth]

    def block(channels: int, stride: int) -> Node:
        return (
            basic(channels, stride, shortcut) if kind == "basic" else bottleneck(channels, stride, shortcut, stride_in)
        )

    stages = {
        f"layer{i + 1}": stage(lambda stride, c=width * 2**i: block(c, stride), 2 if i else 1, int(n))  # type: ignore[misc]
        for i, n in enumerate(repeats)
    }
    return Seq(
        conv1=Conv(width, 7, 2, bias=False), bn1=Norm(), relu=Relu, maxpool=Pool(3, 2, 1),
        **stages, avgpool=PoolTo(1), flatten=Flatten, fc=Linear(classes),
    )  # fmt: skip


PAPER = "He, Zhang, Ren & Sun 2015, Deep residual learning for image recognition (arXiv:1512.03385)"


def _paper(options: dict[str, object]) -> Variant:
    return Variant(resnet, options, paper=PAPER, year=2015, init="he_fan_out")


VARIANTS = {
    f"resnet{depth}": Variant(
        resnet, {"depth": depth}, provenance="torchvision", paper=PAPER, year=2015, init="he_fan_out",
        weights=f"ResNet{depth}_Weights",
        departs="stride in the 3x3 of a bottleneck" if depth >= 50 else "projection shortcuts (option B)",
    )
    for depth in TABLE1
} | {
    f"resnet{depth}_paper": _paper({"depth": depth} | ({"shortcut": "A"} if depth < 50 else {"stride_in": "1x1"}))
    for depth in TABLE1
} | {f"plain{depth}": _paper({"depth": depth, "shortcut": "none"}) for depth in (18, 34)}  # fmt: skip
