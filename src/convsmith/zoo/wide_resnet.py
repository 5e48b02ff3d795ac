"""Wide ResNet: Zagoruyko & Komodakis 2016, "Wide residual networks", Table 1 (arXiv:1605.07146).

`wide_resnet50_2` and `wide_resnet101_2` are torchvision's: ResNet's bottlenecks with a 3x3 of twice the width (the
paper's WRN-50-2-bottleneck, Table 8). `wrn_16_8`, `wrn_40_4` and `wrn_28_10` are the paper's CIFAR nets WRN-n-k of
depth n = 6N + 4 and widening factor k, in pre-activation order; `dropout` is section 2.4's, between the convolutions.
"""

from __future__ import annotations

from convsmith.spec import Chain, Dropout, Flatten, Linear, Node, Norm, PoolTo, Relu, Residual, Seq, SpecError
from convsmith.zoo.blocks import conv
from convsmith.zoo.resnet import TABLE1 as RESNET
from convsmith.zoo.resnext import bottleneck, stem, tower
from convsmith.zoo.variant import Variant

# Table 1: group conv2, conv3, conv4; output size 32, 16, 8; width before widening; conv1 keeps 16
TABLE1 = (16, 32, 64)


def wide_basic(width: int, stride: int = 1, dropout: float = 0.0, project: bool = False) -> Node:
    """x + f(x), f = BN, ReLU, 3x3, BN, ReLU, dropout, 3x3 (Fig. 1 b and d); a projection shares the first BN, ReLU."""
    start = Seq(norm1=Norm(), relu1=Relu)
    body = Seq(
        conv1=conv(width, 3, stride), norm2=Norm(), relu2=Relu,
        **({"dropout": Dropout(dropout)} if dropout else {}), conv2=conv(width, 3),
    )  # fmt: skip
    if not project:
        return Residual(Chain(start, body))
    return Chain(start, Residual(body, Seq(downsample=Seq(conv=conv(width, 1, stride))), when="always"))


def wide_resnet_cifar(
    classes: int = 10, depth: int = 28, widen: int = 10, dropout: float = 0.0, width: int = TABLE1[0]
) -> Node:
    """WRN-depth-widen: conv3x3 of `width`, three groups of N = (depth - 4) / 6 blocks, BN, ReLU, pooling."""
    if depth < 10 or (depth - 4) % 6 or widen < 1:
        raise SpecError(f"wide_resnet_cifar: depth is 6N + 4 (10, 16, 22, ...) and widen >= 1, got {depth}, {widen}")

    def group(i: int, out: int) -> Seq:
        opening = wide_basic(out, 2 if i else 1, dropout, project=i > 0 or widen > 1)
        return Seq(opening, *[wide_basic(out, 1, dropout)] * ((depth - 4) // 6 - 1))

    groups = {f"layer{i + 1}": group(i, widen * width * times // TABLE1[0]) for i, times in enumerate(TABLE1)}
    return Seq(
        conv1=conv(width, 3), **groups, norm=Norm(), relu=Relu,
        avgpool=PoolTo(1), flatten=Flatten, fc=Linear(classes),
    )  # fmt: skip


def wide_resnet(classes: int = 1000, depth: int = 50, widen: int = 2, out: int = 256) -> Node:
    """ResNet's Table 1 with `widen` times the width in a bottleneck's 3x3; `out` is what conv2's blocks put out."""
    if depth not in (50, 101, 152):
        raise SpecError(f"wide_resnet: depth is 50, 101 or 152, got {depth}")
    _, *repeats = RESNET[depth]
    return tower(
        stem(), lambda times, stride: bottleneck(widen * out // 4 * times, out * times, stride, 1), repeats, classes
    )


PAPER = "Zagoruyko & Komodakis 2016, Wide residual networks (arXiv:1605.07146)"
VARIANTS = {
    f"wide_resnet{depth}_2": Variant(
        wide_resnet, {"depth": depth}, provenance="torchvision", paper=PAPER, year=2016, init="he_fan_out",
        weights=f"Wide_ResNet{depth}_2_Weights",
        departs="activation after the addition, where section 2 puts it before each convolution"
        + ("" if depth == 50 else "; a depth that the paper does not have"),
    )
    for depth in (50, 101)
} | {
    f"wrn_{depth}_{widen}": Variant(
        wide_resnet_cifar, {"depth": depth, "widen": widen}, side=32, classes=10, paper=PAPER, year=2016,
        init="he_fan_out",
    )
    for depth, widen in ((16, 8), (40, 4), (28, 10))
}  # fmt: skip
