"""What several rooms' tests share: one thread, torch's own count of multiply-adds, and a fresh Python process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

# The tests' networks are tiny, and two OpenMP threads crawl as soon as a neighbour is busy. Set before torch is
# imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


BUILT = {
    "test_totals_are_the_built_networks_at_its_native_side", "test_params_and_buffers_are_those_of_the_weights",
    "test_logits_are_the_librarys", "test_multiply_adds_are_torchs_count", "test_parameters_and_buffers_are_as_many",
    "test_every_normalisation_has_the_librarys_eps_and_momentum",
}  # fmt: skip
"""Tests that build one variant of the zoo after the other."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Of what builds every variant of the zoo the first of each family is enough, but for `make wide`."""
    from convsmith.zoo import family, names

    first: dict[str, str] = {}
    for name in names():
        first.setdefault(family(name), name)
    further = set(names()) - set(first.values())
    for item in items:
        chosen = getattr(item, "callspec", None)
        if getattr(item, "originalname", "") in BUILT and chosen is not None and further & _words(chosen.params):
            item.add_marker(pytest.mark.wide)


def _words(params: dict[str, Any]) -> set[str]:
    return {value for value in params.values() if isinstance(value, str)}


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
