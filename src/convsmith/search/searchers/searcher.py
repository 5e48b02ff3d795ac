"""What every searcher is: it is asked for a member to try, and told how it did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import numpy as np

from convsmith.search.searchers.feasible import Feasible
from convsmith.search.spaces.space import Genome

TRIES = 64
"""How often a member is proposed anew that was tried already, or is over budget, before one is drawn by chance."""


class Trial(NamedTuple):
    """A member that was tried: its accuracy on the validation images (0..1), and what it costs, in any one unit."""

    number: int
    genome: Genome
    accuracy: float
    cost: float = 0.0


class Searcher(ABC):
    """Searches the feasible members. What it asks depends on its seed, the trial's number and what it was told in which
    order, and on nothing else: whoever tells a new searcher the same trials continues the search.

    Several trials can be out at a time, and be told in any order. No member is asked for twice while there are others.
    """

    name: ClassVar[str]

    def __init__(self, feasible: Feasible, seed: int = 0) -> None:
        self.feasible, self.seed = feasible, seed
        self.trials: list[Trial] = []
        self._asked: set[Genome] = set()

    def ask(self, number: int) -> Genome:
        """The member for trial `number`."""
        self.begin()
        genome = self.fresh(np.random.default_rng((self.seed, number)))
        self._asked.add(genome)
        return genome

    def begin(self) -> None:  # noqa: B027 (most keep nothing from one trial to the next)
        """Forget what was proposed for the trial before."""

    def tell(self, trial: Trial) -> None:
        """A trial has ended."""
        self.trials.append(trial)
        self._asked.add(trial.genome)
        self.learn(trial)

    def taken(self, genomes: Iterable[Genome]) -> None:
        """These members are tried by somebody, and no others: what was asked for so far is forgotten."""
        self._asked = set(genomes)

    @abstractmethod
    def propose(self, random: np.random.Generator) -> Genome:
        """A member, which may be one that was tried or that is over budget: then it is asked again."""

    def learn(self, trial: Trial) -> None:  # noqa: B027 (some learn nothing beyond `trials`)
        """What a trial teaches; `trials` holds it already."""

    def fresh(self, random: np.random.Generator) -> Genome:
        """A member within the budget that nobody tries, while there are such."""
        for _ in range(TRIES):
            genome = self.propose(random)
            if genome not in self._asked and self.feasible.allows(genome):
                return genome
        for _ in range(TRIES):
            genome = self.feasible.draw(random)
            if genome not in self._asked:
                return genome
        return genome  # all there are were tried
