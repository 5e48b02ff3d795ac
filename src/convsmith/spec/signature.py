"""What flows along an edge of a network: `Sig`."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from convsmith.spec.errors import SpecError

Rational = int | Fraction
Pair = tuple[int, int]

LARGEST_SIZE = 2**31 - 1
"""No channel count, kernel or image side may be larger: a hostile description cannot keep us counting."""


class Sig(NamedTuple):
    """Signature of one activation: an image of `channels` x `rows` x `cols`, or a flat vector of `channels`.

    `last` says that the channels are the last axis, as layer normalisation wants them (ConvNeXt). `axes` is the exact
    shape of what is neither: tokens, attention maps or windows of an imported network, whose `channels` are the last.
    `stride` is the cumulative stride (rows, cols) in input pixels. Structure may depend on channels and stride but
    never on rows and cols: otherwise the checkpoint's keys would change with the image size.
    """

    channels: int
    rows: int
    cols: int
    stride: tuple[Rational, Rational] = (1, 1)
    flat: bool = False
    last: bool = False
    axes: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W), (H, W, C) with channels last, or (C,) where flat; without the batch axis."""
        if self.axes is not None:
            return self.axes
        if self.last:
            return self.rows, self.cols, self.channels
        return (self.channels,) if self.flat else (self.channels, self.rows, self.cols)

    @property
    def elements(self) -> int:
        """Number of values in one sample."""
        return self.channels * self.rows * self.cols

    def __str__(self) -> str:
        return "×".join(map(str, self.shape))


def pair(value: int | Pair) -> Pair:
    """`3 -> (3, 3)`; a pair (rows, cols) stays."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def exact(value: Rational) -> Rational:
    """An int where the fraction is whole, so that equal strides compare and print alike."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def positive_size(what: str, value: object, *, got: object = None) -> int:
    """`value` if it is an integer from 1 to `LARGEST_SIZE`, else SpecError naming `what` and what was `got`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SpecError(f"{what} must be an integer of at least 1, got {value if got is None else got!r}")
    if value > LARGEST_SIZE:
        raise SpecError(f"{what} must be at most {LARGEST_SIZE}, got a number of {value.bit_length()} bits")
    return value


def positive_sides(value: object) -> Pair:
    """(rows, cols) of an image given as one side or as a pair of them, else SpecError."""
    sides = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
    return positive_size("side", sides[0], got=value), positive_size("side", sides[1], got=value)
