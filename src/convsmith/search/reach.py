"""What a budget leaves of a space: how many members, and, where none, which is the nearest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.search.budget import Budget
from convsmith.search.costs import costs
from convsmith.search.spaces.moves import neighbours
from convsmith.search.spaces.numbering import Rows
from convsmith.search.spaces.space import Genome, Space

COUNTED = 4_000_000
"""Members of a space with tables that are all counted; of larger ones a sample is."""
TRACED = 2_000
"""The same without tables."""
SAMPLE, FEW = 100_000, 64
"""Members of a sample, with tables and without."""
CHUNK = 2**18


class Reach(NamedTuple):
    """`fitting` of `seen` members are within the budget; `seen` is `size`, the whole space, or a sample of it."""

    fitting: int
    seen: int
    size: int

    @property
    def exact(self) -> bool:
        """Whether all members were counted."""
        return self.seen == self.size


def reach(space: Space, budget: Budget, *, seed: int = 0) -> Reach:
    """Count the members within a budget: all of them, or those of a sample where that would take long."""
    if space.size <= (COUNTED if space.segments else TRACED):
        starts = range(0, space.size, CHUNK)
        blocks = (space.numbering.block(start, min(start + CHUNK, space.size)) for start in starts)
        return Reach(sum(_within(space, budget, rows) for rows in blocks), space.size, space.size)
    count = SAMPLE if space.segments else FEW
    rows = space.numbering.draw(count, np.random.default_rng(seed))
    return Reach(_within(space, budget, rows), count, space.size)


def nearest(space: Space, budget: Budget, *, seed: int = 0) -> Genome:
    """A member whose tightest use of the budget is the smallest found: from the best of a sample, and of the member of
    all first options, downhill from neighbour to neighbour. With tables this takes a fraction of a second."""
    few = space.size <= (COUNTED if space.segments else TRACED)
    if few:
        rows = space.numbering.block(0, min(space.size, CHUNK))
    else:
        drawn = space.numbering.draw(SAMPLE if space.segments else FEW, np.random.default_rng(seed))
        rows = np.concatenate([space.numbering.block(0, 1), drawn], axis=1)
    best, least = _least(space, budget, rows)
    while space.segments:
        around = space.rows(list(neighbours(best)))
        if not around.shape[1]:
            break
        found, use = _least(space, budget, around)
        if use >= least:
            break
        best, least = found, use
    return best


def front(cost: NDArray[np.int64], gain: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of N members no other beats in both, the cheapest first: `views.pareto` of millions, one of equals."""
    order = np.lexsort((-gain, cost))
    best = np.maximum.accumulate(gain[order])
    better = np.concatenate([[True], best[1:] > best[:-1]])[: len(order)]
    found: NDArray[np.int64] = order[better]
    return found


def _within(space: Space, budget: Budget, rows: Rows) -> int:
    return int((budget.uses(costs(space, rows)) <= 1).sum())


def _least(space: Space, budget: Budget, rows: Rows) -> tuple[Genome, float]:
    uses = budget.uses(costs(space, rows))
    at = int(uses.argmin())
    return space.genomes(rows[:, at : at + 1])[0], float(uses[at])
