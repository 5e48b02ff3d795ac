"""Regularised evolution (Real et al. 2019, "Regularized evolution for image classifier architecture search")."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from convsmith.search.searchers.feasible import Feasible
from convsmith.search.searchers.searcher import Searcher
from convsmith.search.spaces.moves import mutated
from convsmith.search.spaces.space import Genome

POPULATION, SAMPLE = 10, 5
"""Members that are alive, and of those, drawn by chance, the best of which has a child. The paper's are 100 and 25, for
20,000 trials; ours are for some dozens: the first `POPULATION` are no better than chance."""


class Evolution(Searcher):
    """The youngest `population` trials are alive, whatever their accuracy: the oldest dies, not the worst, so that a
    lucky training does not live for ever. The best of a sample has a child that differs in one choice."""

    name: ClassVar[str] = "evolution"

    def __init__(
        self, feasible: Feasible, seed: int = 0, *, population: int = POPULATION, sample: int = SAMPLE
    ) -> None:
        super().__init__(feasible, seed)
        self.population, self.sample = population, sample

    def propose(self, random: np.random.Generator) -> Genome:
        """A child of the best of a sample (Algorithm 1 of the paper)."""
        alive = self.trials[-self.population :]
        if len(alive) < self.population:
            return self.feasible.draw(random)
        few = [alive[i] for i in random.choice(len(alive), min(self.sample, len(alive)), replace=False)]
        return mutated(max(few, key=lambda trial: trial.accuracy).genome, random)
