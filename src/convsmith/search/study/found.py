"""What a search has found: the best member, the front, and whether the searcher was worth more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

from convsmith.search.fidelity import EPOCHS, FIDELITIES
from convsmith.search.spaces import Genome
from convsmith.search.study.plan import BASELINE, Plan
from convsmith.search.study.study import Entry


class Row(NamedTuple):
    """A finished trial: who asked for it, what it costs (`Plan.cost`), what its training had (`search.fidelity`), how
    it ended, and its latency if that was measured."""

    number: int
    lane: str
    genome: Genome
    cost: float
    fidelity: Mapping[str, int]
    outcome: dict[str, Any]
    measured_ms: float | None = None

    @property
    def accuracy(self) -> float:
        """Top-1 on the validation images, 0..1."""
        return float(self.outcome["accuracy"])

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        about = {"number": self.number, "searcher": self.lane, "cost": self.cost,
                 **self.fidelity, **self.outcome}  # fmt: skip
        if self.measured_ms is not None:
            about["measured_ms"] = self.measured_ms
        return about | {"sha256": self.genome.sha256, "choices": self.genome.settings}


def rows(plan: Plan, entries: Sequence[Entry]) -> list[Row]:
    """The finished trials, by number."""
    return [
        Row(
            entry.number,
            plan.lane(entry.number),
            genome := plan.genome(entry),
            plan.cost(genome),
            {name: value for name, value in entry.member.items() if name in FIDELITIES},
            entry.outcome,
        )
        for entry in entries
        if entry.outcome is not None
    ]


def ranked(found: Sequence[Row], by: str = EPOCHS) -> list[Row]:
    """The best first: each member by its fullest training, then what members did with less.

    Members that were trained alike stand by accuracy, of equals the cheapest first. One that had less (of what `by`
    names) than another is not behind it for that: it comes first if it was better when the other had no more. But who
    has gone on twice since stays ahead.
    """
    known: dict[Genome, dict[int, Row]] = {}
    for row in found:
        known.setdefault(row.genome, {})[row.fidelity[by]] = row
    rungs = sorted({rung for rows in known.values() for rung in rows}, reverse=True)
    fullest, order = {genome: max(rows) for genome, rows in known.items()}, list[Genome]()
    for above, rung in zip([rungs[0], *rungs] if rungs else (), rungs, strict=False):
        alike = {genome: rows[rung] for genome, rows in known.items() if rung in rows}
        for genome in sorted((one for one in alike if fullest[one] == rung), key=lambda one: _standing(alike[one])):
            behind = (
                place for place, other in enumerate(order)
                if other in alike and fullest[other] <= above and _standing(alike[genome]) < _standing(alike[other])
            )  # fmt: skip
            order.insert(next(behind, len(order)), genome)
    first = [known[genome][fullest[genome]] for genome in order]
    shown = {row.number for row in first}
    return first + sorted((row for row in found if row.number not in shown), key=_standing)


def _standing(row: Row) -> tuple[float, float, int]:
    """Smaller is better."""
    return -row.accuracy, row.cost, row.number


def measured(best: Sequence[Row], limit: float, measure: Callable[[Genome], float], most: int) -> tuple[list[Row], int]:
    """The best rows with their measured latency, one after the other until one is within the limit, and which that is;
    -1 where none of the first `most` is. Raises as `measure`."""
    rows = list(best)
    for at, row in enumerate(rows[:most]):
        ms = measure(row.genome)
        rows[at] = row._replace(measured_ms=round(ms, 3))
        if ms <= limit:
            return rows, at
    return rows, -1


def front(found: Sequence[Row]) -> list[Row]:
    """Those that no other beats in accuracy at no more cost, the cheapest first."""
    best: list[Row] = []
    for row in sorted(found, key=lambda row: (row.cost, -row.accuracy, row.number)):
        if not best or row.accuracy > best[-1].accuracy:
            best.append(row)
    return best


def trajectory(found: Sequence[Row]) -> dict[str, list[tuple[int, float]]]:
    """By searcher: after each of its trials (1, 2, ...), the best accuracy so far. Lanes are read side by side: the
    n-th trial of one has cost what the n-th of another has."""
    lanes: dict[str, list[tuple[int, float]]] = {}
    for row in found:
        curve = lanes.setdefault(row.lane, [])
        curve.append((len(curve) + 1, max(row.accuracy, curve[-1][1] if curve else 0.0)))
    return lanes


def verdict(found: Sequence[Row], plan: Plan) -> str:
    """The searcher beside chance, in words; a difference within the validation set's own error is called none.

    With halving, those are compared that had as much, the most that both have. The error is that of a difference of two
    proportions on so many images (1.96 standard errors), as if the images of the two were drawn apart; on the same
    images it is smaller, so the word is a careful one.
    """
    lanes = [{row.fidelity[plan.by] for row in found if row.lane == lane} for lane in (plan.searcher, BASELINE)]
    both = set.intersection(*lanes)
    if not plan.baseline or plan.searcher == BASELINE or not both:
        return ""
    alike = [row for row in found if row.fidelity[plan.by] == max(both)]
    ours, theirs = (
        min((row for row in alike if row.lane == lane), key=_standing) for lane in (plan.searcher, BASELINE)
    )
    apart, images = ours.accuracy - theirs.accuracy, ours.outcome["images"]
    error = 1.96 * sqrt(sum(row.accuracy * (1 - row.accuracy) for row in (ours, theirs)) / images)
    said = f"best of {plan.searcher} {ours.accuracy:.2%}, best of chance at equal trials {theirs.accuracy:.2%}"
    said += f", both with {plan.by} {max(both):,}" if plan.halving is not None else ""
    if abs(apart) <= error:
        return f"{said}: no difference that {images} validation images could show (± {error:.2%})"
    return f"{said}: {abs(apart):.2%} {'more' if apart > 0 else 'less'}, beyond the ± {error:.2%} of {images} images"
