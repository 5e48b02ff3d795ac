"""Timing side by side: A B C A B C ..., medians, and ratios against the first."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping


def in_turn(
    tasks: Mapping[str, Callable[[], object]], rounds: int, repeat: Mapping[str, int] | None = None
) -> dict[str, list[float]]:
    """Seconds of each task, one figure a round; tasks take turns so that a slow spell of the machine hits all.

    A task named in `repeat` runs so many times a round and counts the mean: for what a clock can hardly see.
    """
    for task in tasks.values():
        task()  # warm up
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            count = (repeat or {}).get(name, 1)
            gc.collect()
            start = time.perf_counter()
            for _ in range(count):
                task()
            times[name].append((time.perf_counter() - start) / count)
    return times


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
