"""How long a call takes on a machine that others use, too: in short turns, of which the undisturbed count."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from convsmith.spec.errors import BusyError
from convsmith.train.machine import Watch

TURN, LEAST = 0.15, 3
"""Seconds of calls in a turn, and calls at least. With two looks and what else is done, the system's clock of 1/100 s
can then tell who used the machine."""
WARM = 0.1
"""Seconds of calls that do not count, after the first."""
TURNS, MOST, PAUSE = 5, 20, 1.0
"""Undisturbed turns that do, turns taken at most, and seconds of waiting after one that others disturbed."""
DRIFT = 0.1
"""What differs by more differs."""

Call = Callable[[], object]
Inside = Callable[[float], list[float]]
"""Runs for so many seconds; the median milliseconds of each unit."""


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


class Turn(NamedTuple):
    """Milliseconds of each call, of each unit (none where it was not looked for), and of the fixed work: the slower of
    before and after."""

    runs: list[float]
    inside: list[float]
    pace_ms: float

    @property
    def ms(self) -> float:
        """Of a call."""
        return statistics.median(self.runs)


def timed(call: Call, look: Callable[[], float], inside: Inside | None = None) -> list[Turn]:
    """Time a call: a first one and a tenth of a second to warm up, then turns until enough of them were undisturbed.

    Between turns `look` tells what a fixed work takes. A turn counts unless others used more than a tenth of the
    machine, or it or the fixed work beside it was a tenth off what the quickest quarter of turns took at most: so slow
    spells of some tenths of a second are left out, which neighbours from outside a virtual machine cause and no
    statistics show.
    Raises BusyError if too few of `MOST` turns count: a figure taken then would be the neighbours'.
    """
    call()
    _run(call, WARM)
    turns: list[Turn] = []
    disturbed, before = 0, look()
    for _ in range(MOST):
        watch = Watch()
        seen = inside(TURN) if inside else []
        runs = _run(call, TURN)
        after = look()
        if watch.seen().busy:
            disturbed += 1
            time.sleep(PAUSE)
            before = look()
            continue
        turns.append(Turn(runs, seen, max(before, after)))
        before = after
        if len(found := _undisturbed(turns)) >= TURNS:
            return found
    slow = len(turns) - len(found) if turns else 0
    raise BusyError(
        f"no timing counts here now: of {MOST} turns others disturbed {disturbed} and {slow} fell into slow spells; "
        "try again when the machine is free"
    )


def latency_of(turns: Sequence[Turn]) -> Latency:
    """What undisturbed turns say of a call."""
    runs = sorted(ms for turn in turns for ms in turn.runs)
    low, high = (runs[round(share * (len(runs) - 1))] for share in (0.05, 0.95))
    return Latency(statistics.median(runs), low, high, len(runs), statistics.median(turn.pace_ms for turn in turns))


def _undisturbed(turns: Sequence[Turn]) -> list[Turn]:
    """Those whose call and whose fixed work took about what the quickest quarter took at most."""
    ms, pace = (
        sorted(values)[len(turns) // 4] for values in ([turn.ms for turn in turns], [turn.pace_ms for turn in turns])
    )
    return [turn for turn in turns if max(abs(turn.ms / ms - 1), abs(turn.pace_ms / pace - 1)) <= DRIFT]


def _run(call: Call, seconds: float) -> list[float]:
    """Milliseconds of each call."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < LEAST:
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1e3)
    return taken
