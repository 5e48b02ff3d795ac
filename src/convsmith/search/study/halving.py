"""Successive halving without waiting (Li et al. 2020, "A system for massively parallel hyperparameter tuning", ASHA).

Members begin with few epochs, few training images or a small side. Whoever is among the best 1/eta of those that
finished a rung is trained anew with eta times as much, as soon as a worker is free; else a new member begins.
Hyperband's several brackets differ in where members begin: `least`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convsmith.search.fidelity import EPOCHS, EXAMPLES, SIDE
from convsmith.search.study.study import Entry
from convsmith.spec.errors import SpecError, nearest

WORDS = {
    EPOCHS: "epochs in the recipe, which has {most}: --set epochs={needed}",
    EXAMPLES: "images to learn from, and there are {most}: begin with fewer by --least",
    SIDE: "pixels of a side, and images have {most}: begin with fewer by --least",
}


class Halving(NamedTuple):
    """The best 1/`eta` go on, from `least` to `most` of what `by` names (`search.fidelity.FIDELITIES`)."""

    eta: int
    least: int
    most: int
    by: str = EPOCHS

    @property
    def rungs(self) -> tuple[int, ...]:
        """How much each rung has, the last one `most`."""
        found = [self.most]
        while found[0] // self.eta >= self.least:
            found.insert(0, found[0] // self.eta)
        return tuple(found)

    def check(self) -> None:
        """Raises SpecError where there is nothing to halve."""
        if self.eta < 2 or self.least < 1:
            raise SpecError(f"halving keeps one in two or more, from 1 on; got {self.eta} and {self.least}")
        if len(self.rungs) < 2:
            needed = self.least * self.eta
            raise SpecError(
                f"halving from {self.least} {self.by} by {self.eta} needs at least {needed} "
                f"{WORDS[self.by].format(most=self.most, needed=needed)}"
            )

    def promoted(self, entries: Sequence[Entry]) -> Entry | None:
        """The trial whose member goes on to the next rung, if there is one: of the highest rung that has any, the best.

        `entries` are the trials of one search, with `choices` and what `by` names.
        """
        for rung, more in reversed(list(zip(self.rungs, self.rungs[1:], strict=False))):
            ended = [entry for entry in entries if entry.member[self.by] == rung and entry.outcome is not None]
            good = sorted(ended, key=lambda entry: (-_accuracy(entry), entry.number))[: len(ended) // self.eta]
            gone = [entry.member["choices"] for entry in entries if entry.member[self.by] == more]
            for entry in good:
                if entry.member["choices"] not in gone:
                    return entry
        return None


def halving_of(eta: int, least: int | None, by: str, full: Mapping[str, int]) -> Halving:
    """Up to what a full training has (`search.fidelity.full`); without `least` in three rungs, of sides in two. Raises
    SpecError where there is nothing to halve."""
    if by not in full:
        raise SpecError(f"halving is by {', '.join(full)}, got {by!r}{nearest(by, full)}")
    found = Halving(eta, least or max(1, full[by] // eta ** (1 if by == SIDE else 2)), full[by], by)
    found.check()
    return found


def _accuracy(entry: Entry) -> float:
    assert entry.outcome is not None
    return float(entry.outcome["accuracy"])
