"""A cell as data: which operations, on which sources, and what comes out (Zoph et al. 2018, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from convsmith.spec import HERE, AvgPool, DropPath, Identity, Node, Norm, Pool, Relu, Seq, SpecError
from convsmith.spec.errors import nearest
from convsmith.zoo.blocks import conv

Source = Literal["h", "before"] | int
"""The cell's inputs h_i and h_i-1, or an earlier combination by number."""

# the operations of section 3.1 that need no plain convolution (8 of its 13): kind and kernel
OPERATIONS = {
    "identity": ("", 1), "sep 3x3": ("sep", 3), "sep 5x5": ("sep", 5), "sep 7x7": ("sep", 7),
    "avg 3x3": ("avg", 3), "max 3x3": ("max", 3), "max 5x5": ("max", 5), "max 7x7": ("max", 7),
}  # fmt: skip


@dataclass(frozen=True)
class Genotype:
    """A cell as Fig. 4 draws it: sums of two (operation, source) pairs, and which sources are concatenated."""

    combinations: tuple[tuple[tuple[str, Source], tuple[str, Source]], ...]
    out: tuple[Source, ...]

    def __post_init__(self) -> None:
        for i, pairs in enumerate((*self.combinations, tuple(("identity", source) for source in self.out))):
            for name, source in pairs:
                if name not in OPERATIONS:
                    raise SpecError(f"genotype: no operation {name!r}{nearest(name, OPERATIONS)}")
                if source not in ("h", "before", *range(i)):
                    raise SpecError(f"genotype: {source!r} is neither 'h', 'before' nor an earlier combination")


def operation(name: str, width: int, stride: int, fits: bool, *, norm: Norm, zeros: bool, drop: float) -> Node:
    """norm(1x1(depthwise(relu(x)))) twice, a pooling, or x, each to `width` maps: by 1x1 where x does not fit."""
    kind, kernel = OPERATIONS[name]
    dropped = {"drop_path": DropPath(drop)} if drop else {}
    if kind == "sep":
        wide, same = conv(width), conv(HERE, kernel, groups=HERE)
        first = replace(same, stride=stride, pad="same") if stride > 1 else same
        return Seq(
            act_1=Relu, separable_1=Seq(depthwise_conv2d=first, pointwise_conv2d=wide), bn_sep_1=norm,
            act_2=Relu, separable_2=Seq(depthwise_conv2d=same, pointwise_conv2d=wide), bn_sep_2=norm, **dropped,
        )  # fmt: skip
    if not kind:
        return Identity if fits and stride == 1 else Seq(act=Relu, conv=conv(width, 1, stride), bn=norm)
    pad: Literal["same"] | int = "same" if stride > 1 else kernel // 2
    mean = AvgPool(kernel, stride, pad, count_pad=zeros and stride > 1)
    adapt = {} if fits else {"conv": conv(width), "bn": norm}
    return Seq(pool=mean if kind == "avg" else Pool(kernel, stride, pad), **adapt, **dropped)
