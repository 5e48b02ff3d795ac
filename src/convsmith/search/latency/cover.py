"""Which members of a space to measure: those that together hold what its members are made of."""

from __future__ import annotations

import numpy as np

from convsmith.search.latency.units import Unit, units
from convsmith.search.spaces.space import Genome, Space
from convsmith.spec.errors import ShapeError

POOL = 1500
"""Members that are looked at."""
FEW, ENOUGH = 12, 0.998
"""Members, and share of the work whose units were seen, that do."""
AGAIN = 0.1
"""What another measurement of a unit is worth, beside the one before."""
ELEMENTS_PER_MAC = 0.1
"""What a MAC is worth in elements moved, about, for telling large units from small."""


class Cover:
    """Members of a space, those first that hold most of what is not measured yet.

    A unit is worth what it is, in the mean, of a member's work, whether the member is small or large: so common units
    and those that a member mostly consists of are seen first and more often. `covered` is the share of a member's work
    whose units were seen, in the mean.
    """

    def __init__(self, space: Space, seed: int, seen: frozenset[str] = frozenset()) -> None:
        few = space.size <= POOL
        self.members = list(space.members()) if few else space.draw(POOL, seed)
        self.made: list[tuple[Unit, ...]] = []
        self.members = [member for member in self.members if self._traced(member)]
        keys = list(dict.fromkeys(unit.key for made in self.made for unit in made))
        place = {key: i for i, key in enumerate(keys)}
        self.holds = np.zeros((len(self.made), len(keys)), np.float32)
        self.worth = np.zeros(len(keys), np.float32)
        for row, made in zip(self.holds, self.made, strict=True):
            whole = sum(map(_work, made))
            for unit in made:
                row[place[unit.key]] = 1
                self.worth[place[unit.key]] += _work(unit) / whole
        self.worth /= self.worth.sum()
        self.times = np.array([1.0 if key in seen else 0.0 for key in keys], np.float32)
        self.left = np.ones(len(self.made), bool)
        self.random = np.random.default_rng(seed)

    @property
    def covered(self) -> float:
        """0..1."""
        return float(self.worth[self.times > 0].sum())

    @property
    def done(self) -> bool:
        """Whether enough was given, or all."""
        return not self.left.any() or (self.given >= FEW and self.covered >= ENOUGH)

    @property
    def given(self) -> int:
        """How many members were handed out."""
        return len(self.left) - int(self.left.sum())

    def next(self) -> Genome:
        """The member that tells most, each once."""
        gains = self.holds @ (self.worth * AGAIN**self.times)
        at = int(np.where(self.left, gains, -1).argmax())
        self.left[at] = False
        self.times += self.holds[at]
        return self.members[at]

    @property
    def middle(self) -> Genome:
        """The member of middling work."""
        work = [sum(map(_work, made)) for made in self.made]
        return self.members[int(np.argsort(work, kind="stable")[len(work) // 2])]

    def chance(self) -> Genome:
        """A member by chance, which is not given out again."""
        left = np.flatnonzero(self.left)
        at = int(self.random.choice(left)) if len(left) else int(self.random.integers(len(self.left)))
        self.left[at] = False
        return self.members[at]

    def _traced(self, member: Genome) -> bool:
        try:
            self.made.append(units(member.graph))
        except ShapeError:  # some families have sizes that are too small for their depth
            return False
        return True


def _work(unit: Unit) -> float:
    """In elements moved."""
    return unit.macs * ELEMENTS_PER_MAC + unit.moved
