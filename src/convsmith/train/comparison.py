"""Several networks on the same images: a row each, the first as the one that the others are measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsmith.spec.errors import DataError
from convsmith.train.ensemble import Answers, ensemble, same_classes
from convsmith.train.judge import CENTRE, Asked, Evaluation, judge
from convsmith.train.statistics import RESAMPLES, Interval, McNemar, mcnemar, of_difference


@dataclass(frozen=True)
class Row:
    """A network's evaluation; `difference` is top-1 less the first's, and with `test` None of the first itself."""

    name: str
    found: Evaluation
    difference: Interval | None
    test: McNemar | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            **self.found.to_json(),
            "difference": None if self.difference is None else self.difference.to_json(),
            "mcnemar": None if self.test is None else self.test.to_json(),
        }


@dataclass(frozen=True)
class Together:
    """The ensemble: its row, and `gain`, its top-1 less `mean`, the mean of its members' top-1."""

    row: Row
    members: int
    mean: float
    gain: Interval

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.row.to_json(),
            "members": self.members,
            "mean_member": self.mean,
            "gain": self.gain.to_json(),
        }


@dataclass(frozen=True)
class Comparison:
    """Rows in the order asked, and the ensemble of all of them where that was asked for."""

    rows: tuple[Row, ...]
    together: Together | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        together = None if self.together is None else self.together.to_json()
        return {"runs": [row.to_json() for row in self.rows], "ensemble": together}


def comparison(
    members: Sequence[Answers],
    asked: Asked,
    *,
    protocol: str = CENTRE,
    with_ensemble: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Judge each network, and each against the first: McNemar's test and the paired interval of the difference.

    Every interval draws its images from `seed`. The tests are not corrected for their number. Raises DataError for no
    networks, class maps that differ, answers to other images, and an ensemble of one.
    """
    same_classes([(member.name, member.classes) for member in members])
    if with_ensemble and len(members) < 2:
        raise DataError(f"an ensemble needs two runs or more, got {members[0].name} alone; name the others too")
    options = {"resamples": resamples, "seed": seed}
    hits = [_right(member, asked.labels) for member in members]

    def row(answers: Answers, right: Tensor, against: Tensor | None) -> Row:
        found = judge(answers.probabilities, asked, protocol=protocol, resamples=resamples, seed=seed)
        if against is None:
            return Row(answers.name, found, None, None)
        return Row(answers.name, found, of_difference(right, against, **options), mcnemar(right, against))

    rows = tuple(
        row(member, hit, hits[0] if i else None) for i, (member, hit) in enumerate(zip(members, hits, strict=True))
    )
    if not with_ensemble:
        return Comparison(rows, None)
    joint = ensemble(members)
    right, share = _right(joint, asked.labels), torch.stack(hits).double().mean(0)
    gain = of_difference(right, share, **options)
    return Comparison(rows, Together(row(joint, right, hits[0]), len(members), float(share.mean()), gain))


def _right(answers: Answers, labels: Tensor) -> Tensor:
    if len(answers.probabilities) != len(labels):
        raise DataError(f"{answers.name} has answered {len(answers.probabilities)} images, not these {len(labels)}")
    return answers.probabilities.argmax(1) == labels
