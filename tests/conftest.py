"""What several rooms' tests share: one thread, torch's own count of multiply-adds, and a fresh Python process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# The tests' networks are tiny, and two OpenMP threads crawl as soon as a neighbour is busy. Set before torch is
# imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch on one thread: two gain little on small nets, and on a busy machine they wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def macs_of() -> Callable[..., int]:
    """`macs_of(module, image)`: torch's FlopCounterMode / 2, without gradients."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def count(module: Any, image: Any) -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(image)
        return int(counter.get_total_flops()) // 2

    return count


@pytest.fixture(scope="session")
def python() -> Callable[..., str]:
    """`python(code, PYTHONHASHSEED="1")`: what a fresh interpreter prints; fails with its error text."""

    def run(code: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
