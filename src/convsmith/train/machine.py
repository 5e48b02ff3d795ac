"""The machine that trains: its cores, its memory, and whether somebody else is using it."""

from __future__ import annotations

import ctypes
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt (malloc.h)."""
QUIET = 0.1
"""Share of the machine that others may use while a timing still counts."""


def keep_memory() -> str:
    """Have glibc keep what is freed, so that no step pays for page faults; returns a sentence on what was done.

    Large blocks come from the heap (no mmap), and the heap is never trimmed, whatever its size: a training step then
    finds the pages of the step before. It costs resident memory, which stays at its peak until the process ends, and
    counts for what is allocated from now on: call it early. Elsewhere than on glibc it does nothing. Calling it again
    changes nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return "freed memory goes back to the system: only glibc can be told to keep it"
    mallopt = ctypes.CDLL(None).mallopt
    if not (mallopt(TRIM_THRESHOLD, -1) and mallopt(MMAP_MAX, 0)):  # -1: the largest there is
        return "freed memory goes back to the system: this C library cannot be told to keep it"
    return "freed memory is kept for the next step"


def native_bfloat16() -> bool:
    """Whether this processor computes in bfloat16 by instructions of its own (AVX512-BF16, AMX; Arm's BF16)."""
    if platform.machine() in ("x86_64", "AMD64"):
        return any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    try:
        return " bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def cores() -> int:
    """Physical cores that this process may run on."""
    allowed = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else psutil.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or 1, allowed or 1))


@dataclass(frozen=True)
class Load:
    """What the machine did while somebody watched.

    others   share of the processors' time that went to others, other machines of the same host included, 0..1;
             processes that this one started are not others
    speedup  how many times faster a fixed work is on `threads` threads than on one; None: not measured
    """

    others: float
    threads: int
    speedup: float | None = None

    @property
    def busy(self) -> bool:
        """Whether a timing taken now would say more about the neighbours than about the work."""
        return self.others > QUIET or (self.speedup is not None and self.speedup < 1)

    def __str__(self) -> str:
        words = f"others use {self.others:.0%} of the machine"
        if self.speedup is not None:
            words += f", {self.threads} threads are {self.speedup:.2g} times as fast as one"
        return words + (": too busy for a timing to count" if self.busy else "")


class Watch:
    """Others' share of the machine between `Watch()` and `seen()`. Off Linux it sees nothing and says 0."""

    def __init__(self) -> None:
        self.began = _clock()

    def seen(self) -> Load:
        """The load since the beginning."""
        (all0, busy0, own0), (all1, busy1, own1) = self.began, _clock()
        spent = max(all1 - all0, 1e-9)
        return Load(min(1.0, max(0.0, (busy1 - busy0) - (own1 - own0)) / spent), torch.get_num_threads())


def load(seconds: float = 0.3) -> Load:
    """Measure for about this long, with a matrix product on one thread and on as many as torch has now.

    A neighbour hurts threads that wait for one another far beyond its own share: where one thread is faster than all,
    `speedup` is below 1 and training should have one thread (`Execution.threads`).
    """
    threads, watch = torch.get_num_threads(), Watch()
    rates = {}
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            rates[count] = _rate(seconds / 2)
    finally:
        torch.set_num_threads(threads)
    return Load(watch.seen().others, threads, rates[threads] / rates[1] if threads > 1 else None)


def _rate(seconds: float) -> float:
    """Matrix products a second, over the slower half of the calls: what stalls is to be seen."""
    matrix = torch.ones(512, 512)
    times: list[float] = []
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        matrix @ matrix
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            matrix @ matrix
            times.append(time.perf_counter() - start)
    slow = sorted(times)[len(times) // 2 :]
    return len(slow) / sum(slow)


def _clock() -> tuple[float, float, float]:
    """Seconds so far, over all processors: all, busy or stolen, and those of this process and what it started."""
    system = psutil.cpu_times()
    idle = system.idle + getattr(system, "iowait", 0.0)
    names = ("user", "system", "nice", "irq", "softirq", "steal")
    busy = sum(getattr(system, name, 0.0) for name in names)
    own, here = 0.0, psutil.Process()
    for process in (here, *here.children(recursive=True)):
        with suppress(psutil.Error):
            own += sum(process.cpu_times()[:4])  # its own, user and system, and those of its children that ended
    return idle + busy, busy, own
