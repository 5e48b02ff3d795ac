"""Whether predictions hold: networks that the table has not seen, predicted and then measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from convsmith.search.latency.model import LatencyModel
from convsmith.search.latency.profile import name_of
from convsmith.search.ranks import spearman
from convsmith.search.spaces.space import Genome, Space
from convsmith.spec.errors import ShapeError
from convsmith.views.cost import cost

CLOSE = 0.1
"""A prediction within this share of what was measured is close."""


class Verified(NamedTuple):
    """A network's latency as predicted and as measured, and its MACs for comparison."""

    name: str
    predicted_ms: float
    measured_ms: float
    macs: int

    @property
    def error(self) -> float:
        """Predicted less measured, as a share of measured."""
        return self.predicted_ms / self.measured_ms - 1


class Verdict(NamedTuple):
    """Of some predictions: the share that is close, Spearman's rank correlation with what was measured, and the same
    for MACs, taken as a predictor that is right on average (the factor from MACs to milliseconds is the best for these
    very networks)."""

    close: float
    rank: float
    macs_close: float
    macs_rank: float


def unseen(model: LatencyModel, space: Space, count: int, seed: int) -> list[Genome]:
    """Members of a space that are not in the table; fewer where there are not so many."""
    seen = {network.name for network in model.table.networks}
    found: dict[str, Genome] = {}
    for member in space.draw(20 * count + 100, seed):
        if len(found) < count and name_of(member) not in seen and _traces(member):
            found.setdefault(name_of(member), member)
    return list(found.values())


def verify(model: LatencyModel, members: Sequence[Genome], measure: Callable[[Genome], float]) -> Iterator[Verified]:
    """Predict, then measure. Raises as `measure`, which gives milliseconds."""
    for member in members:
        graph = member.graph
        ms = model.predict(graph).ms
        yield Verified(name_of(member), ms, measure(member), cost(graph).macs)


def verdict(found: Sequence[Verified]) -> Verdict:
    """What the predictions are worth. Ranks need two networks."""
    measured = np.array([one.measured_ms for one in found])
    predicted = np.array([one.predicted_ms for one in found])
    macs = np.array([one.macs for one in found], float)
    factors = measured / macs
    by_macs = max(((np.abs(macs * factor / measured - 1) <= CLOSE).mean() for factor in factors), default=0.0)
    return Verdict(
        float((np.abs(predicted / measured - 1) <= CLOSE).mean()), spearman(predicted, measured),
        float(by_macs), spearman(macs, measured),
    )  # fmt: skip


def _traces(member: Genome) -> bool:
    try:
        return bool(member.graph.rows)
    except ShapeError:
        return False
