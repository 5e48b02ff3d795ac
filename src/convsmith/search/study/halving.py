"""Successive halving without waiting (Li et al. 2020, "A system for massively parallel hyperparameter tuning", ASHA).

Members begin with few epochs. Whoever is among the best 1/eta of those that finished a rung is trained anew with eta
times the epochs, as soon as a worker is free; else a new member begins. Hyperband's several brackets differ in where
members begin: `least`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from convsmith.search.study.study import Entry
from convsmith.spec.errors import SpecError


class Halving(NamedTuple):
    """The best 1/`eta` go on; from `least` epochs to `most`."""

    eta: int
    least: int
    most: int

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs of each rung, the last one's `most`."""
        found = [self.most]
        while found[0] // self.eta >= self.least:
            found.insert(0, found[0] // self.eta)
        return tuple(found)

    def check(self) -> None:
        """Raises SpecError where there is nothing to halve."""
        if self.eta < 2 or self.least < 1:
            raise SpecError(f"halving keeps one in two or more, from an epoch on; got {self.eta} and {self.least}")
        if len(self.rungs) < 2:
            raise SpecError(
                f"halving from {self.least} epochs by {self.eta} needs at least {self.least * self.eta} epochs in the "
                f"recipe, which has {self.most}: --set epochs={self.least * self.eta}"
            )

    def promoted(self, entries: Sequence[Entry]) -> Entry | None:
        """The trial whose member goes on to the next rung, if there is one: of the highest rung that has any, the best.

        `entries` are the trials of one search, with `choices` and `epochs`.
        """
        for epochs, more in reversed(list(zip(self.rungs, self.rungs[1:], strict=False))):
            ended = [entry for entry in entries if entry.member["epochs"] == epochs and entry.outcome is not None]
            good = sorted(ended, key=lambda entry: (-_accuracy(entry), entry.number))[: len(ended) // self.eta]
            gone = [entry.member["choices"] for entry in entries if entry.member["epochs"] == more]
            for entry in good:
                if entry.member["choices"] not in gone:
                    return entry
        return None


def _accuracy(entry: Entry) -> float:
    assert entry.outcome is not None
    return float(entry.outcome["accuracy"])
