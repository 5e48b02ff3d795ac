"""Predicting the latency of a network that was never run: its units' times, added up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.search.latency.nearby import Nearby
from convsmith.search.latency.roofline import Roofline, roofline
from convsmith.search.latency.table import Dissected, LatencyTable
from convsmith.search.latency.units import Unit, units
from convsmith.spec.errors import SpecError
from convsmith.spec.graph import Graph

LEAST_MS = 1e-4
"""No unit takes less: some are fused away, and looking inside takes time that is subtracted."""
NOTHING = 2 * LEAST_MS
"""Where a unit takes less, an engine has told its time with another's, unless it does so in every network."""
FEWEST = 5
"""Networks held back that tell an error."""
CROWDED, ALIKE = 0.4, 1.0
"""What `crowding` is at most, and what all units together weigh beside those of a kind: squared deviations of size of
units that are not small."""
SHARE = 0.9
"""Share of predictions that the stated error holds."""


class Prediction(NamedTuple):
    """Milliseconds of a batch; `measured` is the share of them that comes from units in the table, 0..1, the rest from
    the roofline and units nearby. Nine in ten networks are within `error`, a share of `ms`."""

    ms: float
    measured: float
    error: float


class LatencyModel:
    """What a table says of networks. Raises SpecError for a table without networks.

    A whole network takes `start`, the sum of its units, and `step` for each: what calling costs, less what looking
    inside does. Both are fitted to the networks of the table; what is then left of a network is shared by its units.
    The same unit is quicker in a network that moves less, as more of what it needs stays in the caches: times go as the
    bytes that a network moves to the power `crowding`, fitted for each kind to units that were seen in several
    networks. It is smaller for convolutions, which are busy computing, than for what merely fetches.
    """

    def __init__(self, table: LatencyTable) -> None:
        taught = [network for network in table.sound if not network.held]
        if not taught:
            raise SpecError("the table of latencies is empty: nothing was measured yet")
        self.table = table
        self.start, self.step = _overhead(taught)
        seen: dict[str, list[Sighting]] = {}
        for network in taught:
            times = np.maximum(np.array(network.ms) + self.step, LEAST_MS)
            times *= max(network.whole_ms - self.start, LEAST_MS) / times.sum()
            size = _moved(table.units[key] for key in network.keys)
            for key in set(network.keys):
                ms = np.median([time for time, other in zip(times, network.keys, strict=True) if other == key])
                seen.setdefault(key, []).append(Sighting(size, math.log(ms), ms / times.mean()))
        for key, some in seen.items():
            if told := [one for one in some if one.log_ms > math.log(NOTHING)]:
                seen[key] = told
        self.crowding = _crowding({key: table.units[key].kind for key in seen}, seen)
        self.middle = float(np.median([one.size for some in seen.values() for one in some]))
        known = {}
        for key, some in seen.items():
            crowding = self.crowding[table.units[key].kind]
            known[key] = math.exp(np.median([one.log_ms - crowding * (one.size - self.middle) for one in some]))
        self._known = Known(table.units, known)

    def predict(self, graph: Graph) -> Prediction:
        """The latency of a network."""
        return self._sum(units(graph), self.error)

    @cached_property
    def errors(self) -> NDArray[np.float64]:
        """Of the networks that were held back: predicted less measured, as a share of measured."""
        held = [network for network in self.table.sound if network.held]
        predicted = [self._sum([self.table.units[key] for key in one.keys], 0.0).ms for one in held]
        found: NDArray[np.float64] = np.array(predicted) / np.array([one.whole_ms for one in held]) - 1
        return found

    @cached_property
    def error(self) -> float:
        """What nine in ten of `errors` are within; 1 where there are too few to tell."""
        return float(np.quantile(np.abs(self.errors), SHARE)) if len(self.errors) >= FEWEST else 1.0

    @property
    def stated(self) -> str:
        """The error in words."""
        count = len(self.errors)
        if count < FEWEST:
            return f"{count} networks were held back, too few to tell an error"
        return f"nine in ten of {count} networks that were held back are predicted within {self.error:.1%}"

    def _sum(self, some: Sequence[Unit], error: float) -> Prediction:
        total = measured = 0.0
        size = _moved(some) - self.middle
        for unit in some:
            ms = self._known.ms.get(unit.key)
            crowd = math.exp(size * self.crowding.get(unit.kind, 0.0))
            if ms is None:
                total += crowd * self._known.guess(unit)
            else:
                total, measured = total + crowd * ms, measured + crowd * ms
        return Prediction(self.start + total, measured / total if total else 0.0, error)


class Sighting(NamedTuple):
    """A unit in one of the networks: the network's log size, the unit's log time, and that as a share of the network's
    mean unit."""

    size: float
    log_ms: float
    share: float


class Known:
    """Units with their milliseconds, and a guess for those that are not among them."""

    def __init__(self, about: dict[str, Unit], ms: dict[str, float]) -> None:
        self.about, self.ms = about, ms
        self._guesses: dict[str, float] = {}

    def guess(self, unit: Unit) -> float:
        """The roofline's time, corrected by how far units of the same kind nearby are above theirs."""
        if unit.key not in self._guesses:
            limits, above = self._fitted
            self._guesses[unit.key] = limits.ms(unit) * math.exp(above.expected(unit))
        return self._guesses[unit.key]

    @cached_property
    def _fitted(self) -> tuple[Roofline, Nearby]:
        """The roofline of the known units, and how far above it each is (log)."""
        some, ms = [self.about[key] for key in self.ms], np.array(list(self.ms.values()))
        limits = roofline(some, ms)
        return limits, Nearby(some, np.log(ms / np.array([limits.ms(unit) for unit in some])))


def _moved(some: Iterable[Unit]) -> float:
    """Logarithm of the elements that a network moves, weights among them."""
    return math.log(sum(unit.moved + unit.weights for unit in some))


def _crowding(kinds: dict[str, str], seen: dict[str, list[Sighting]]) -> dict[str, float]:
    """By how much a unit's log time grows with its network's log size, by kind, 0 to `CROWDED`: least squares within
    units, which each have a level of their own (the fixed-effects estimator), drawn towards what all units show where
    those of a kind show little. Clocks err by so many microseconds whatever is timed, so the logarithm of a small
    unit's time varies as the inverse square of its share, and the unit weighs so much less."""
    shows = dict.fromkeys(kinds.values(), np.zeros(2))
    for key, some in seen.items():
        size, time, share = np.array(some).T
        size, time = size - size.mean(), time - time.mean()
        weight = min(1.0, share.mean()) ** 2
        shows[kinds[key]] = shows[kinds[key]] + weight * np.array([size @ time, size @ size])
    together, varies = sum(shows.values(), np.zeros(2))
    every = together / varies if varies > 0 else 0.0
    return {
        kind: float(np.clip((one + ALIKE * every) / (other + ALIKE), 0.0, CROWDED))
        for kind, (one, other) in shows.items()
    }


def _overhead(networks: Sequence[Dissected]) -> tuple[float, float]:
    """Milliseconds of a call and of each unit in it, by least squares of relative errors; a call's are not below 0."""
    whole = np.array([network.whole_ms for network in networks])
    rest = (whole - [sum(network.ms) for network in networks]) / whole
    counts = np.array([len(network.ms) for network in networks]) / whole
    start, step = np.linalg.lstsq(np.stack([1 / whole, counts], 1), rest)[0]
    if start < 0:
        start, step = 0.0, (counts @ rest) / (counts @ counts)
    return float(start), float(step)
