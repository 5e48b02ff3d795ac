"""MobileNet: Howard et al. 2017, "MobileNets: Efficient convolutional neural networks for mobile vision applications",
Table 1 (arXiv:1704.04861).

`mobilenet_v1` and, for width multipliers 0.75, 0.5 and 0.25, `mobilenet_v1_075` ... are Table 6's; Table 7's
resolutions are other sides (224, 192, 160, 128) of the first. `mobilenet_v1_conv` has full convolutions in place of the
separable ones (Table 4), `mobilenet_v1_shallow` lacks the five layers of 14 x 14 x 512 (Table 5).

Table 1 prints stride 2 for the last depthwise layer, which its own 7 x 7 maps contradict: it is 1. Its 28 layers count
a separable convolution as two. Widths are rounded to multiples of 8, which changes none of the paper's.
"""

from __future__ import annotations

from convsmith.spec import HERE, Flatten, Linear, Node, PoolTo, Seq, SpecError, round_to
from convsmith.zoo.blocks import conv_norm
from convsmith.zoo.variant import Variant

# Table 1: the first layer's filters, then the stride of a "Conv dw" row, filters of the "Conv / s1" row under it
FIRST = 32
TABLE1 = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *[(1, 512)] * 5,
    (2, 1024),
    (1, 1024),  # printed s2
)
BEFORE, AFTER = 6, 11  # the rows between are Table 1's "5x", which Table 5's shallow net leaves out


def separable(width: int, stride: int = 1) -> Node:
    """relu(norm(1x1(relu(norm(dw3x3(x)))))): section 3.1, 1/width + 1/9 of a full convolution's multiply-adds."""
    return Seq(depthwise=conv_norm(HERE, 3, stride, groups=HERE), pointwise=conv_norm(width))


def mobilenet_v1(classes: int = 1000, width: float = 1.0, separate: bool = True, shallow: bool = False) -> Node:
    """Table 1 with every layer `width` (the paper's alpha) times as wide; without `separate` by full convolutions."""
    if not width > 0:
        raise SpecError(f"mobilenet_v1: width must be above 0, got {width!r}")
    rows = TABLE1[:BEFORE] + TABLE1[AFTER:] if shallow else TABLE1
    blocks: dict[tuple[int, int], Node] = {}
    for stride, filters in rows:
        wide = round_to(filters * width)
        blocks[stride, filters] = separable(wide, stride) if separate else conv_norm(wide, 3, stride)
    return Seq(
        features=Seq(conv_norm(round_to(FIRST * width), 3, 2), *[blocks[row] for row in rows]),
        avgpool=PoolTo(1), flatten=Flatten, fc=Linear(classes),
    )  # fmt: skip


PAPER = "Howard et al. 2017, MobileNets: Efficient convolutional neural networks for mobile vision (arXiv:1704.04861)"
DEPARTS = "initial weights are He's, of which the paper says nothing"

OPTIONS: dict[str, dict[str, object]] = {
    "mobilenet_v1": {},
    "mobilenet_v1_075": {"width": 0.75},
    "mobilenet_v1_050": {"width": 0.5},
    "mobilenet_v1_025": {"width": 0.25},
    "mobilenet_v1_conv": {"separate": False},
    "mobilenet_v1_shallow": {"shallow": True},
}

VARIANTS = {
    name: Variant(mobilenet_v1, options, paper=PAPER, year=2017, init="he_fan_out", departs=DEPARTS)
    for name, options in OPTIONS.items()
}
