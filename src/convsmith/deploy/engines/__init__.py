"""Engines that run a network on this machine, one file each; `engine(target)` is the one that a target names.

Each offers `prepared(network, target)`: a call that runs a batch of random images once, in float32, with random weights
(time does not depend on them), and its version, by which tables of latencies are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol, cast

from convsmith.search.target import Target
from convsmith.search.timing import Latency, timed
from convsmith.spec.network import Network
from convsmith.train import machine

Call = Callable[[], object]


class Engine(Protocol):
    """What each file here is."""

    def version(self) -> str:
        """Name and version of what runs. Raises MissingExtra where it is not installed."""
        ...

    def prepared(self, network: Network, target: Target) -> Call:
        """A call that runs one batch."""
        ...


def engine(target: Target) -> Engine:
    """The engine of a target. Raises MissingExtra, with the pip command, where its package is not installed."""
    found = cast(Engine, import_module(f"{__name__}.{target.engine}"))
    found.version()
    return found


def latency(network: Network, target: Target) -> Latency:
    """Time a network on a target. Raises MissingExtra, BusyError, ExportError."""
    target = target.settled(machine.cores())
    with threads(target):
        return timed(engine(target).prepared(network, target))


@contextmanager
def threads(target: Target) -> Iterator[None]:
    """Torch with the target's threads for a while: other engines' threads would wait for torch's, too."""
    import torch

    before = torch.get_num_threads()
    if target.threads:
        torch.set_num_threads(target.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
