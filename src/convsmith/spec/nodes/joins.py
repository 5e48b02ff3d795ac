"""Where branches meet: sum, concatenation, product. Combinators place these; `torch` gives the operation's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.spec.errors import ShapeError
from convsmith.spec.node import Facts, Join
from convsmith.spec.signature import Sig

_new = tuple.__new__  # half the time of a named tuple's constructor


@dataclass(frozen=True)
class Add(Join):
    """Element-wise sum of equal shapes; one operation per element and extra input."""

    kind: ClassVar[str] = "add"

    def infer(self, *sigs: Sig) -> Facts:
        first = sigs[0]
        for other in sigs:
            if other is not first and other.shape != first.shape:
                raise ShapeError(f"cannot add {_both(sigs)}; {_remedy(sigs)}")
        elements = first[0] * first[1] * first[2]
        return _new(Facts, (first, elements, 0, (len(sigs) - 1) * elements, 0, 0, None, sigs))


@dataclass(frozen=True)
class Concat(Join):
    """Concatenation along the channels; costs no operation."""

    kind: ClassVar[str] = "concat"

    def infer(self, *sigs: Sig) -> Facts:
        (_, rows, cols, stride, flat, _, _), channels = sigs[0], 0
        for maps, high, wide, _, vector, last, _ in sigs:
            if last:
                raise ShapeError(f"concatenation wants channels first, got {_both(sigs)}; put ChannelsFirst before it")
            if high != rows or wide != cols or vector is not flat:
                raise ShapeError(f"cannot concatenate {_both(sigs)}; give every branch the same stride and padding")
            channels += maps
        out = _new(Sig, (channels, rows, cols, stride, flat, False, None))
        return _new(Facts, (out, channels * rows * cols, 0, 0, 0, 0, None, sigs))


@dataclass(frozen=True)
class Mul(Join):
    """x * gate, where the gate has x's channels and is 1 x 1 or of x's size; one operation per element of x."""

    kind: ClassVar[str] = "mul"

    def infer(self, *sigs: Sig) -> Facts:
        image, gate = sigs
        if gate.channels != image.channels or gate.shape not in ((image.channels, 1, 1), image.shape):
            raise ShapeError(f"a gate of {gate} cannot scale {image}; end it with Conv(BACK)")
        elements = image[0] * image[1] * image[2]
        return _new(Facts, (image, elements, 0, elements, 0, 0, None, sigs))


def _both(sigs: tuple[Sig, ...]) -> str:
    return " and ".join(map(str, sigs))


def _remedy(sigs: tuple[Sig, ...]) -> str:
    a, b = sigs[0], sigs[-1]
    if a.channels != b.channels:
        return f"give the shortcut a projection to {a.channels} channels"
    return f"branches end at {a.rows}×{a.cols} and {b.rows}×{b.cols}: give both the same stride and padding"


NODES = (Add, Concat, Mul)
