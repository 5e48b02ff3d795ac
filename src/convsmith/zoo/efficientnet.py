"""EfficientNet: Tan & Le 2019, "EfficientNet: Rethinking model scaling for convolutional neural networks", Table 1
(arXiv:1905.11946).

`efficientnet_b0` ... `efficientnet_b7` are torchvision's, with the parameters of the authors' release. B0 is Table 1;
B1 to B7 multiply its widths by w (rounded to multiples of 8), its depths by d (rounded up), and its side. Compound
scaling (Eq. 3) is w = beta^phi, d = alpha^phi, r = gamma^phi with alpha 1.2, beta 1.1, gamma 1.15, for which twice the
multiply-adds are alpha beta^2 gamma^2 = 1.92. The released numbers are its results rounded by hand: phi = 0.5, 1 and 2
give B1 to B3; from B4 on width and side follow phi = 3.5, 5, 6, 7, while depth falls behind (3.1 for 3.6 in B7).

torchvision's departures: batch normalisation has eps 1e-5 and momentum 0.1 in B0 to B4 (B5 to B7 have the authors' 1e-3
and 0.01), padding is symmetric where the authors' is TensorFlow's SAME, and B2 is evaluated at 288 pixels, not 260.
"""

from __future__ import annotations

from functools import partial
from math import ceil

from convsmith.spec import (
    BACK,
    HERE,
    IN,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    Linear,
    Node,
    PoolTo,
    Residual,
    Seq,
    Sigmoid,
    Silu,
    SpecError,
    round_to,
)
from convsmith.zoo.blocks import conv_norm
from convsmith.zoo.variant import Variant

# Table 1's MBConv rows: expansion and kernel (MBConv6, k5x5), stride of the first, channels, layers
FIRST = 32
TABLE1 = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # section 3.3: depth, width, resolution
# the authors' release: width, depth, resolution, dropout
SCALES = {
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.0, 1.1, 240, 0.2),
    "b2": (1.1, 1.2, 260, 0.3),
    "b3": (1.2, 1.4, 300, 0.3),
    "b4": (1.4, 1.8, 380, 0.4),
    "b5": (1.6, 2.2, 456, 0.4),
    "b6": (1.8, 2.6, 528, 0.5),
    "b7": (2.0, 3.1, 600, 0.5),
}
SIDES = {"b2": 288}  # where torchvision's weights want another than the paper's resolution


def mbconv(
    width: int, expansion: int, kernel: int, stride: int, *,
    reduction: int, eps: float, momentum: float, drop: float = 0,
) -> Node:  # fmt: skip
    """x + f(x), f = 1x1 to `expansion` times the channels, depthwise, squeeze-excite, linear 1x1."""
    norm = partial(conv_norm, eps=eps, momentum=momentum)
    gate = Gate(Seq(
        avgpool=PoolTo(1), fc1=Conv(IN // reduction), activation=Silu, fc2=Conv(BACK), scale_activation=Sigmoid,
    ))  # fmt: skip
    block = Seq(
        *([] if expansion == 1 else [norm(IN * expansion, act=Silu)]),
        norm(HERE, kernel, stride, groups=HERE, act=Silu), gate, norm(width, act=None),
    )  # fmt: skip
    return Residual(Seq(block=block, **({"stochastic_depth": DropPath(drop)} if drop else {})))


def efficientnet(
    classes: int = 1000, width: float = 1.0, depth: float = 1.0, *, rate: float = 0.2, drop_path: float = 0.2,
    reduction: int = 4, eps: float = 1e-5, momentum: float = 0.1,
) -> Node:  # fmt: skip
    """Table 1, `width` times as wide and `depth` times as deep. A block with a skip is dropped in training with a
    probability that rises linearly to `drop_path`; `reduction` is squeeze-excite's, to the block's input channels."""
    if not (width > 0 and depth > 0):
        raise SpecError(f"efficientnet: width and depth must be above 0, got {width!r}, {depth!r}")
    before = round_to(FIRST * width)
    total, index = sum(ceil(n * depth) for *_, n in TABLE1), 0
    stages: list[Node] = [conv_norm(before, 3, 2, act=Silu, eps=eps, momentum=momentum)]
    for expansion, kernel, stride, channels, n in TABLE1:
        blocks, wide = [], round_to(channels * width)
        for step in (stride, *[1] * (ceil(n * depth) - 1)):
            drop = drop_path * index / total if (step, wide) == (1, before) else 0.0
            blocks.append(mbconv(
                wide, expansion, kernel, step, reduction=reduction, eps=eps, momentum=momentum, drop=drop
            ))  # fmt: skip
            before, index = wide, index + 1
        stages.append(Seq(*blocks))
    stages.append(conv_norm(HERE * 4, act=Silu, eps=eps, momentum=momentum))
    return Seq(
        features=Seq(*stages), avgpool=PoolTo(1), flatten=Flatten, classifier=Seq(Dropout(rate), Linear(classes))
    )


PAPER = "Tan & Le 2019, EfficientNet: Rethinking model scaling for convolutional neural networks (arXiv:1905.11946)"

VARIANTS = {
    f"efficientnet_{name}": Variant(
        efficientnet,
        {"width": width, "depth": depth, "rate": rate} | ({"eps": 1e-3, "momentum": 0.01} if name > "b4" else {}),
        side=SIDES.get(name, side), provenance="torchvision", paper=PAPER, year=2019, init="he_fan_out",
        weights=f"EfficientNet_{name.upper()}_Weights",
        departs="symmetric padding" + (", eps 1e-5 and momentum 0.1 in normalisation" if name < "b5" else "")
        + (", 288 pixels" if name in SIDES else "") + "; the linear layer starts from torch's default",
    )
    for name, (width, depth, side, rate) in SCALES.items()
}  # fmt: skip
