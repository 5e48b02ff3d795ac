"""RegNet: Radosavovic, Kosaraju, Girshick, He & Dollár 2020, "Designing network design spaces", Fig. 15 and 16
(arXiv:2003.13678).

A net is five numbers: block j is u_j = w_0 + w_a j wide (Eq. 2), quantised to w_0 w_m^s with whole s (Eq. 3 and 4);
runs of equal widths are the stages, and g is the width of a group in the 3x3. RegNetX has no squeeze-excite, RegNetY
one with a quarter of the channels that enter the block.

`regnet_x_400mf` ... `regnet_y_32gf` are torchvision's where it has them, else the paper's (200MF, 600MF, 4GF, 6.4GF,
12GF). A stage's width must be a multiple of g: the authors take the nearest (halves to even), torchvision MobileNet's
rule (halves up, never 10 % less), which gives three nets another stage; the authors' are `regnet_x_400mf_paper`,
`regnet_y_800mf_paper` and `regnet_y_8gf_paper`. `regnet_y_128gf` came later (Goyal et al. 2021, arXiv:2103.01988);
torchvision's weights for it at 384 pixels are `IMAGENET1K_SWAG_E2E_V1`, at 224 `IMAGENET1K_SWAG_LINEAR_V1`.
"""

from __future__ import annotations

from collections import Counter
from math import log
from typing import Literal

from convsmith.spec import (
    BACK,
    HERE,
    IN,
    Conv,
    Flatten,
    Gate,
    Linear,
    Node,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Sigmoid,
    SpecError,
    round_to,
)
from convsmith.zoo.blocks import conv_norm
from convsmith.zoo.variant import Variant

Rounding = Literal["guarded", "nearest"]

# Fig. 15 and 16: w_0, w_a, w_m, depth, g
TOP: dict[str, tuple[int, float, float, int, int]] = {
    "x_200mf": (24, 36.44, 2.49, 13, 8),
    "x_400mf": (24, 24.48, 2.54, 22, 16),
    "x_600mf": (48, 36.97, 2.24, 16, 24),
    "x_800mf": (56, 35.73, 2.28, 16, 16),
    "x_1_6gf": (80, 34.01, 2.25, 18, 24),
    "x_3_2gf": (88, 26.31, 2.25, 25, 48),
    "x_4gf": (96, 38.65, 2.43, 23, 40),
    "x_6_4gf": (184, 60.83, 2.07, 17, 56),
    "x_8gf": (80, 49.56, 2.88, 23, 120),
    "x_12gf": (168, 73.36, 2.37, 19, 112),
    "x_16gf": (216, 55.59, 2.1, 22, 128),
    "x_32gf": (320, 69.86, 2.0, 23, 168),
    "y_200mf": (24, 36.44, 2.49, 13, 8),
    "y_400mf": (48, 27.89, 2.09, 16, 8),
    "y_600mf": (48, 32.54, 2.32, 15, 16),
    "y_800mf": (56, 38.84, 2.4, 14, 16),
    "y_1_6gf": (48, 20.71, 2.65, 27, 24),
    "y_3_2gf": (80, 42.63, 2.66, 21, 24),
    "y_4gf": (96, 31.41, 2.24, 22, 64),
    "y_6_4gf": (112, 33.22, 2.27, 25, 72),
    "y_8gf": (192, 76.82, 2.19, 17, 56),
    "y_12gf": (168, 73.36, 2.37, 19, 112),
    "y_16gf": (200, 106.23, 2.48, 18, 112),
    "y_32gf": (232, 115.89, 2.53, 20, 232),
}
LATER = {"y_128gf": (456, 160.83, 2.52, 27, 264)}
OTHERS = {  # where torchvision's rounding gives stages of other widths
    "x_400mf": "400 channels for 384",
    "y_800mf": "144 and 784 channels for 128 and 768",
    "y_8gf": "224 channels for 168",
}
PAPERS_ALONE = ("200mf", "600mf", "4gf", "6_4gf", "12gf")


def widths(w_0: int, w_a: float, w_m: float, depth: int) -> list[int]:
    """w_j = w_0 w_m^round(s_j), to multiples of 8, with w_0 w_m^(s_j) = w_0 + w_a j (Eq. 2 to 4)."""
    steps = [round(log((w_0 + w_a * j) / w_0) / log(w_m)) for j in range(depth)]
    return [round(w_0 * w_m**step / 8) * 8 for step in steps]


