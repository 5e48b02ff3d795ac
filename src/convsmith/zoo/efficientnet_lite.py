"""EfficientNet-Lite: Renjie Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite" (TensorFlow blog, 16
March 2020; code in github.com/tensorflow/tpu, models/official/efficientnet/lite). No paper.

EfficientNet's Table 1 for phones and accelerators: no squeeze-excite, ReLU6 for swish (its range is known when numbers
become integers), and while the net is scaled the stem, the head and the depths of the first and last stage stay.

`tf_efficientnet_lite0` ... `tf_efficientnet_lite4` are timm's, which hold the authors' weights: TensorFlow's SAME
padding and normalisation with eps 1e-3, but momentum 0.1 where the authors train with 0.01. Scales are EfficientNet's
B0 to B4; the sides of Lite3 and Lite4 (300 and 380) and Lite4's dropout (0.4) are too, where the authors have 280, 300
and 0.3 (`SIDES`). `drop_path` is the authors' 0.2 (timm starts from 0, and from no dropout).
"""

from __future__ import annotations

from functools import partial
from math import ceil

from convsmith.spec import Conv, Dropout, Flatten, Linear, Node, Norm, PoolTo, Relu6, Seq, SpecError
from convsmith.spec.widths import HERE, IN, round_to
from convsmith.zoo.efficientnet import FIRST, SCALES, TABLE1, Row, stages
from convsmith.zoo.variant import Variant

LAST = 1280  # Table 1's head
SIDES = {"lite0": 224, "lite1": 240, "lite2": 260, "lite3": 280, "lite4": 300}  # the authors'

conv = partial(Conv, pad="same", bias=False)


def separable(width: int, stride: int, *, kernel: int, norm: Norm) -> Node:
    """f(x) = depthwise, linear 1x1."""
    return Seq(conv_dw=conv(HERE, kernel, stride, groups=HERE), bn1=norm, act1=Relu6, conv_pw=conv(width), bn2=norm)


def mbconv(width: int, stride: int, *, expansion: int, kernel: int, norm: Norm) -> Node:
    """f(x) = 1x1 to `expansion` times the channels, depthwise, linear 1x1."""
    return Seq(
        conv_pw=conv(IN * expansion), bn1=norm, act1=Relu6,
        conv_dw=conv(HERE, kernel, stride, groups=HERE), bn2=norm, act2=Relu6, conv_pwl=conv(width), bn3=norm,
    )  # fmt: skip


def efficientnet_lite(
    classes: int = 1000, width: float = 1.0, depth: float = 1.0, *, rate: float = 0.2, drop_path: float = 0.2,
    eps: float = 1e-3, momentum: float = 0.1,
) -> Node:  # fmt: skip
    """Table 1 without squeeze-excite, `width` times as wide and `depth` times as deep between stem and head."""
    if not (width > 0 and depth > 0):
        raise SpecError(f"efficientnet_lite: width and depth must be above 0, got {width!r}, {depth!r}")
    norm, rows = Norm(eps, momentum), list[Row]()
    for row, (expansion, kernel, stride, channels, layers) in enumerate(TABLE1):
        block = partial(separable if expansion == 1 else partial(mbconv, expansion=expansion), kernel=kernel, norm=norm)
        fixed = row in (0, len(TABLE1) - 1)
        rows.append((block, stride, round_to(channels * width), layers if fixed else ceil(layers * depth)))
    return Seq(
        conv_stem=conv(FIRST, 3, 2), bn1=norm, act1=Relu6, blocks=Seq(*stages(rows, drop_path)),
        conv_head=conv(LAST), bn2=norm, act2=Relu6,
        global_pool=PoolTo(1), flatten=Flatten, drop=Dropout(rate), classifier=Linear(classes),
    )  # fmt: skip


PAPER = "Liu 2020, Higher accuracy on vision models with EfficientNet-Lite (TensorFlow blog, github.com/tensorflow/tpu)"

VARIANTS = {
    f"tf_efficientnet_lite{index}": Variant(
        efficientnet_lite, {"width": width, "depth": depth, "rate": rate},
        side=side, provenance="timm", paper=PAPER, year=2020, init="efficientnet_timm",
        departs="momentum 0.1 in normalisation"
        + (f", {side} pixels instead of {SIDES[f'lite{index}']}" if side != SIDES[f"lite{index}"] else "")
        + (", dropout 0.4 instead of 0.3" if index == 4 else ""),
    )
    for index, (width, depth, side, rate) in enumerate(list(SCALES.values())[:5])
}  # fmt: skip
