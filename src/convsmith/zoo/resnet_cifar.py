"""The CIFAR nets of ResNet: He et al. 2015, section 4.2: 6n + 2 layers, widths 16, 32, 64, shortcut A everywhere.

`resnet20` ... `resnet1202` and their twins without skips, `plain20` ... `plain1202`. "6n + 2" counts the 3x3
convolutions and the linear layer.
"""

from __future__ import annotations

from convsmith.spec import Conv, Flatten, Linear, Node, Norm, PoolTo, Relu, Seq, SpecError
from convsmith.zoo.resnet import PAPER, Shortcut, basic, stage
from convsmith.zoo.variant import Variant

# Section 4.2: output size 32x32, 16x16, 8x8; layers 1 + 2n, 2n, 2n; filters
FILTERS = (16, 32, 64)


def resnet_cifar(classes: int = 10, depth: int = 20, shortcut: Shortcut = "A", width: int = 16) -> Node:
    """conv3x3, three stages of n = (depth - 2) / 6 basic blocks, global pooling; `width` is the first stage's."""
    if depth < 8 or (depth - 2) % 6:
        raise SpecError(f"resnet_cifar: depth is 6n + 2 (8, 14, 20, ...), got {depth}")
    n = (depth - 2) // 6
    stages = {
        f"layer{i + 1}": stage(lambda s, c=width * f // FILTERS[0]: basic(c, s, shortcut), 2 if i else 1, n)  # type: ignore[misc]
        for i, f in enumerate(FILTERS)
    }
    return Seq(
        conv1=Conv(width, 3, bias=False), bn1=Norm(), relu=Relu,
        **stages, avgpool=PoolTo(1), flatten=Flatten, fc=Linear(classes),
    )  # fmt: skip


def _variant(depth: int, shortcut: Shortcut) -> Variant:
    options = {"depth": depth, "shortcut": shortcut}
    return Variant(resnet_cifar, options, side=32, classes=10, paper=PAPER, year=2015, init="he_fan_out")


DEPTHS = (20, 32, 44, 56, 110, 1202)
VARIANTS = {f"resnet{depth}": _variant(depth, "A") for depth in DEPTHS} | {
    f"plain{depth}": _variant(depth, "none") for depth in DEPTHS
}