def fitted(width: int, group: int, bottleneck: float = 1.0, rounding: Rounding = "guarded") -> tuple[int, int]:
    """A stage's width, for which that of its 3x3 (`bottleneck` times as wide) is a multiple of its group, and that."""
    inner = max(1, int(width * bottleneck))
    group = min(group, inner)
    whole = round_to(inner, group) if rounding == "guarded" else round(inner / group) * group
    return int(whole / bottleneck), group


def block(width: int, stride: int, group: int, bottleneck: float = 1.0, reduction: int = 0) -> Node:
    """relu(x + f(x)), f = 1x1, 3x3 in groups of `group` channels, gate if there is a `reduction`, 1x1."""
    se: dict[str, Node] = {} if not reduction else {"se": Gate(Seq(
        avgpool=PoolTo(1), fc1=Conv(IN // reduction), activation=Relu, fc2=Conv(BACK), scale_activation=Sigmoid,
    ))}  # fmt: skip
    body = Seq(
        a=conv_norm(round(width * bottleneck)), b=conv_norm(HERE, 3, stride, groups=HERE // group),
        **se, c=conv_norm(width, act=None),
    )  # fmt: skip
    return Residual(Seq(f=body), Seq(proj=conv_norm(width, 1, stride, act=None)), after=Relu)


def regnet(
    classes: int = 1000, w_0: int = 24, w_a: float = 24.48, w_m: float = 2.54, *, depth: int = 22, group: int = 16,
    reduction: int = 0, bottleneck: float = 1.0, stem: int = 32, rounding: Rounding = "guarded",
) -> Node:  # fmt: skip
    """3x3 with stride 2, the stages of Eq. 2 to 4, each halving the image, pooling, the linear layer.

    `reduction` is squeeze-excite's, to the block's input channels (0 = none); `bottleneck` is the 3x3's width to the
    block's.
    """
    if w_0 < 8 or w_0 % 8 or w_a < 0 or w_m <= 1 or depth < 1 or group < 1 or bottleneck <= 0 or reduction < 0:
        raise SpecError(
            "regnet: w_0 is a multiple of 8, w_a >= 0, w_m > 1, depth and group >= 1, bottleneck > 0, reduction >= 0, "
            f"got {w_0!r}, {w_a!r}, {w_m!r}, {depth!r}, {group!r}, {bottleneck!r}, {reduction!r}"
        )
    if rounding not in ("guarded", "nearest"):
        raise SpecError(f"regnet: rounding is 'guarded' or 'nearest', got {rounding!r}")
    trunk: dict[str, Node] = {}
    for i, (run, many) in enumerate(Counter(widths(w_0, w_a, w_m, depth)).items(), 1):
        width, size = fitted(run, group, bottleneck, rounding)
        first, other = (block(width, stride, size, bottleneck, reduction) for stride in (2, 1))
        trunk[f"block{i}"] = Seq(**{f"block{i}-{j}": other if j else first for j in range(many)})
    return Seq(
        stem=conv_norm(stem, 3, 2), trunk_output=Seq(**trunk), avgpool=PoolTo(1), flatten=Flatten, fc=Linear(classes)
    )


PAPER = "Radosavovic, Kosaraju, Girshick, He & Dollár 2020, Designing network design spaces (arXiv:2003.13678)"


def _variant(name: str, rounding: Rounding) -> Variant:
    w_0, w_a, w_m, depth, group = (TOP | LATER)[name]
    options = {"w_0": w_0, "w_a": w_a, "w_m": w_m, "depth": depth, "group": group, "rounding": rounding}
    library = rounding == "guarded"
    here = [OTHERS[name]] if library and name in OTHERS else ["a net that the paper lacks"] if name in LATER else []
    return Variant(
        regnet, options | {"reduction": 4 if name[0] == "y" else 0}, provenance="torchvision" if library else "paper",
        paper=PAPER, year=2020, init="regnet", departs="; ".join(here),
        weights=f"RegNet_{name.upper()}_Weights" if library else None,
    )  # fmt: skip


VARIANTS = {
    f"regnet_{name}": _variant(name, "nearest" if name[2:] in PAPERS_ALONE else "guarded") for name in TOP | LATER
} | {f"regnet_{name}_paper": _variant(name, "nearest") for name in OTHERS}
