"""Inception-v3: Szegedy, Vanhoucke, Ioffe, Shlens & Wojna 2015, "Rethinking the Inception architecture for computer
vision", Table 1 and Figs. 5 to 7, 10 (arXiv:1512.00567).

`inception_v3` is torchvision's, which is TensorFlow's release: 1x7 and 7x1 in place of 7x7, 1x3 and 3x1 side by side;
23,834,568 parameters, 27,161,264 with the auxiliary classifier (`AuxLogits`, a `Tap`). It departs from Table 1 in the
stem (1x1 to 80 maps and 3x3 to 192 before the second pooling, where the table has 3x3, 3x3 stride 2 and 3x3), and the
modules of Fig. 5 have a 5x5 where the figure has a 3x3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from convsmith.spec import (
    AvgPool,
    Branches,
    Cell,
    Conv,
    Dropout,
    Flatten,
    Linear,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Seq,
    SpecError,
    Step,
    Tap,
)
from convsmith.spec.signature import Pair
from convsmith.zoo.variant import Variant

# the modules in order: name -> kind and, where modules of a kind differ, maps of A's pooling or C's 7x7 branches
MIXED = {
    "Mixed_5b": ("A", 32), "Mixed_5c": ("A", 64), "Mixed_5d": ("A", 64),
    "Mixed_6a": ("B", 0), "Mixed_6b": ("C", 128), "Mixed_6c": ("C", 160), "Mixed_6d": ("C", 160),
    "Mixed_6e": ("C", 192), "Mixed_7a": ("D", 0), "Mixed_7b": ("E", 0), "Mixed_7c": ("E", 0),
}  # fmt: skip


Unit = Callable[..., Seq]


def unit(width: int, kernel: int | Pair = 1, stride: int = 1, pad: int | None = None, *, scale: float = 1.0) -> Seq:
    """relu(norm(conv(x)))."""
    return Seq(conv=Conv(max(1, round(width * scale)), kernel, stride, pad=pad, bias=False), bn=Norm(1e-3), relu=Relu)


def inception_a(u: Unit, maps: int) -> Node:
    """concat(1x1, 5x5(1x1), 3x3(3x3(1x1)), 1x1(mean)): Fig. 5."""
    return Branches(
        Seq(branch1x1=u(64)),
        Seq(branch5x5_1=u(48), branch5x5_2=u(64, 5)),
        Seq(branch3x3dbl_1=u(64), branch3x3dbl_2=u(96, 3), branch3x3dbl_3=u(96, 3)),
        Seq(pool=AvgPool(3, 1, 1), branch_pool=u(maps)),
    )


def inception_b(u: Unit, _: int) -> Node:
    """concat(3x3, 3x3(3x3(1x1)), max), each of stride 2: Fig. 10, grid reduction."""
    return Branches(
        Seq(branch3x3=u(384, 3, 2, 0)),
        Seq(branch3x3dbl_1=u(64), branch3x3dbl_2=u(96, 3), branch3x3dbl_3=u(96, 3, 2, 0)),
        Seq(pool=Pool(3, 2)),
    )


def inception_c(u: Unit, maps: int) -> Node:
    """concat(1x1, 7x1(1x7(1x1)), 1x7(7x1(1x7(7x1(1x1)))), 1x1(mean)): Fig. 6 with n = 7."""
    row, column = (1, 7), (7, 1)
    return Branches(
        Seq(branch1x1=u(192)),
        Seq(branch7x7_1=u(maps), branch7x7_2=u(maps, row), branch7x7_3=u(192, column)),
        Seq(
            branch7x7dbl_1=u(maps), branch7x7dbl_2=u(maps, column), branch7x7dbl_3=u(maps, row),
            branch7x7dbl_4=u(maps, column), branch7x7dbl_5=u(192, row),
        ),
        Seq(pool=AvgPool(3, 1, 1), branch_pool=u(192)),
    )  # fmt: skip


def inception_d(u: Unit, _: int) -> Node:
    """concat(3x3(1x1), 3x3(7x1(1x7(1x1))), max), each of stride 2."""
    return Branches(
        Seq(branch3x3_1=u(192), branch3x3_2=u(320, 3, 2, 0)),
        Seq(
            branch7x7x3_1=u(192), branch7x7x3_2=u(192, (1, 7)), branch7x7x3_3=u(192, (7, 1)),
            branch7x7x3_4=u(192, 3, 2, 0),
        ),
        Seq(pool=Pool(3, 2)),
    )  # fmt: skip


def inception_e(u: Unit, _: int) -> Node:
    """concat(1x1, 1x3(y), 3x1(y), 1x3(z), 3x1(z), 1x1(mean)), y = 1x1, z = 3x3(1x1): Fig. 7."""
    row, column = u(384, (1, 3)), u(384, (3, 1))
    return Cell(
        out=("branch1x1", "branch3x3_2a", "branch3x3_2b", "branch3x3dbl_3a", "branch3x3dbl_3b", "branch_pool"),
        branch1x1=Step(u(320), "x"), branch3x3_1=Step(u(384), "x"),
        branch3x3_2a=Step(row, "branch3x3_1"), branch3x3_2b=Step(column, "branch3x3_1"),
        branch3x3dbl_1=Step(u(448), "x"), branch3x3dbl_2=Step(u(384, 3), "branch3x3dbl_1"),
        branch3x3dbl_3a=Step(row, "branch3x3dbl_2"), branch3x3dbl_3b=Step(column, "branch3x3dbl_2"),
        pool=Step(AvgPool(3, 1, 1), "x"), branch_pool=Step(u(192), "pool"),
    )  # fmt: skip


KINDS = {"A": inception_a, "B": inception_b, "C": inception_c, "D": inception_d, "E": inception_e}


def auxiliary(u: Unit, classes: int) -> Node:
    """linear(mean(conv5x5(conv1x1(mean5x5(x))))), a further output: section 4, with normalisation."""
    return Tap(Seq(
        pool=AvgPool(5, 3), conv0=u(128), conv1=u(768, 5, 1, 0), avgpool=PoolTo(1), flatten=Flatten,
        fc=Linear(classes),
    ))  # fmt: skip


def inception_v3(classes: int = 1000, aux: bool = True, width: float = 1.0, rate: float = 0.5) -> Node:
    """Table 1 as torchvision has it; `width` scales every convolution."""
    if not width > 0:
        raise SpecError(f"inception_v3: width must be above 0, got {width!r}")
    u, mixed = partial(unit, scale=width), dict[str, Node]()
    for name, (kind, maps) in MIXED.items():
        if kind == "D" and aux:
            mixed["AuxLogits"] = auxiliary(u, classes)
        mixed[name] = KINDS[kind](u, maps)
    return Seq(
        Conv2d_1a_3x3=u(32, 3, 2, 0), Conv2d_2a_3x3=u(32, 3, 1, 0), Conv2d_2b_3x3=u(64, 3), maxpool1=Pool(3, 2),
        Conv2d_3b_1x1=u(80), Conv2d_4a_3x3=u(192, 3, 1, 0), maxpool2=Pool(3, 2),
        **mixed, avgpool=PoolTo(1), dropout=Dropout(rate), flatten=Flatten, fc=Linear(classes),
    )  # fmt: skip


VARIANTS = {
    "inception_v3": Variant(
        inception_v3, side=299, provenance="torchvision", year=2015, init="inception_v3",
        weights="Inception_V3_Weights",
        paper="Szegedy et al. 2015, Rethinking the Inception architecture for computer vision (arXiv:1512.00567)",
        departs="1x1 to 80 maps and 3x3 to 192 before the second pooling, a 5x5 for a 3x3 in Fig. 5's modules",
    ),
}  # fmt: skip
