"""Members of the spaces that search goes through, as candidates of a race."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convsmith.search.budget import LIMITS, Budget
from convsmith.search.candidate import Candidate
from convsmith.search.costs import costs
from convsmith.search.spaces import Genome, space
from convsmith.spec.network import Network

POOL = 4096
"""Members that are drawn and priced."""
SMALLEST, LARGE = 32, 96
"""Pixels of a side below which mobile blocks are not tried, and from which the images are large ones."""


@dataclass(frozen=True)
class Drawn(Candidate):
    """A member of a space."""

    genome: Genome

    def describe(self) -> Network:
        """From the row."""
        return self.genome.network

    @property
    def name(self) -> str:
        """The space and the beginning of the hash."""
        return f"{self.genome.space.name} {self.genome.sha256[:8]}"

    def to_json(self) -> dict[str, Any]:
        """The genome."""
        return self.genome.to_json()

    @staticmethod
    def from_json(data: dict[str, Any]) -> Drawn:
        """Inverse of `to_json`. Raises SpaceError."""
        return Drawn(space(data["space"], **data["images"]).from_json(data))


def drawn(
    budget: Budget, count: int, *, side: int, channels: int, classes: int, macs: float, seed: int = 0
) -> Sequence[Drawn]:
    """Up to `count` members that fill the budget best, of a few thousand by chance: of `mnas` for large images, of
    `cifar_mb` for small ones, none for tiny ones. `macs` is a further limit."""
    if side < SMALLEST or count < 1:
        return []
    where = space("mnas" if side >= LARGE else "cifar_mb", side=side, channels=channels, classes=classes)
    rows = where.numbering.draw(POOL, np.random.default_rng(seed))
    found = costs(where, rows)
    fits = np.flatnonzero((budget.uses(found) <= 1) & (found.macs <= macs))
    limits = budget.limits or {"macs": max(1, int(found.macs.max()))}
    fill = np.mean([getattr(found, name)[fits] / most for name, most in limits.items() if name in LIMITS], axis=0)
    return [Drawn(genome) for genome in where.genomes(rows[:, fits[np.argsort(-fill, kind="stable")[:count]]])]
