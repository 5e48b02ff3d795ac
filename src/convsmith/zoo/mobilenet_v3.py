"""MobileNet v3: Howard et al. 2019, "Searching for MobileNetV3", Tables 1 and 2 (arXiv:1905.02244).

`mobilenet_v3_large` and `mobilenet_v3_small` are torchvision's, which are the paper's but for Small's last 1x1
convolution (576 maps), behind which Table 2 marks a squeeze-excite; and the linear layers stand behind the pooling as
linear layers, where the tables have 1x1 convolutions without normalisation. Squeeze-excite narrows to a quarter of the
expanded channels, rounded to a multiple of 8 as all widths are. Normalisation has eps 1e-3 and momentum 0.01. A width
multiplier scales the hidden linear layer too, as torchvision's does; the authors' own nets of 0.75 are larger.
"""

from __future__ import annotations

from functools import partial

from convsmith.spec import (
    BACK,
    HERE,
    Conv,
    Dropout,
    Flatten,
    Gate,
    HardSigmoid,
    HardSwish,
    Linear,
    Node,
    PoolTo,
    Relu,
    Residual,
    Seq,
    SpecError,
    round_to,
)
from convsmith.zoo.blocks import conv_norm
from convsmith.zoo.variant import Variant

# Tables 1 and 2, the bneck rows: kernel, exp size, #out, SE, NL, s
RE, HS = "RE", "HS"
FIRST = 16
TABLES = {
    "large": (
        (3, 16, 16, False, RE, 1),
        (3, 64, 24, False, RE, 2),
        (3, 72, 24, False, RE, 1),
        (5, 72, 40, True, RE, 2),
        (5, 120, 40, True, RE, 1),
        (5, 120, 40, True, RE, 1),
        (3, 240, 80, False, HS, 2),
        (3, 200, 80, False, HS, 1),
        (3, 184, 80, False, HS, 1),
        (3, 184, 80, False, HS, 1),
        (3, 480, 112, True, HS, 1),
        (3, 672, 112, True, HS, 1),
        (5, 672, 160, True, HS, 2),
        (5, 960, 160, True, HS, 1),
        (5, 960, 160, True, HS, 1),
    ),
    "small": (
        (3, 16, 16, True, RE, 2),
        (3, 72, 24, False, RE, 2),
        (3, 88, 24, False, RE, 1),
        (5, 96, 40, True, HS, 2),
        (5, 240, 40, True, HS, 1),
        (5, 240, 40, True, HS, 1),
        (5, 120, 48, True, HS, 1),
        (5, 144, 48, True, HS, 1),
        (5, 288, 96, True, HS, 2),
        (5, 576, 96, True, HS, 1),
        (5, 576, 96, True, HS, 1),
    ),
}
LAST = {"large": 1280, "small": 1024}
NORMALISED = partial(conv_norm, eps=1e-3, momentum=0.01)


def bneck(before: int, kernel: int, expanded: int, width: int, se: bool, nl: str, stride: int) -> Node:
    """x + f(x), f = 1x1 to `expanded`, depthwise, squeeze-excite, linear 1x1; the first only where it expands."""
    act = HardSwish if nl == HS else Relu
    squeeze, excite = Conv((HERE // 4).round(8)), Conv(BACK)
    gate = Gate(Seq(avgpool=PoolTo(1), fc1=squeeze, activation=Relu, fc2=excite, scale_activation=HardSigmoid))
    return Residual(Seq(block=Seq(
        *([] if expanded == before else [NORMALISED(expanded, act=act)]),
        NORMALISED(HERE, kernel, stride, groups=HERE, act=act),
        *([gate] if se else []),
        NORMALISED(width, act=None),
    )))  # fmt: skip


def mobilenet_v3(classes: int = 1000, form: str = "large", width: float = 1.0, rate: float = 0.2) -> Node:
    """Table 1 ("large") or 2 ("small") with layers `width` times as wide, rounded to multiples of 8."""
    if form not in TABLES or not width > 0:
        raise SpecError(f"mobilenet_v3: form is 'large' or 'small' and width above 0, got {form!r}, {width!r}")
    before = round_to(FIRST * width)
    layers: list[Node] = [NORMALISED(before, 3, 2, act=HardSwish)]
    for kernel, expanded, out, se, nl, stride in TABLES[form]:
        wide = round_to(out * width)
        layers.append(bneck(before, kernel, round_to(expanded * width), wide, se, nl, stride))
        before = wide
    head = Seq(Linear(round_to(LAST[form] * width)), HardSwish, Dropout(rate), Linear(classes))
    return Seq(
        features=Seq(*layers, NORMALISED(HERE * 6, act=HardSwish)), avgpool=PoolTo(1), flatten=Flatten, classifier=head
    )


PAPER = "Howard et al. 2019, Searching for MobileNetV3 (arXiv:1905.02244)"

VARIANTS = {
    f"mobilenet_v3_{form}": Variant(
        mobilenet_v3, {"form": form}, provenance="torchvision", paper=PAPER, year=2019, init="vgg_torchvision",
        weights=f"MobileNet_V3_{form.capitalize()}_Weights",
        departs="no squeeze-excite behind the last convolution" if form == "small" else "",
    )
    for form in TABLES
}  # fmt: skip
