"""Timing side by side: A B C A B C ..., medians, and ratios against the first; none while others use the machine."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping

from convsmith.train.machine import Watch

Tasks = Mapping[str, Callable[[], object]]
TRIES = 3
"""How often a round is taken, at most, until others leave the machine alone."""
PAUSE = 5.0
"""Seconds between tries."""
SEEN = 0.3
"""Seconds that a round must take for the system's clocks, of 1/100 s, to tell who used the machine."""


def in_turn(
    tasks: Tasks, rounds: int, repeat: Mapping[str, int] | None = None, warm: bool = False
) -> dict[str, list[float]]:
    """Seconds of each task, one figure a round; tasks take turns so that a slow spell of the machine hits all.

    A task named in `repeat` runs so many times a round and counts the mean: for what a clock can hardly see. Each runs
    once before, unless it is `warm`. Ends the program if others use the machine in one round `TRIES` times running.
    """
    for task in tasks.values():
        if not warm:
            task()
    found = [_round(tasks, repeat or {}) for _ in range(rounds)]
    return {name: [times[name] for times in found] for name in tasks}


def _round(tasks: Tasks, repeat: Mapping[str, int]) -> dict[str, float]:
    """One turn of each task."""
    for _ in range(TRIES):
        watch, times, began = Watch(), {}, time.perf_counter()
        for name, task in tasks.items():
            count = repeat.get(name, 1)
            gc.collect()
            start = time.perf_counter()
            for _ in range(count):
                task()
            times[name] = (time.perf_counter() - start) / count
        took, load = time.perf_counter() - began, watch.seen()
        if not load.busy or took < SEEN:
            return times
        print(f"{load}; once more", file=sys.stderr, flush=True)
        time.sleep(PAUSE)
    sys.exit(f"{load}, {TRIES} times running: try again when the machine is free")


def rows(times: Mapping[str, list[float]], extra: Mapping[str, str] | None = None) -> list[tuple[str, ...]]:
    """name, median ms, min-max ms, ratio to the first (median of the rounds' ratios), extra."""
    names = list(times)
    first = times[names[0]]
    lines = []
    for name in names:
        ratio = statistics.median(t / f for t, f in zip(times[name], first, strict=True))
        low, high = min(times[name]) * 1e3, max(times[name]) * 1e3
        spread = f"{low:.3g}-{high:.3g}"
        lines.append(
            (name, f"{statistics.median(times[name]) * 1e3:.3g}", spread, f"{ratio:.1f}×", (extra or {}).get(name, ""))
        )
    return lines


def table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    out = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(out + ["| " + " | ".join(line) + " |" for line in lines])
