"""The members of a space within a budget: searchers draw from these alone, so nothing over budget is ever trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convsmith.search.budget import Budget
from convsmith.search.costs import Costs, costs
from convsmith.search.reach import nearest
from convsmith.search.spaces.numbering import Rows
from convsmith.search.spaces.space import Genome, Space
from convsmith.spec.errors import BudgetError, ShapeError

BLOCK, BLOCKS = 1024, 400
"""Members that are drawn at once, and how often before a budget is said to leave nothing."""
TRACED = 8
"""Members that are drawn at once where each has to be traced."""

Latency = Callable[[Genome], float]
"""Milliseconds on the budget's target, as they are predicted or measured."""


class Feasible:
    """`space` within `budget`. A budget of latency needs somebody who tells latencies.

    Raises BudgetError where `BLOCKS` blocks of members hold none within the budget, with the nearest member.
    """

    def __init__(self, space: Space, budget: Budget, latency: Latency | None = None) -> None:
        assert (budget.latency_ms is None) == (latency is None), "a budget of latency needs somebody who tells it"
        self.space, self.budget, self._latency = space, budget, latency
        self._milliseconds: dict[Genome, float] = {}

    def draw(self, random: np.random.Generator) -> Genome:
        """One of them, each as likely."""
        for _ in range(BLOCKS):
            rows = self.space.numbering.draw(BLOCK if self.space.segments else TRACED, random)
            kept = rows[:, self._within(rows)]
            for i in range(kept.shape[1]):
                (genome,) = self.space.genomes(kept[:, i : i + 1])
                if self._quick(genome):
                    return genome
        raise BudgetError(self._nothing())

    def any(self) -> Genome:
        """One of them. Raises BudgetError where there is none."""
        return self.draw(np.random.default_rng(0))

    def allows(self, genome: Genome) -> bool:
        """Whether a member is within the budget."""
        return bool(self._within(self.space.rows([genome]))[0]) and self._quick(genome)

    def milliseconds(self, genome: Genome) -> float:
        """Its latency, told once."""
        assert self._latency is not None
        if genome not in self._milliseconds:
            self._milliseconds[genome] = self._latency(genome)
        return self._milliseconds[genome]

    def _within(self, rows: Rows) -> NDArray[np.bool_]:
        if self.space.segments:
            return np.asarray(self.budget.uses(costs(self.space, rows)) <= 1)
        return np.array([self._traced(rows[:, i : i + 1]) for i in range(rows.shape[1])], bool)

    def _traced(self, column: Rows) -> bool:
        try:
            found: Costs = costs(self.space, column)
        except ShapeError:  # a size that is too small for the depth: no network, so nothing within the budget
            return False
        return bool(self.budget.uses(found)[0] <= 1)

    def _quick(self, genome: Genome) -> bool:
        return self.budget.latency_ms is None or self.milliseconds(genome) <= self.budget.latency_ms

    def _nothing(self) -> str:
        near = nearest(self.space, self.budget)
        return f"no member of {self.space.name} was found within {self.budget}; the nearest: {near}"
