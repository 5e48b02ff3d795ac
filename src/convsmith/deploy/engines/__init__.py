"""Engines that run a network on this machine, one file each; `engine(target)` is the one that a target names.

Each offers `prepared(network, target)`: a call that runs a batch of random images once, in float32, with random weights
(time does not depend on them), and its version, by which tables of latencies are told apart. Some can also be looked
into (`Insight`), for a latency model of what networks are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from convsmith.search.latency.table import Dissected
from convsmith.search.latency.units import Unit, units
from convsmith.search.target import Target
from convsmith.search.timing import Latency, timed
from convsmith.spec.errors import SpecError
from convsmith.spec.network import Network
from convsmith.spec.trace import trace
from convsmith.train import machine
from convsmith.train.environment import cpu_name

Call = Callable[[], object]
Inside = Callable[[float], list[float]]
"""Runs for so many seconds; the median milliseconds of each unit."""

LOOK = 0.3
"""Seconds of looking inside, before and after the timing of the whole."""


class Engine(Protocol):
    """What each file here is."""

    def version(self) -> str:
        """Name and version of what runs. Raises MissingExtra where it is not installed."""
        ...

    def prepared(self, network: Network, target: Target) -> Call:
        """A call that runs one batch."""
        ...


@runtime_checkable
class Insight(Protocol):
    """An engine that tells what the units of a network take."""

    def opened(self, network: Network, target: Target, units: Sequence[Unit]) -> tuple[Call, Inside]:
        """As `prepared`, and what looks inside the same network."""
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


def dissect(network: Network, target: Target) -> Dissected:
    """Time a network on a target and its units, too. Raises as `latency`, SpecError for an engine without insight."""
    target, found = target.settled(machine.cores()), units(trace(network))
    with threads(target):
        call, inside = insight(target).opened(network, target, found)
        before, whole, after = inside(LOOK), timed(call), inside(LOOK)
    ms = tuple((one + other) / 2 for one, other in zip(before, after, strict=True))
    return Dissected(network.name, whole.ms, tuple(unit.key for unit in found), ms)


def insight(target: Target) -> Insight:
    """The engine of a target, which can be looked into. Raises SpecError for one that cannot, MissingExtra."""
    found = engine(target)
    if not isinstance(found, Insight):
        raise SpecError(f"{target.engine} does not tell what layers take; latencies are predicted for eager and "
                        "onnxruntime, and measured for all")  # fmt: skip
    return found


def here() -> dict[str, Any]:
    """What tells this machine from another, for a table of latencies."""
    return {"processor": cpu_name(), "cores": machine.cores()}


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
