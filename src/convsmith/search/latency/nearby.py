"""What units nearby tell of one that was not measured: a Gaussian process (Rasmussen and Williams 2006, eq. 2.23)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convsmith.search.latency.units import Unit

Floats = NDArray[np.float64]

NEAR = 64
"""Units that are asked: those that tell most."""
REACH = 2.5
"""Distance, about in factors of e of size, over which units say less and less of one another."""
SAME_FORM = 0.25
"""Variance that units of one form share, whatever their sizes, beside the 1 that all of a kind share nearby."""
NOISE = 0.01
"""Variance of a measurement."""
LANES = 16
"""Engines compute channels in blocks of so many (floats in a vector register of 512 bits)."""


class Nearby:
    """Values of units, and the mean that a Gaussian process expects of others of their kind.

    Units of a kind are the more alike the nearer their work, memory, channels, pixels and unfilled lanes are. Of a kind
    that was not seen, the median of all is expected. The matrix solved is of the nearest `NEAR` units, so that
    thousands of measured units cost no more than a few.
    """

    def __init__(self, units: Sequence[Unit], values: Floats) -> None:
        self.values, self.middle = values, float(np.median(values))
        self.forms = np.array([unit.form for unit in units])
        self.places = np.array([_place(unit) for unit in units])
        kinds: dict[str, list[int]] = {}
        for i, unit in enumerate(units):
            kinds.setdefault(unit.kind, []).append(i)
        self.kinds = {kind: np.array(of) for kind, of in kinds.items()}

    def expected(self, unit: Unit) -> float:
        """The value of a unit."""
        alike = self.kinds.get(unit.kind)
        if alike is None:
            return self.middle
        mean = float(np.median(self.values[alike]))
        tells = _kernel(_place(unit)[None], self.places[alike], np.array([unit.form]), self.forms[alike])[0]
        near = np.argsort(-tells, kind="stable")[:NEAR]
        some = alike[near]
        among = _kernel(self.places[some], self.places[some], self.forms[some], self.forms[some])
        among[np.diag_indices_from(among)] += NOISE
        return mean + float(tells[near] @ np.linalg.solve(among, self.values[some] - mean))


def _kernel(some: Floats, others: Floats, forms: NDArray[np.str_], other_forms: NDArray[np.str_]) -> Floats:
    apart = ((some[:, None] - others[None]) ** 2).sum(-1)
    covariance: Floats = np.exp(-apart / (2 * REACH**2)) + SAME_FORM * (forms[:, None] == other_forms[None])
    return covariance


def _place(unit: Unit) -> Floats:
    """Where a unit stands. Its six sizes depend on three or four, hence the factor; lanes left empty weigh more."""
    sizes = (unit.macs + 1, unit.moved + 1, unit.weights + 1, unit.entering, unit.leaving, unit.pixels)
    empty = [-(-channels // LANES) * LANES / channels for channels in (unit.entering, unit.leaving)]
    return np.concatenate([np.log(sizes) / np.sqrt(2), 2 * np.log(empty)])
