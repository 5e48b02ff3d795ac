"""Channel counts relative to where a layer stands, so that blocks are data where other libraries need lambdas.

`HERE` is what enters this layer, `IN` what enters the enclosing residual or branches, `BACK` what a gate must restore:
`Conv(IN * 6)`, `Conv(HERE, 3, groups=HERE)`, `Conv((IN // 4).round(8))`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal, NamedTuple

from convsmith.spec.errors import SpecError
from convsmith.spec.signature import LARGEST_SIZE

Place = Literal["here", "in", "back"]


class Scope(NamedTuple):
    """Channels at the two places that a layer cannot see by itself; None outside such a block."""

    entering: int | None = None
    back: int | None = None


@dataclass(frozen=True)
class Width:
    """`floor(place * times / divide)`, then rounded to a multiple of `multiple` (1 = not at all)."""

    of: Place
    times: float = 1
    divide: int = 1
    multiple: int = 1

    def __post_init__(self) -> None:
        if self.of not in ("here", "in", "back"):
            raise SpecError(f"a relative width is of 'here', 'in' or 'back', not {self.of!r}")
        whole = all(type(n) is int and n >= 1 for n in (self.divide, self.multiple))
        if not whole or type(self.times) not in (int, float) or not (self.times > 0 and isfinite(self.times)):
            raise SpecError(f"a relative width wants a finite times > 0 and whole divide and multiple >= 1, got {self}")

    def __mul__(self, times: float) -> Width:
        return replace(self, times=self.times * times)

    __rmul__ = __mul__

    def __floordiv__(self, divide: int) -> Width:
        return replace(self, divide=self.divide * divide)

    def round(self, multiple: int) -> Width:
        """Round to a multiple as MobileNet does (`round_to`)."""
        return replace(self, multiple=multiple)

    def resolve(self, here: int, scope: Scope) -> int:
        """The number of channels, at least 1. Raises SpecError outside the block that the place refers to."""
        base = here if self.of == "here" else scope.entering if self.of == "in" else scope.back
        if base is None:
            wants = "a Residual, Branches, Split or Cell" if self.of == "in" else "a Gate"
            raise SpecError(f"width {self.of.upper()} is only known inside {wants}; write a number here")
        if self.times == self.divide and self.multiple == 1:
            return base
        value = base * self.times / self.divide
        if value > LARGEST_SIZE:
            raise SpecError(
                f"width {self.of.upper()} comes to more than {LARGEST_SIZE} channels here; use a smaller factor"
            )
        return max(1, int(value) if self.multiple == 1 else round_to(value, self.multiple))


HERE, IN, BACK = Width("here"), Width("in"), Width("back")

Channels = int | Width


def round_to(value: float, multiple: int = 8) -> int:
    """Nearest multiple, at least one multiple, never more than 10 % below `value` (MobileNet's `make_divisible`)."""
    rounded = max(multiple, int(value + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * value else rounded
