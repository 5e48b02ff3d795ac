"""MnasNet: Tan et al. 2019, "MnasNet: Platform-aware neural architecture search for mobile", Fig. 7 (arXiv:1807.11626).

`mnasnet1_0` is torchvision's: the paper's MnasNet-B1, found without squeeze-excite in the search space; `mnasnet0_5`,
`mnasnet0_75` and `mnasnet1_3` are other width multipliers (rounded to multiples of 8; the last convolution keeps 1280).
Normalisation has TensorFlow's momentum 0.9997 there.

`mnasnet_a1` is Fig. 7a, with squeeze-excite (a quarter of the channels that enter the block) in three stages, and the
normalisation of the authors' release, eps 1e-3 and momentum 0.99.
"""

from __future__ import annotations

from convsmith.spec import (
    BACK,
    HERE,
    IN,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Linear,
    Node,
    Norm,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Sigmoid,
    SpecError,
    round_to,
)
from convsmith.zoo.blocks import conv
from convsmith.zoo.variant import Variant

# Fig. 7's MBConv rows: expansion and kernel (MBConv6, k5x5), SE, layers, filters, stride of the first
FIRST, SEPARABLE, LAST = 32, 16, 1280
FIG7 = {
    "A1": (
        (6, 3, False, 2, 24, 2),
        (3, 5, True, 3, 40, 2),
        (6, 3, False, 4, 80, 2),
        (6, 3, True, 2, 112, 1),
        (6, 5, True, 3, 160, 2),
        (6, 3, False, 1, 320, 1),
    ),
    "B1": (
        (3, 3, False, 3, 24, 2),
        (3, 5, False, 3, 40, 2),
        (6, 5, False, 3, 80, 2),
        (6, 3, False, 2, 96, 1),
        (6, 5, False, 4, 192, 2),
        (6, 3, False, 1, 320, 1),
    ),
}


def separable(width: int, norm: Node, kernel: int = 3, stride: int = 1, se: Node | None = None) -> list[Node]:
    """norm(1x1(relu(norm(dw(x))))), with squeeze-excite before the 1x1 if given: Fig. 7's SepConv and MBConv's end."""
    depthwise = [conv(HERE, kernel, stride, groups=HERE), norm, Relu]
    return [*depthwise, *([] if se is None else [se]), conv(width), norm]


def mbconv(width: int, norm: Node, expansion: int, kernel: int, *, stride: int = 1, se: Node | None = None) -> Node:
    """x + f(x), f = separable(1x1 to `expansion` times the channels); no skip where sizes change."""
    expand = [conv(IN * expansion), norm, Relu]
    return Residual(Seq(layers=Seq(*expand, *separable(width, norm, kernel, stride, se))))


def mnasnet(
    classes: int = 1000, width: float = 1.0, form: str = "B1", *, rate: float = 0.2, reduction: int = 4,
    eps: float = 1e-5, momentum: float = 1 - 0.9997,
) -> Node:  # fmt: skip
    """A net of Fig. 7 with layers `width` times as wide; `reduction` is squeeze-excite's."""
    if form not in FIG7 or not width > 0:
        raise SpecError(f"mnasnet: form is one of {', '.join(FIG7)} and width above 0, got {form!r}, {width!r}")
    norm = Norm(eps, momentum)
    excite = Gate(Seq(avgpool=PoolTo(1), fc1=Conv(IN // reduction), act=Relu, fc2=Conv(BACK), scale=Sigmoid))
    stages: list[Node] = []
    for expansion, kernel, se, layers, filters, stride in FIG7[form]:
        wide, gate = round_to(filters * width), excite if se else None
        first = mbconv(wide, norm, expansion, kernel, stride=stride, se=gate)
        stages.append(Seq(first, *[mbconv(wide, norm, expansion, kernel, se=gate)] * (layers - 1)))
    return Seq(
        layers=Seq(
            conv(round_to(FIRST * width), 3, 2), norm, Relu, *separable(round_to(SEPARABLE * width), norm),
            *stages, conv(LAST), norm, Relu,
        ),
        avgpool=PoolTo(1), flatten=Flatten, classifier=Seq(Dropout(rate), Linear(classes)),
    )  # fmt: skip


PAPER = "Tan et al. 2019, MnasNet: Platform-aware neural architecture search for mobile (arXiv:1807.11626)"

VARIANTS = {
    f"mnasnet{str(width).replace('.', '_')}": Variant(
        mnasnet, {"width": width}, provenance="torchvision", paper=PAPER, year=2018, init="mnasnet",
        weights=f"MNASNet{str(width).replace('.', '_')}_Weights",
        departs="MnasNet-B1, momentum 0.9997 in normalisation",
    )
    for width in (0.5, 0.75, 1.0, 1.3)
} | {
    "mnasnet_a1": Variant(
        mnasnet, {"form": "A1", "eps": 1e-3, "momentum": 0.01}, paper=PAPER, year=2018, init="he_fan_out",
        departs="initial weights are He's",
    ),
}  # fmt: skip
