"""ResNeXt: Xie, Girshick, Dollár, Tu & He 2017, "Aggregated residual transformations", Table 1 (arXiv:1611.05431).

`resnext50_32x4d`, `resnext101_32x8d` and `resnext101_64x4d` are torchvision's, `resnext101_32x4d` is timm's; the paper
has these but 32x8d, and strides in the 3x3 as they do. `resnext29_8x64d` and `resnext29_16x64d` are the CIFAR nets of
section 5.3 and Table 7. `form` says a block in one of Fig. 3's three equivalent ways: "a" adds branches, "b"
concatenates them early, "c" is a grouped convolution (the one that libraries build).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from convsmith.spec import (
    Branches,
    Cell,
    Chain,
    Flatten,
    Linear,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Seq,
    SpecError,
    Step,
)
from convsmith.zoo.blocks import conv
from convsmith.zoo.resnet import TABLE1, stage
from convsmith.zoo.variant import Variant

Form = Literal["a", "b", "c"]

# Table 2: cardinality C and width of bottleneck d at equal complexity, width of the grouped convolution
TABLE2 = ((1, 64, 64), (2, 40, 80), (4, 24, 96), (8, 14, 112), (32, 4, 128))


def squeezed(width: int, stride: int = 1, groups: int = 1) -> dict[str, Node]:
    """1x1, 3x3: what the three forms, and each branch of them, begin with."""
    return {
        "conv1": conv(width), "bn1": Norm(), "relu1": Relu,
        "conv2": conv(width, 3, stride, groups), "bn2": Norm(), "relu2": Relu,
    }  # fmt: skip


def grouped(width: int, out: int, stride: int = 1, cardinality: int = 32) -> Seq:
    """1x1, grouped 3x3, 1x1 of `width` channels in all: Fig. 3 c without its shortcut."""
    return Seq(**squeezed(width, stride, cardinality), conv3=conv(out), bn3=Norm())


def concatenated(width: int, out: int, stride: int = 1, cardinality: int = 32) -> Node:
    """1x1 of the concatenation of C branches of 1x1, 3x3: Fig. 3 b without its shortcut."""
    branch = Seq(**squeezed(width // cardinality, stride))
    paths = Branches(**{f"path{i}": branch for i in range(cardinality)})
    return Chain(paths, Seq(conv3=conv(out), bn3=Norm()))


def added(width: int, out: int, stride: int = 1, cardinality: int = 32) -> Node:
    """The sum of C branches of 1x1, 3x3, 1x1, then normalised: Eq. 2 and Fig. 3 a without its shortcut."""
    branch = Seq(**squeezed(width // cardinality, stride), conv3=conv(out))
    paths = {f"path{i}": Step(branch, "x") for i in range(cardinality)}
    return Cell(("x",), out=("bn3",), **paths, bn3=Step(Norm(), *paths, join="add"))


FORMS: dict[str, Callable[[int, int, int, int], Node]] = {"a": added, "b": concatenated, "c": grouped}


def projected(body: Node, out: int, stride: int) -> Node:
    """relu(x + body(x)), with a 1x1 on x where channels or stride change."""
    return Residual(body, Seq(downsample=Seq(conv(out, 1, stride), Norm())), after=Relu)


def bottleneck(width: int, out: int, stride: int = 1, cardinality: int = 32, form: Form = "c") -> Node:
    """relu(x + f(x)), f = 1x1, 3x3 in `cardinality` groups, 1x1; `width` is that of the 3x3."""
    if form not in FORMS or width % cardinality:
        raise SpecError(
            f"resnext: form is 'a', 'b' or 'c' and cardinality divides the width, got {form!r}, {width} / {cardinality}"
        )
    return projected(FORMS[form](width, out, stride, cardinality), out, stride)


def tower(stem: dict[str, Any], block: Callable[[int, int], Node], repeats: Iterable[int], classes: int) -> Seq:
    """Stem, stages layer1 ... of `block(times, stride)` with times = 1, 2, 4, ..., pooling, the linear layer."""
    stages = {
        f"layer{i + 1}": stage(lambda stride, times=2**i: block(times, stride), 2 if i else 1, n)  # type: ignore[misc]
        for i, n in enumerate(repeats)
    }
    return Seq(**stem, **stages, avgpool=PoolTo(1), flatten=Flatten, fc=Linear(classes))


def stem(width: int = 64) -> dict[str, Any]:
    """The 7x7 and the pooling of ResNet's Table 1."""
    return {"conv1": conv(width, 7, 2), "bn1": Norm(), "relu": Relu, "maxpool": Pool(3, 2, 1)}


def resnext(
    classes: int = 1000, depth: int = 50, cardinality: int = 32, width: int = 4, form: Form = "c", out: int = 256
) -> Node:
    """Table 1's column for `cardinality` C groups of `width` d; `out` is what conv2's blocks put out."""
    if depth not in (50, 101, 152):
        raise SpecError(f"resnext: depth is 50, 101 or 152, got {depth}")
    _, *repeats = TABLE1[depth]

    def block(times: int, stride: int) -> Node:
        return bottleneck(cardinality * width * times, out * times, stride, cardinality, form)

    return tower(stem(), block, repeats, classes)


def resnext_cifar(
    classes: int = 10, depth: int = 29, cardinality: int = 8, width: int = 64, form: Form = "c", out: int = 256
) -> Node:
    """Section 5.3: conv3x3 of 64 channels, three stages of (depth - 2) / 9 blocks."""
    if depth < 11 or (depth - 2) % 9:
        raise SpecError(f"resnext_cifar: depth is 9n + 2 (11, 20, 29, ...), got {depth}")

    def block(times: int, stride: int) -> Node:
        return bottleneck(cardinality * width * times, out * times, stride, cardinality, form)

    return tower({"conv1": conv(64, 3), "bn1": Norm(), "relu": Relu}, block, [(depth - 2) // 9] * 3, classes)


PAPER = (
    "Xie, Girshick, Dollár, Tu & He 2017, Aggregated residual transformations for deep neural networks "
    "(arXiv:1611.05431)"
)
VARIANTS = {
    f"resnext{depth}_{c}x{d}d": Variant(
        resnext, {"depth": depth, "cardinality": c, "width": d}, provenance="torchvision" if weights else "timm",
        paper=PAPER, year=2016, init="he_fan_out" if weights else "resnet_timm", weights=weights, departs=departs,
    )
    for depth, c, d, weights, departs in (
        (50, 32, 4, "ResNeXt50_32X4D_Weights", "nowhere: the paper, too, strides in the 3x3"),
        (101, 32, 4, None, "nowhere: the paper, too, strides in the 3x3"),
        (101, 32, 8, "ResNeXt101_32X8D_Weights", "a width that the paper does not have"),
        (101, 64, 4, "ResNeXt101_64X4D_Weights", "nowhere: the paper, too, strides in the 3x3"),
    )
} | {
    f"resnext29_{c}x64d": Variant(
        resnext_cifar, {"cardinality": c}, side=32, classes=10, paper=PAPER, year=2016, init="he_fan_out"
    )
    for c in (8, 16)
}  # fmt: skip
