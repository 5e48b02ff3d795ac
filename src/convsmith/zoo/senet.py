"""SENet: Hu, Shen & Sun 2018, "Squeeze-and-excitation networks", Table 1 (arXiv:1709.01507).

`seresnet18` ... `seresnet152`, `seresnext50_32x4d`, `seresnext101_32x4d` and `senet154` are timm's: a bottleneck
strides in its 3x3, and the squeezed channels are a multiple of 8 (which shows where 64 / 16 = 4 become 8). SENet-154's
classifier has no dropout in timm. `seresnet50_paper`, `seresnet101_paper` and `seresnet152_paper` are Table 2's:
stride in the first 1x1, and `reduction` (r of Eq. 3, Table 10) divides exactly. Both have biases in the two layers.
"""

from __future__ import annotations

from typing import Any

from convsmith.spec import (
    BACK,
    HERE,
    Chain,
    Conv,
    Gate,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Sigmoid,
    SpecError,
)
from convsmith.zoo.blocks import conv
from convsmith.zoo.resnet import TABLE1 as RESNET
from convsmith.zoo.resnext import stem, tower
from convsmith.zoo.variant import Variant


def squeeze_excite(reduction: int = 16, multiple: int = 8) -> Node:
    """x * s(x), s = sigmoid(W2 relu(W1 z)), z the mean of each channel (Eq. 2 to 4), W1 to channels / `reduction`."""
    squeezed = (HERE // reduction).round(multiple)
    return Gate(Seq(se=Seq(pool=PoolTo(1), fc1=Conv(squeezed), act=Relu, fc2=Conv(BACK), gate=Sigmoid)))


def basic(width: int, stride: int, gate: Node) -> Node:
    """relu(x + gate(f(x))), f = 3x3, 3x3."""
    body = Seq(conv1=conv(width, 3, stride), bn1=Norm(), relu1=Relu, conv2=conv(width, 3), bn2=Norm())
    return Residual(Chain(body, gate), projection(width, 1, stride), after=Relu)


def bottleneck(
    width: int, out: int, stride: int, gate: Node, *, groups: int = 1, first: int | None = None, kernel: int = 1,
    stride_in: str = "3x3",
) -> Node:  # fmt: skip
    """relu(x + gate(f(x))), f = 1x1, 3x3 in `groups`, 1x1; `first` is the first 1x1's width where it is another."""
    ones, threes = (stride, 1) if stride_in == "1x1" else (1, stride)
    body = Seq(
        conv1=conv(width if first is None else first, 1, ones), bn1=Norm(), relu1=Relu,
        conv2=conv(width, 3, threes, groups), bn2=Norm(), relu2=Relu,
        conv3=conv(out), bn3=Norm(),
    )  # fmt: skip
    return Residual(Chain(body, gate), projection(out, kernel if stride > 1 else 1, stride), after=Relu)


def projection(out: int, kernel: int, stride: int) -> Seq:
    """The shortcut where channels or stride change."""
    return Seq(downsample=Seq(conv(out, kernel, stride), Norm()))


def senet(
    classes: int = 1000, depth: int = 50, cardinality: int = 1, width: int = 64, *, reduction: int = 16,
    multiple: int = 8, stride_in: str = "3x3", deep: bool = False, out: int = 256,
) -> Node:  # fmt: skip
    """ResNet's or ResNeXt's Table 1 with a gate at the end of each block; `deep` makes SENet-154 of ResNeXt-152.

    It has three 3x3 for the stem's 7x7, half the width in a first 1x1, and a 3x3 as projection where a stage strides.
    """
    if depth not in RESNET or stride_in not in ("3x3", "1x1") or (RESNET[depth][0] == "basic" and cardinality > 1):
        raise SpecError(
            f"senet: depth is one of {list(RESNET)}, stride_in '3x3' or '1x1', cardinality 1 below depth 50, got "
            f"{depth}, {stride_in!r}, {cardinality}"
        )
    kind, *repeats = RESNET[depth]
    gate, channels = squeeze_excite(reduction, multiple), cardinality * width

    def block(times: int, stride: int) -> Node:
        if kind == "basic":
            return basic(channels * times, stride, gate)
        return bottleneck(
            channels * times, out * times, stride, gate, groups=cardinality, stride_in=stride_in,
            first=channels * times // 2 if deep else None, kernel=3 if deep else 1,
        )  # fmt: skip

    return tower(deep_stem() if deep else stem(), block, [int(n) for n in repeats], classes)


def deep_stem(width: int = 64) -> dict[str, Any]:
    """SENet-154's stem: 3x3 with stride 2, 3x3, 3x3 of twice the width, pooling."""
    three = Seq(conv(width, 3, 2), Norm(), Relu, conv(width, 3), Norm(), Relu, conv(2 * width, 3))
    return {"conv1": three, "bn1": Norm(), "relu": Relu, "maxpool": Pool(3, 2, 1)}


PAPER = "Hu, Shen & Sun 2018, Squeeze-and-excitation networks (arXiv:1709.01507)"
FROM_TIMM: dict[str, tuple[dict[str, Any], str]] = {
    f"seresnet{depth}": (
        {"depth": depth}, "stride in the 3x3 of a bottleneck" if depth >= 50 else "8 squeezed channels of 64 for 4"
    )
    for depth in RESNET
} | {
    f"seresnext{depth}_32x4d": (
        {"depth": depth, "cardinality": 32, "width": 4}, "nowhere: squeezed channels are multiples of 8 anyhow"
    )
    for depth in (50, 101)
} | {
    "senet154": (
        {"depth": 152, "cardinality": 64, "width": 4, "deep": True}, "no dropout of 0.2 before the classifier"
    ),
}  # fmt: skip
VARIANTS = {
    name: Variant(
        senet, options, provenance="timm", paper=PAPER, year=2017, init="resnet_timm", departs=departs
    )
    for name, (options, departs) in FROM_TIMM.items()
} | {
    f"seresnet{depth}_paper": Variant(
        senet, {"depth": depth, "stride_in": "1x1", "multiple": 1}, paper=PAPER, year=2017, init="he_fan_out"
    )
    for depth in (50, 101, 152)
}  # fmt: skip
