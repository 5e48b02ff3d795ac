"""EfficientNet: Tan & Le 2019, "EfficientNet: Rethinking model scaling for convolutional neural networks", Table 1
(arXiv:1905.11946).

`efficientnet_b0` ... `efficientnet_b7` are torchvision's, with the parameters of the authors' release. B0 is Table 1;
B1 to B7 multiply its widths by w (rounded to multiples of 8), its depths by d (rounded up), and its side by r, which
compound scaling (Eq. 3, `compound`) takes from one number phi. With w and d rounded to tenths and the side to a
multiple of 10, phi = 0.5, 1 and 2 give the released B1, B2 and B3 whole. From B4 on no phi gives all three: 3.75, 5.1,
6.15 and 7.05 give width and side (B5 to B7's to multiples of 8), while the released depths are those of phi = 3.2, 4.3,
5.2 and 6.2. So the coefficients below are the authors', and no other number sets B1 to B7 apart but the dropout.

torchvision's departures: batch normalisation has eps 1e-5 and momentum 0.1 in B0 to B4 (B5 to B7 have the authors' 1e-3
and 0.01), padding is symmetric where the authors' is TensorFlow's SAME, and B2 is evaluated at 288 pixels, not 260.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import ceil

from convsmith.spec import Conv, Dropout, Flatten, Gate, Linear, Node, PoolTo, Residual, Seq, Sigmoid, Silu, SpecError
from convsmith.spec.widths import BACK, HERE, IN, Channels, round_to
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

Unit = Callable[..., Seq]  # conv_norm with an eps and a momentum
Row = tuple[Callable[[int, int], Node], int, int, int]  # a block's body(width, stride), stride, channels, layers


def compound(phi: float) -> tuple[float, float, float]:
    """(beta^phi, alpha^phi, gamma^phi): B0's width, depth and resolution times these take 1.92^phi its multiply-adds.

    >>> [round(times, 1) for times in compound(1)]
    [1.1, 1.2, 1.1]
    """
    return BETA**phi, ALPHA**phi, GAMMA**phi


def mbconv(
    width: int, stride: int, *, expansion: int, kernel: int = 3, reduction: int = 4, norm: Unit = conv_norm
) -> Node:
    """f(x) = 1x1 to `expansion` times the channels, depthwise, squeeze-excite, linear 1x1."""
    expand = [] if expansion == 1 else [norm(IN * expansion, act=Silu)]
    depthwise = norm(HERE, kernel, stride, groups=HERE, act=Silu)
    gate = Gate(Seq(
        avgpool=PoolTo(1), fc1=Conv(IN // reduction), activation=Silu, fc2=Conv(BACK), scale_activation=Sigmoid,
    ))  # fmt: skip
    return Seq(block=Seq(*expand, depthwise, gate, norm(width, act=None)))


def stages(rows: Sequence[Row], drop_path: float) -> list[Node]:
    """A sequence of x + f(x) a row: the first one strides, and drop rises linearly from 0 to `drop_path` over all."""
    total = sum(layers for *_, layers in rows)
    drops, made = (drop_path * index / total for index in range(total)), list[Node]()
    for body, stride, channels, layers in rows:
        bodies = [body(channels, stride), *[body(channels, 1)] * (layers - 1)]
        made.append(Seq(*[Residual(one, drop=next(drops)) for one in bodies]))
    return made


def between(first: int, last: Channels, body: Iterable[Node], classes: int, rate: float, norm: Unit) -> Node:
    """A stem of `first` maps, the body, 1x1 to `last` maps, pooling, dropout and the classes."""
    return Seq(
        features=Seq(norm(first, 3, 2, act=Silu), *body, norm(last, act=Silu)),
        avgpool=PoolTo(1), flatten=Flatten, classifier=Seq(Dropout(rate), Linear(classes)),
    )  # fmt: skip


def efficientnet(
    classes: int = 1000, width: float = 1.0, depth: float = 1.0, *, rate: float = 0.2, drop_path: float = 0.2,
    reduction: int = 4, eps: float = 1e-5, momentum: float = 0.1,
) -> Node:  # fmt: skip
    """Table 1, `width` times as wide and `depth` times as deep. A block with a skip is dropped in training with a
    probability that rises linearly to `drop_path`; `reduction` is squeeze-excite's, to the block's input channels."""
    if not (width > 0 and depth > 0):
        raise SpecError(f"efficientnet: width and depth must be above 0, got {width!r}, {depth!r}")
    norm = partial(conv_norm, eps=eps, momentum=momentum)
    rows: list[Row] = [
        (partial(mbconv, expansion=expansion, kernel=kernel, reduction=reduction, norm=norm),
         stride, round_to(channels * width), ceil(layers * depth))
        for expansion, kernel, stride, channels, layers in TABLE1
    ]  # fmt: skip
    return between(round_to(FIRST * width), HERE * 4, stages(rows, drop_path), classes, rate, norm)


PAPER = "Tan & Le 2019, EfficientNet: Rethinking model scaling for convolutional neural networks (arXiv:1905.11946)"

VARIANTS = {
    f"efficientnet_{name}": Variant(
        efficientnet,
        {"width": width, "depth": depth, "rate": rate} | ({"eps": 1e-3, "momentum": 0.01} if name > "b4" else {}),
        side=SIDES.get(name, side), provenance="torchvision", paper=PAPER, year=2019, init="efficientnet",
        weights=f"EfficientNet_{name.upper()}_Weights",
        departs="symmetric padding" + (", eps 1e-5 and momentum 0.1 in normalisation" if name < "b5" else "")
        + (", 288 pixels" if name in SIDES else ""),
    )
    for name, (width, depth, side, rate) in SCALES.items()
}  # fmt: skip
