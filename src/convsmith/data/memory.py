"""How much memory there is, so that a data set too large for it is refused before the first image is decoded."""

from __future__ import annotations

import os
from pathlib import Path

SHARE = 0.6
"""Part of the available memory that the images may take; the network needs the rest."""


def available_bytes() -> int | None:
    """Memory that can be taken now, within the limit of a container if there is one; None where nobody says."""
    figures = [figure for figure in (_machine(), _container()) if figure is not None]
    return min(figures, default=None)


def _machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # macOS says only how much is built in
    except (AttributeError, OSError, ValueError):
        return None


def _container() -> int | None:
    group = Path("/sys/fs/cgroup")
    try:
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None


def demand(count: int, channels: int, side: int) -> str:
    """`"50,000 images of 3x224x224 need 7.53 GB"` as uint8."""
    return f"{count:,} images of {channels}x{side}x{side} need {count * channels * side * side / 1e9:.2f} GB"


def too_large(count: int, channels: int, side: int) -> str | None:
    """A sentence if `count` uint8 images of channels x side x side take more than SHARE of the memory, else None."""
    need, free = count * channels * side * side, available_bytes()
    if free is None or need <= SHARE * free:
        return None
    return (
        f"{demand(count, channels, side)}, more than {SHARE:.0%} of the {free / 1e9:.2f} GB of memory available; use a "
        "smaller --side"
    )
