"""ShuffleNet: Zhang, Zhou, Lin & Sun 2018, "ShuffleNet: An extremely efficient convolutional neural network for mobile
devices", Table 1 (arXiv:1707.01083).

`shufflenet_g1` ... `shufflenet_g8` are Table 1's columns; `_x0_5` and `_x0_25` scale every layer but the last (section
3.2). The printed complexities (143, 140, 137, 133, 137 MFLOPs) are multiply-adds without the linear layer's.

The paper does not say what happens where scaled widths do not divide into the groups: here they are rounded to
multiples of g, as the authors' code does for the first layer of g = 8 at 0.5x (16 maps for 12). The 13 MFLOPs printed
for 0.25x follow from 12 maps in the first layer (g = 1 to 4); with its 6 they are 11.
"""

from __future__ import annotations

from convsmith.spec import (
    HERE,
    AvgPool,
    Branches,
    Chain,
    Flatten,
    Linear,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Shuffle,
    SpecError,
    round_to,
)
from convsmith.zoo.blocks import conv, conv_norm
from convsmith.zoo.variant import Variant

# Table 1: g groups -> output channels of stages 2, 3, 4; Repeat of the units with stride 1 (one of stride 2 precedes)
FIRST = 24
TABLE1 = {
    1: (144, 288, 576),
    2: (200, 400, 800),
    3: (240, 480, 960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}
REPEAT = (3, 7, 3)


def unit(width: int, neck: int, groups: int, *, stride: int = 1, grouped: bool = True) -> Seq:
    """f(x) = g1x1(dw3x3(shuffle(g1x1(x)))), the first to `neck` maps; Fig. 2b. Without `grouped` the first is full."""
    return Seq(
        gconv1=conv(neck, groups=groups if grouped else 1), bn1=Norm(), relu1=Relu, shuffle=Shuffle(groups),
        dwconv=conv(HERE, 3, stride, groups=HERE), bn2=Norm(), gconv2=conv(width, groups=groups), bn3=Norm(),
    )  # fmt: skip


def stage(before: int, width: int, depth: int, groups: int, *, bottleneck: int = 4, grouped: bool = True) -> Seq:
    """relu(concat(pool(x), f(x))) at stride 2 (Fig. 2c), then `depth` times relu(x + f(x)): equal maps, one value."""
    neck = round_to(width / bottleneck, groups)
    down = unit(width - before, neck, groups, stride=2, grouped=grouped)
    first = Chain(Branches(Seq(pool=AvgPool(3, 2, 1)), down), Seq(after=Relu))
    return Seq(first, *[Residual(unit(width, neck, groups), after=Relu)] * depth)


def shufflenet(classes: int = 1000, groups: int = 3, width: float = 1.0, bottleneck: int = 4) -> Node:
    """A column of Table 1, `width` (the paper's s) times as wide; units narrow to a `bottleneck`-th of their maps."""
    if groups not in TABLE1 or not width > 0 or bottleneck < 1:
        raise SpecError(
            f"shufflenet: groups is one of {', '.join(map(str, TABLE1))}, width above 0 and bottleneck at least 1, "
            f"got {groups!r}, {width!r} and {bottleneck!r}"
        )
    first, *widths = (round_to(channels * width, groups) for channels in (FIRST, *TABLE1[groups]))
    stages = {
        f"stage{i}": stage(before, wide, depth, groups, bottleneck=bottleneck, grouped=i > 2)
        for i, before, wide, depth in zip((2, 3, 4), (first, *widths), widths, REPEAT, strict=False)
    }
    return Seq(
        conv1=conv_norm(first, 3, 2), maxpool=Pool(3, 2, 1), **stages,
        globalpool=PoolTo(1), flatten=Flatten, fc=Linear(classes),
    )  # fmt: skip


PAPER = "Zhang et al. 2018, ShuffleNet: An extremely efficient convolutional neural network (arXiv:1707.01083)"
SCALES = {"": 1.0, "_x0_5": 0.5, "_x0_25": 0.25}

VARIANTS = {
    f"shufflenet_g{groups}{suffix}": Variant(
        shufflenet, {"groups": groups, "width": width}, paper=PAPER, year=2017, init="he_fan_out",
        departs="initial weights are He's, of which the paper says nothing"
        + ("; scaled widths are rounded to multiples of the groups" if suffix and groups in (2, 4, 8) else ""),
    )
    for suffix, width in SCALES.items() for groups in TABLE1
}  # fmt: skip
