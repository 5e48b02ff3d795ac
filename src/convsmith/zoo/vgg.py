"""VGG: Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", Table 1.

`vgg_a` ... `vgg_e` are the paper's columns; `vgg11`, `vgg13`, `vgg16`, `vgg19` are torchvision's columns A, B, D and E
(an adaptive pool before the classifier makes any larger image fit; at 224 it changes nothing), `_bn` with batch
normalisation, which the paper lacks.
"""

from __future__ import annotations

from typing import Any

from convsmith.spec import (
    Conv,
    Dropout,
    Flatten,
    Linear,
    LocalNorm,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Seq,
    SpecError,
    UnknownName,
)
from convsmith.spec.errors import nearest
from convsmith.zoo.variant import Variant

# Table 1, column by column: a number is conv3-<number>, 1x1 marks column C's conv1, M is maxpool, L is LRN
TABLE1 = {
    "A": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "A-LRN": "64 L M 128 M 256 256 M 512 512 M 512 512 M",
    "B": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "C": "64 64 M 128 128 M 256 256 1x1-256 M 512 512 1x1-512 M 512 512 1x1-512 M",
    "D": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "E": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def vgg(
    classes: int = 1000, column: str = "D", norm: bool = False, pool_to: int | None = None,
    width: float = 1.0, hidden: int = 4096, rate: float = 0.5,
) -> Node:  # fmt: skip
    """One column. `width` scales the convolutions, `hidden` is the size of the two linear layers (0 = none)."""
    if column not in TABLE1:
        raise UnknownName(
            f"VGG has no column {column!r}{nearest(str(column), TABLE1)} (Table 1 has {', '.join(TABLE1)})"
        )
    if not width > 0:
        raise SpecError(f"vgg: width must be above 0, got {width!r}")

    def layers(word: str) -> list[Node]:
        if word == "M":
            return [Pool(2)]
        if word == "L":
            return [LocalNorm()]
        kernel, channels = (1, word[4:]) if word.startswith("1x1-") else (3, word)
        return [Conv(max(1, round(int(channels) * width)), kernel), *([Norm()] if norm else []), Relu]

    top = [part for _ in range(2 if hidden else 0) for part in (Linear(hidden), Relu, Dropout(rate))]
    middle: dict[str, Any] = {} if pool_to is None else {"avgpool": PoolTo(pool_to)}
    return Seq(
        features=Seq(*[layer for word in TABLE1[column].split() for layer in layers(word)]),
        **middle, flatten=Flatten, classifier=Seq(*top, Linear(classes)),
    )  # fmt: skip


PAPER = (
    "Simonyan & Zisserman 2015, Very deep convolutional networks for large-scale image recognition (arXiv:1409.1556)"
)
MEMORY = (
    "Course notes sum VGG-16's memory to 24 M elements (93 to 96 MB). Their own rows (input, convolution, pooling and "
    "linear outputs) sum to 15,237,608 elements, 61 MB in float32"
)
LETTERS = {"vgg_a": "A", "vgg_a_lrn": "A-LRN", "vgg_b": "B", "vgg_c": "C", "vgg_d": "D", "vgg_e": "E"}
DEPTHS = {11: "A", 13: "B", 16: "D", 19: "E"}


def _remarks(column: str, adaptive: bool = False) -> tuple[str, ...]:
    """The D column's correction of the notes; torchvision's extra pooling layer holds 25,088 elements more."""
    if column != "D":
        return ()
    more = ", to which this form's adaptive pooling adds 25,088" if adaptive else ""
    return (f"{MEMORY}: our total with element-wise layers in place{more}.",)


VARIANTS = {
    name: Variant(vgg, {"column": column}, paper=PAPER, year=2014, init="vgg_2014", remarks=_remarks(column))
    for name, column in LETTERS.items()
} | {
    f"vgg{depth}{'_bn' if norm else ''}": Variant(
        vgg, {"column": column, "norm": norm, "pool_to": 7}, provenance="torchvision", paper=PAPER, year=2014,
        init="vgg_torchvision", weights=f"VGG{depth}{'_BN' if norm else ''}_Weights",
        remarks=_remarks(column, adaptive=True),
        departs="adaptive pooling before the classifier" + (", batch normalisation" if norm else ""),
    )
    for norm in (False, True) for depth, column in DEPTHS.items()
}  # fmt: skip
