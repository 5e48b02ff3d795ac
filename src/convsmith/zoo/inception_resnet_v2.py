"""Inception-ResNet-v2: Szegedy, Ioffe, Vanhoucke & Alemi 2016, "Inception-v4, Inception-ResNet and the impact of
residual connections on learning", Figs. 7 and 15 to 19, Table 1 and section 3.3 (arXiv:1602.07261).

`inception_resnet_v2` is timm's, which is TensorFlow's release, under timm's own keys; 55,843,464 parameters. It departs
in the stem (Inception-v3's and one module more, 320 maps where Fig. 3 has 384), in 10, 20 and 10 modules where Fig. 15
has 5, 10 and 5, in the last module, neither scaled nor rectified, and in a 1x1 to 1536 before the mean. There is no
paper form: Figs. 17 and 19 end in 1154 and 2048 maps, but 1152 and 2144 enter there.
"""

from __future__ import annotations

from functools import partial

from convsmith.spec import (
    IN,
    Branches,
    Chain,
    Conv,
    Dropout,
    Flatten,
    Identity,
    Linear,
    Node,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Seq,
    SpecError,
    Times,
)
from convsmith.zoo.inception_v3 import Unit, unit
from convsmith.zoo.inception_v4 import PAPER, TABLE1, pooled, reduction_a
from convsmith.zoo.variant import Variant

# the release's modules A, B and C: how many, and the factor of their residuals
DEPTHS, SCALES = (10, 20, 10), (0.17, 0.10, 0.20)


def first_module(u: Unit) -> Node:
    """concat(1x1, 5x5(1x1), 3x3(3x3(1x1)), 1x1(mean))."""
    return Branches(
        branch0=u(96), branch1=Seq(u(48), u(64, 5)), branch2=Seq(u(64), u(96, 3), u(96, 3)), branch3=pooled(u, 64)
    )


def scaled(body: Branches, scale: float, act: Node = Relu) -> Node:
    """relu(x + scale * conv1x1(body(x))): section 3.3 and Fig. 20."""
    return Residual(Chain(body, Seq(conv2d=Conv(IN), scale=Identity if scale == 1 else Times(scale))), after=act)


def module_a(u: Unit) -> Branches:
    """concat(1x1, 3x3(1x1), 3x3(3x3(1x1))): Fig. 16."""
    return Branches(branch0=u(32), branch1=Seq(u(32), u(32, 3)), branch2=Seq(u(32), u(48, 3), u(64, 3)))


def module_b(u: Unit) -> Branches:
    """concat(1x1, 7x1(1x7(1x1))): Fig. 17."""
    return Branches(branch0=u(192), branch1=Seq(u(128), u(160, (1, 7)), u(192, (7, 1))))


def module_c(u: Unit) -> Branches:
    """concat(1x1, 3x1(1x3(1x1))): Fig. 19."""
    return Branches(branch0=u(192), branch1=Seq(u(192), u(224, (1, 3)), u(256, (3, 1))))


def reduction_b(u: Unit) -> Node:
    """concat(3x3(1x1), 3x3(1x1), 3x3(3x3(1x1)), max), each of stride 2: Fig. 18."""
    return Branches(
        branch0=Seq(u(256), u(384, 3, 2, 0)), branch1=Seq(u(256), u(288, 3, 2, 0)),
        branch2=Seq(u(256), u(288, 3), u(320, 3, 2, 0)), branch3=Pool(3, 2),
    )  # fmt: skip


def inception_resnet_v2(
    classes: int = 1000, depths: tuple[int, ...] = DEPTHS, scales: tuple[float, ...] = SCALES, *,
    width: float = 1.0, rate: float = 0.2,
) -> Node:  # fmt: skip
    """Fig. 15 as released, with `depths` modules A, B and C, the last C apart; `width` scales every convolution."""
    if not width > 0:
        raise SpecError(f"inception_resnet_v2: width must be above 0, got {width!r}")
    u, (a, b, c), (by_a, by_b, by_c) = partial(unit, scale=width), depths, scales
    if c < 2:
        raise SpecError(f"inception_resnet_v2: the last module C stands apart, so there are 2 or more, got {c!r}")
    last = module_c(u)
    return Seq(
        conv2d_1a=u(32, 3, 2, 0), conv2d_2a=u(32, 3, 1, 0), conv2d_2b=u(64, 3), maxpool_3a=Pool(3, 2),
        conv2d_3b=u(80), conv2d_4a=u(192, 3, 1, 0), maxpool_5a=Pool(3, 2), mixed_5b=first_module(u),
        repeat=Seq(*[scaled(module_a(u), by_a)] * a), mixed_6a=reduction_a(u, TABLE1["Inception-ResNet-v2"]),
        repeat_1=Seq(*[scaled(module_b(u), by_b)] * b), mixed_7a=reduction_b(u),
        repeat_2=Seq(*[scaled(last, by_c)] * (c - 1)), block8=scaled(last, 1, Identity), conv2d_7b=u(1536),
        global_pool=PoolTo(1), flatten=Flatten, head_drop=Dropout(rate), classif=Linear(classes),
    )  # fmt: skip


VARIANTS = {
    "inception_resnet_v2": Variant(
        inception_resnet_v2, {"rate": 0.0}, side=299, provenance="timm", paper=PAPER, year=2016,
        departs="Inception-v3's stem and one more module for Fig. 3's, 10, 20 and 10 modules for 5, 10 and 5, "
        "the last neither scaled nor rectified, a 1x1 to 1536 before the mean, no dropout (Fig. 15 keeps 0.8)",
    ),
}  # fmt: skip
