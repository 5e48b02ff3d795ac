"""A searcher that proposes several members at a time, of which a cheap score picks the one to try."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from convsmith.search.searchers.searcher import Searcher, Trial
from convsmith.search.spaces.space import Genome


class Filtered(Searcher):
    """`inner` proposes `of` members for a trial, and the one of the highest `score` is asked for."""

    name: ClassVar[str] = "filtered"

    def __init__(self, inner: Searcher, score: Callable[[Genome], float], of: int) -> None:
        super().__init__(inner.feasible, inner.seed)
        self.inner, self.of = inner, of
        self._score, self._scores = score, dict[Genome, float]()

    def ask(self, number: int) -> Genome:
        """The member for trial `number`."""
        self.inner.taken(self._asked)
        return super().ask(number)

    def begin(self) -> None:
        """The searcher behind begins, too."""
        self.inner.begin()

    def propose(self, random: np.random.Generator) -> Genome:
        """The best of several by score."""
        some = list(dict.fromkeys(self.inner.fresh(random) for _ in range(self.of)))
        return max(some, key=self.scored)

    def scored(self, genome: Genome) -> float:
        """A member's score, asked once."""
        if genome not in self._scores:
            self._scores[genome] = self._score(genome)
        return self._scores[genome]

    def learn(self, trial: Trial) -> None:
        """What the searcher behind learns."""
        self.inner.tell(trial)
