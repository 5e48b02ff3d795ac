"""Random search: the baseline that every other searcher is held to, at equal cost (Li & Talwalkar 2019)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from convsmith.search.searchers.searcher import Searcher
from convsmith.search.spaces.space import Genome


class Chance(Searcher):
    """Each feasible member is as likely as any other."""

    name: ClassVar[str] = "random"

    def propose(self, random: np.random.Generator) -> Genome:
        """Any."""
        return self.feasible.draw(random)
