"""EfficientNetV2: Tan & Le 2021, "EfficientNetV2: Smaller models and faster training", Table 4 (arXiv:2104.00298).

`efficientnet_v2_s`, `_m` and `_l` are torchvision's. S is Table 4 in the authors' code; the first printing had 272 and
1792 maps in stages 6 and 7 (23.9 M parameters for 21.5 M). M and L are the authors' code too, as section 3.3
says no more of them than that later stages gain more layers and images grow no larger than 480. Early stages use
Fused-MBConv, whose one 3x3 takes the place of 1x1 and depthwise, which accelerators run slowly on large maps.

torchvision's departure: padding is symmetric where the authors' is TensorFlow's SAME.
"""

from __future__ import annotations

from functools import partial
from math import ceil

from convsmith.spec import IN, Node, Seq, Silu, SpecError, round_to
from convsmith.spec.errors import UnknownName, nearest
from convsmith.zoo.blocks import conv_norm
from convsmith.zoo.efficientnet import Row, Unit, between, mbconv, stages
from convsmith.zoo.variant import Variant

# Table 4, stages 1 to 6: operator (all k3x3, MBConv with SE0.25), its expansion, stride of the first, channels, layers
LAST = 1280
TABLES = {
    "s": (
        ("Fused-MBConv", 1, 1, 24, 2),
        ("Fused-MBConv", 4, 2, 48, 4),
        ("Fused-MBConv", 4, 2, 64, 4),
        ("MBConv", 4, 2, 128, 6),
        ("MBConv", 6, 1, 160, 9),
        ("MBConv", 6, 2, 256, 15),
    ),
    "m": (
        ("Fused-MBConv", 1, 1, 24, 3),
        ("Fused-MBConv", 4, 2, 48, 5),
        ("Fused-MBConv", 4, 2, 80, 5),
        ("MBConv", 4, 2, 160, 7),
        ("MBConv", 6, 1, 176, 14),
        ("MBConv", 6, 2, 304, 18),
        ("MBConv", 6, 1, 512, 5),
    ),
    "l": (
        ("Fused-MBConv", 1, 1, 32, 4),
        ("Fused-MBConv", 4, 2, 64, 7),
        ("Fused-MBConv", 4, 2, 96, 7),
        ("MBConv", 4, 2, 192, 10),
        ("MBConv", 6, 1, 224, 19),
        ("MBConv", 6, 2, 384, 25),
        ("MBConv", 6, 1, 640, 7),
    ),
}
# the authors' code: side at evaluation, dropout
SETTINGS = {"s": (384, 0.2), "m": (480, 0.3), "l": (480, 0.4)}


def fused(width: int, stride: int, *, expansion: int, kernel: int = 3, norm: Unit = conv_norm) -> Node:
    """f(x) = kxk to `expansion` times the channels, linear 1x1; without expansion one kxk."""
    if expansion == 1:
        return Seq(block=Seq(norm(width, kernel, stride, act=Silu)))
    return Seq(block=Seq(norm(IN * expansion, kernel, stride, act=Silu), norm(width, act=None)))


def efficientnet_v2(
    classes: int = 1000, size: str = "s", width: float = 1.0, depth: float = 1.0, *, rate: float = 0.2,
    drop_path: float = 0.2, reduction: int = 4, eps: float = 1e-3, momentum: float = 0.1,
) -> Node:  # fmt: skip
    """The table of `size`, `width` times as wide and `depth` times as deep; the head keeps its 1280 maps. Stochastic
    depth rises linearly to `drop_path`; `reduction` is squeeze-excite's."""
    if size not in TABLES:
        raise UnknownName(f"efficientnet_v2: no size {size!r}{nearest(size, TABLES)} (there are {', '.join(TABLES)})")
    if not (width > 0 and depth > 0):
        raise SpecError(f"efficientnet_v2: width and depth must be above 0, got {width!r}, {depth!r}")
    norm = partial(conv_norm, eps=eps, momentum=momentum)
    blocks = {"Fused-MBConv": partial(fused, norm=norm), "MBConv": partial(mbconv, reduction=reduction, norm=norm)}
    rows: list[Row] = [
        (partial(blocks[operator], expansion=expansion), stride, round_to(channels * width), ceil(layers * depth))
        for operator, expansion, stride, channels, layers in TABLES[size]
    ]
    return between(rows[0][2], LAST, stages(rows, drop_path), classes, rate, norm)  # the stem is as wide as stage 1


PAPER = "Tan & Le 2021, EfficientNetV2: Smaller models and faster training (arXiv:2104.00298)"

VARIANTS = {
    f"efficientnet_v2_{size}": Variant(
        efficientnet_v2, {"size": size, "rate": rate}, side=side, provenance="torchvision", paper=PAPER, year=2021,
        init="efficientnet", weights=f"EfficientNet_V2_{size.upper()}_Weights",
        departs="symmetric padding",
    )
    for size, (side, rate) in SETTINGS.items()
}  # fmt: skip
