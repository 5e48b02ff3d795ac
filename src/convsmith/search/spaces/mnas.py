"""`mnas`: the space in which MnasNet was found, around MobileNet v2's table; `cifar_mb`: the like for small images."""

from __future__ import annotations

from convsmith.search.spaces.factorised import Frame, Options, factorised
from convsmith.search.spaces.space import Space
from convsmith.spec.widths import round_to
from convsmith.zoo.mobilenet_v2 import TABLE2

SHARES = (0.75, 1.0, 1.25)
"""Widths beside MobileNet v2's (section 5 of the paper), rounded to multiples of 4."""

MNAS = (
    "Tan et al. 2019, MnasNet (arXiv:1807.11626), sections 4.1 and 5: 432 settings a row (288 where MobileNet v2 has "
    "one layer), layers and widths around MobileNet v2's Table 2; the paper leaves stem and head open, which are "
    "MobileNet v2's here"
)
CIFAR = (
    "ours: the rows of `mnas` in the strides of a CIFAR net (32, 16 and 8 pixels), for small images and budgets of "
    "some million MACs"
)


def mnas(*, side: int = 224, channels: int = 3, classes: int = 1000) -> Space:
    """Seven rows."""
    rows = [
        Options(s, tuple(layers for layers in (n - 1, n, n + 1) if layers), tuple(round_to(c * k, 4) for k in SHARES))
        for _, c, n, s in TABLE2
    ]
    return factorised("mnas", MNAS, rows, Frame(32, 2, 1280), side=side, channels=channels, classes=classes)


# stride, layers, width
CIFAR_ROWS = (
    (1, (1, 2), (8, 12, 16, 24)),
    (2, (1, 2, 3), (16, 24, 32, 40)),
    (1, (1, 2, 3), (16, 24, 32, 48)),
    (2, (1, 2, 3), (32, 48, 64, 96)),
    (1, (1, 2, 3), (32, 48, 64, 96)),
)


def cifar_mb(*, side: int = 32, channels: int = 3, classes: int = 10) -> Space:
    """Five rows."""
    rows = [Options(stride, layers, width) for stride, layers, width in CIFAR_ROWS]
    return factorised("cifar_mb", CIFAR, rows, Frame(16, 1, 256), side=side, channels=channels, classes=classes)
