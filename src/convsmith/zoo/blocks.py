"""Pieces that several papers share."""

from __future__ import annotations

from functools import cache

from convsmith.spec import Conv, Node, Norm, Relu, Seq
from convsmith.spec.signature import Pair
from convsmith.spec.widths import Channels


@cache  # equal layers are one object, which a trace knows again at once
def conv(width: Channels, kernel: int | Pair = 1, stride: int = 1, groups: Channels = 1) -> Conv:
    """A convolution without bias, as batch normalisation follows it."""
    return Conv(width, kernel, stride, groups=groups, bias=False)


norm = cache(Norm)


def conv_norm(
    width: Channels, kernel: int | Pair = 1, stride: int = 1, *,
    groups: Channels = 1, act: Node | None = Relu, eps: float = 1e-5, momentum: float = 0.1,
) -> Seq:  # fmt: skip
    """Convolution, batch normalisation and activation, numbered as torchvision's Conv2dNormActivation is."""
    return Seq(conv(width, kernel, stride, groups), norm(eps, momentum), *([] if act is None else [act]))
