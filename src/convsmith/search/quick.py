"""Networks that learn much in few minutes, as candidates of a race."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from convsmith.search.candidate import Candidate
from convsmith.spec.network import Network
from convsmith.zoo import spec

VARIANT = "airbench94"
WIDTHS = (1.0, 0.75, 0.5, 0.375, 0.25, 0.125)
SMALLEST, LARGEST = 24, 64
"""Pixels of a side that it was made for, about."""
COLOURS = 3
SCALE = 0.32
"""Of the outputs, so that they can be sure of a class within few epochs."""


@dataclass(frozen=True)
class Quick(Candidate):
    """Jordan's CIFAR-10 record (`convsmith.zoo.airbench`) at some width, which the recipe `fast` trains."""

    quick: float
    side: int
    classes: int

    def describe(self) -> Network:
        """Of this width."""
        found = spec(VARIANT, self.classes, width=self.quick, scale=SCALE)
        return replace(found, side=self.side, name=self.name)

    @property
    def name(self) -> str:
        """For people."""
        return f"{VARIANT} ×{self.quick:g} @{self.side}"

    @property
    def recipe(self) -> str:
        """Which begins by whitening."""
        return "fast"

    def to_json(self) -> dict[str, Any]:
        """The row."""
        return asdict(self)


def quick(side: int, channels: int, classes: int) -> Sequence[Quick]:
    """Candidates for small coloured images, the widest first; none for others."""
    if channels != COLOURS or not SMALLEST <= side <= LARGEST:
        return []
    return [Quick(width, side, classes) for width in WIDTHS]
