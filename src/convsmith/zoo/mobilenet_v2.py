"""MobileNet v2: Sandler et al. 2018, "MobileNetV2: Inverted residuals and linear bottlenecks", Table 2
(arXiv:1801.04381).

`mobilenet_v2` is torchvision's, which is the paper's; `mobilenet_v2_140`, `_075`, `_050` and `_035` are the same class
at the published width multipliers. Widths are rounded to multiples of 8, never more than 10 % down; multipliers below 1
leave the last convolution's 1280 maps. A block of expansion 1 has no first convolution. The authors print parameters
without those of batch normalisation: 3.47 M, where these are 3,504,872. The dropout before the linear layer is
torchvision's.
"""

from __future__ import annotations

from convsmith.spec import (
    HERE,
    IN,
    Dropout,
    Flatten,
    Linear,
    Node,
    Norm,
    PoolTo,
    Relu6,
    Residual,
    Seq,
    SpecError,
    round_to,
)
from convsmith.zoo.blocks import conv, conv_norm
from convsmith.zoo.variant import Variant

# Table 2's bottleneck rows: t (expansion), c (channels), n (repeats), s (stride of the first)
FIRST, LAST = 32, 1280
TABLE2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def bottleneck(expansion: int, width: int, stride: int = 1) -> Node:
    """x + f(x), f = 1x1 to `expansion` times the channels, depthwise 3x3, linear 1x1; no skip where sizes change."""
    expand = [] if expansion == 1 else [conv_norm(IN * expansion, act=Relu6)]
    depthwise = conv_norm(HERE, 3, stride, groups=HERE, act=Relu6)
    return Residual(Seq(conv=Seq(*expand, depthwise, conv(width), Norm())))


def mobilenet_v2(
    classes: int = 1000, width: float = 1.0, multiple: int = 8, expansion: int | None = None, rate: float = 0.2
) -> Node:
    """Table 2 with layers `width` times as wide, rounded to a `multiple`; `expansion` replaces every t but the 1."""
    if not width > 0:
        raise SpecError(f"mobilenet_v2: width must be above 0, got {width!r}")
    blocks: list[Node] = []
    for t, c, n, s in TABLE2:
        factor, wide = t if t == 1 or expansion is None else expansion, round_to(c * width, multiple)
        blocks += [bottleneck(factor, wide, s), *[bottleneck(factor, wide)] * (n - 1)]
    return Seq(
        features=Seq(
            conv_norm(round_to(FIRST * width, multiple), 3, 2, act=Relu6),
            *blocks,
            conv_norm(round_to(LAST * max(1.0, width), multiple), act=Relu6),
        ),
        avgpool=PoolTo(1), flatten=Flatten, classifier=Seq(Dropout(rate), Linear(classes)),
    )  # fmt: skip


PAPER = "Sandler et al. 2018, MobileNetV2: Inverted residuals and linear bottlenecks (arXiv:1801.04381)"
WIDTHS = {"": 1.0, "_140": 1.4, "_075": 0.75, "_050": 0.5, "_035": 0.35}

VARIANTS = {
    f"mobilenet_v2{suffix}": Variant(
        mobilenet_v2, {"width": width} if suffix else {}, provenance="torchvision", paper=PAPER, year=2018,
        init="vgg_torchvision", weights=None if suffix else "MobileNet_V2_Weights",
        departs="dropout of 0.2 before the linear layer",
    )
    for suffix, width in WIDTHS.items()
}  # fmt: skip
