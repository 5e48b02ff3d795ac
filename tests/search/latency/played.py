"""A machine that is made up: what it takes is known to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convsmith.search.latency.table import Dissected
from convsmith.search.latency.units import Unit, units
from convsmith.spec.network import Network
from convsmith.spec.trace import trace

MACHINE, ENGINE = {"processor": "made up", "cores": 1}, "made-up 1.0"
CALL, STEP, HOOK = 0.05, 0.002, 0.001
"""Milliseconds of a call and of each unit in it; those of looking at a unit."""
PACE = 2.5
"""Milliseconds of the fixed work."""


def takes(unit: Unit) -> float:
    """Milliseconds: arithmetic at a rate that large units use better, or memory."""
    return 0.003 + max(unit.macs / 2e7 * (1 + 2e5 / (unit.macs + 1e5)), (unit.moved + unit.weights) / 5e6)


def dissect(network: Network) -> Dissected:
    """As an engine would, without noise."""
    found = units(trace(network))
    times = [takes(unit) for unit in found]
    whole = CALL + sum(times) + STEP * len(times)
    return Dissected(network.name, whole, tuple(u.key for u in found), tuple(ms + HOOK for ms in times), PACE)


def noisy(share: float, seed: int = 0) -> Callable[[Network], Dissected]:
    """The same with times that are off by so much (a normal deviation)."""
    draw = np.random.default_rng(seed)

    def look(network: Network) -> Dissected:
        found = dissect(network)
        ms = tuple(float(one * np.exp(share * draw.standard_normal())) for one in found.ms)
        return found._replace(ms=ms, whole_ms=float(found.whole_ms * np.exp(share * draw.standard_normal())))

    return look
