"""How long a call takes on a machine that others use, too: repeated where they disturb, refused where they stay."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from convsmith.spec.errors import BusyError
from convsmith.train.machine import Watch

ROUND, LEAST = 0.3, 5
"""Seconds of a round, which the system's clock of 1/100 s needs to tell who used the machine, and calls at least."""
WARM = 0.1
"""Seconds of calls that do not count, after the first."""
ROUNDS, TRIES, PAUSE = 2, 4, 1.0
"""Rounds that agree, how often one is taken at most, and seconds between tries."""
DRIFT = 0.1
"""Rounds whose medians differ by more do not agree."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a call: the median of `runs`, and the 5th and 95th percentile.

    `pace_ms` is what a fixed work took at the time, by which slow spells of the machine show; 0: not looked at.
    """

    ms: float
    low_ms: float
    high_ms: float
    runs: int
    pace_ms: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def timed(call: Callable[[], object], *, pause: float = PAUSE) -> Latency:
    """Time a call: a first one and a tenth of a second to warm up, then rounds until two in a row agree.

    A round in which others use more than a tenth of the machine, or whose median is 10 % off the one before, is taken
    again. Raises BusyError if no two agree in `TRIES` further rounds: a figure taken then would be the neighbours'.
    """
    call()
    _round(call, WARM)
    before: list[float] = []
    disturbed = drifted = 0
    for _ in range(ROUNDS + TRIES):
        watch = Watch()
        taken = _round(call, ROUND)
        load = watch.seen()
        if load.busy:
            disturbed, before = disturbed + 1, []
            time.sleep(pause)
            continue
        if before and _apart(before, taken) <= DRIFT:
            both = sorted(before + taken)
            low, high = (both[round(share * (len(both) - 1))] for share in (0.05, 0.95))
            return Latency(statistics.median(both), low, high, len(both))
        drifted, before = drifted + bool(before), taken
    raise BusyError(
        f"no timing counts here now: of {ROUNDS + TRIES} rounds others disturbed {disturbed} and {drifted} did not "
        "agree with the one before; try again when the machine is free"
    )


def _round(call: Callable[[], object], seconds: float) -> list[float]:
    """Milliseconds of each call."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < LEAST:
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def _apart(one: list[float], other: list[float]) -> float:
    """By how much the larger median is above the smaller."""
    low, high = sorted((statistics.median(one), statistics.median(other)))
    return high / low - 1
