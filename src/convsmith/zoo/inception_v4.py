"""Inception-v4: Szegedy, Ioffe, Vanhoucke & Alemi 2016, "Inception-v4, Inception-ResNet and the impact of residual
connections on learning", Figs. 3 to 9 and Table 1 (arXiv:1602.07261).

`inception_v4` is timm's, which is TensorFlow's release, under timm's own keys; 42,679,816 parameters. Modules, widths
and numbers of modules are the figures'. The release, not the figures, decides in which order 1x7 and 7x1, 1x3 and 3x1
follow each other, which changes no count; timm has no dropout where Fig. 9 keeps 0.8 (`rate=0.2`).
"""

from __future__ import annotations

from functools import partial

from convsmith.spec import (
    AvgPool,
    Branches,
    Cell,
    Dropout,
    Flatten,
    Linear,
    Node,
    Pool,
    PoolTo,
    Seq,
    SpecError,
    Step,
)
from convsmith.zoo.inception_v3 import Unit, unit
from convsmith.zoo.variant import Variant

# Table 1: filters of Reduction-A, Fig. 7's k, l, m, n
TABLE1 = {"Inception-v4": (192, 224, 256, 384), "Inception-ResNet-v2": (256, 256, 384, 384)}

FIG9 = (4, 7, 3)  # how often Inception-A, Inception-B and Inception-C stand one behind the other

ROW, COLUMN, POOL = (1, 7), (7, 1), Pool(3, 2)


def stem(u: Unit) -> tuple[Node, ...]:
    """Three 3x3, then concat(max, 3x3), concat(3x3(1x1), 3x3(7x1(1x7(1x1)))), concat(3x3, max): Fig. 3."""
    return (
        u(32, 3, 2, 0), u(32, 3, 1, 0), u(64, 3),
        Branches(maxpool=POOL, conv=u(96, 3, 2, 0)),
        Branches(branch0=Seq(u(64), u(96, 3, 1, 0)), branch1=Seq(u(64), u(64, ROW), u(64, COLUMN), u(96, 3, 1, 0))),
        Branches(conv=u(192, 3, 2, 0), maxpool=POOL),
    )  # fmt: skip


def pooled(u: Unit, width: int) -> Seq:
    """conv1x1(mean3x3(x)), the mean of the image's pixels alone."""
    return Seq(AvgPool(3, 1, 1, count_pad=False), u(width))


def inception_a(u: Unit) -> Node:
    """concat(1x1, 3x3(1x1), 3x3(3x3(1x1)), 1x1(mean)): Fig. 4."""
    return Branches(
        branch0=u(96), branch1=Seq(u(64), u(96, 3)), branch2=Seq(u(64), u(96, 3), u(96, 3)), branch3=pooled(u, 96)
    )


def inception_b(u: Unit) -> Node:
    """concat(1x1, 7x1(1x7(1x1)), 1x7(7x1(1x7(7x1(1x1)))), 1x1(mean)): Fig. 5."""
    return Branches(
        branch0=u(384),
        branch1=Seq(u(192), u(224, ROW), u(256, COLUMN)),
        branch2=Seq(u(192), u(192, COLUMN), u(224, ROW), u(224, COLUMN), u(256, ROW)),
        branch3=pooled(u, 128),
    )


def inception_c(u: Unit) -> Node:
    """concat(1x1, 1x3(y), 3x1(y), 1x3(z), 3x1(z), 1x1(mean)), y = 1x1, z = 1x3(3x1(1x1)): Fig. 6."""
    row, column = u(256, (1, 3)), u(256, (3, 1))
    return Cell(
        out=("branch0", "branch1_1a", "branch1_1b", "branch2_3a", "branch2_3b", "branch3"),
        branch0=Step(u(256), "x"), branch1_0=Step(u(384), "x"),
        branch1_1a=Step(row, "branch1_0"), branch1_1b=Step(column, "branch1_0"),
        branch2_0=Step(u(384), "x"), branch2_1=Step(u(448, (3, 1)), "branch2_0"),
        branch2_2=Step(u(512, (1, 3)), "branch2_1"),
        branch2_3a=Step(row, "branch2_2"), branch2_3b=Step(column, "branch2_2"),
        branch3=Step(pooled(u, 256), "x"),
    )  # fmt: skip


def reduction_a(u: Unit, klmn: tuple[int, ...]) -> Node:
    """concat(3x3, 3x3(3x3(1x1)), max), each of stride 2: Fig. 7."""
    reduce, three, last, direct = klmn
    return Branches(branch0=u(direct, 3, 2, 0), branch1=Seq(u(reduce), u(three, 3), u(last, 3, 2, 0)), branch2=POOL)


def reduction_b(u: Unit) -> Node:
    """concat(3x3(1x1), 3x3(7x1(1x7(1x1))), max), each of stride 2: Fig. 8."""
    return Branches(
        branch0=Seq(u(192), u(192, 3, 2, 0)),
        branch1=Seq(u(256), u(256, ROW), u(320, COLUMN), u(320, 3, 2, 0)),
        branch2=POOL,
    )


def inception_v4(classes: int = 1000, depths: tuple[int, ...] = FIG9, *, width: float = 1.0, rate: float = 0.2) -> Node:
    """Fig. 9 with `depths` of the three modules; `width` scales every convolution."""
    if not width > 0:
        raise SpecError(f"inception_v4: width must be above 0, got {width!r}")
    u, (a, b, c) = partial(unit, scale=width), depths
    return Seq(
        features=Seq(
            *stem(u), *[inception_a(u)] * a, reduction_a(u, TABLE1["Inception-v4"]), *[inception_b(u)] * b,
            reduction_b(u), *[inception_c(u)] * c,
        ),
        global_pool=PoolTo(1), flatten=Flatten, head_drop=Dropout(rate), last_linear=Linear(classes),
    )  # fmt: skip


PAPER = "Szegedy et al. 2016, Inception-v4, Inception-ResNet and the impact of residual connections (arXiv:1602.07261)"

VARIANTS = {
    "inception_v4": Variant(
        inception_v4, {"rate": 0.0}, side=299, provenance="timm", paper=PAPER, year=2016,
        departs="no dropout (Fig. 9 keeps 0.8); the release's order of 1x7 and 7x1 and of 1x3 and 3x1",
    ),
}  # fmt: skip
