"""The roofline: a unit takes as long as its arithmetic or its memory, whichever is slower (Williams et al. 2009).

Rates are those of the machine, read off what was measured; the model corrects the roofline by units nearby.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.search.latency.units import Unit

BEST = 0.9
"""Quantile of measured rates that stands for the machine's limit: the very best are small units seen in the cache."""
LARGE = 3.0
"""Rates are read off units that take so many times as long as the least: of others it is what starting takes."""
LEAST = 4
"""Units of a kind that its own rate is read off; of fewer, all kinds' is."""


class Roofline(NamedTuple):
    """Multiply-adds a millisecond by kind ("" for any), elements moved a millisecond, and milliseconds of any unit."""

    macs: dict[str, float]
    moved: float
    start: float

    def ms(self, unit: Unit) -> float:
        """What a unit takes at best."""
        arithmetic = unit.macs / self.macs.get(unit.kind, self.macs[""]) if unit.macs else 0.0
        return self.start + max(arithmetic, (unit.moved + unit.weights) / self.moved)


def roofline(measured: Sequence[Unit], ms: NDArray[np.float64]) -> Roofline:
    """The limits of a machine on which these units took so long; there must be a unit."""
    start = float(ms.min())
    large = ms > LARGE * start
    if not large.any():
        large[:] = True
    measured, net = [unit for unit, of in zip(measured, large, strict=True) if of], (ms - (ms > start) * start)[large]
    work = np.array([unit.macs for unit in measured], float)
    moved = np.array([unit.moved + unit.weights for unit in measured], float)
    by_kind = {}
    for kind in {unit.kind for unit in measured if unit.macs}:
        of = [i for i, unit in enumerate(measured) if unit.kind == kind]
        if len(of) >= LEAST:
            by_kind[kind] = _best(work[of] / net[of])
    computing = work > 0
    return Roofline({"": _best((work / net)[computing]) if computing.any() else np.inf, **by_kind},
                    _best(moved / net), start)  # fmt: skip


def _best(rates: NDArray[np.float64]) -> float:
    return float(np.quantile(rates, BEST))
