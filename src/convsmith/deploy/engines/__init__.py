"""Engines that run a network on this machine, one file each; `engine(target)` is the one that a target names.

Each offers `prepared(network, target)`: a call that runs a batch of random images once, in float32, with random weights
(time does not depend on them), and its version, by which tables of latencies are told apart. Some can also be looked
into (`Insight`), for a latency model of what networks are made of.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from convsmith.deploy.apart import apart
from convsmith.deploy.engines.yardstick import yardstick
from convsmith.search.latency.steady import Say, steady
from convsmith.search.latency.table import Dissected, LatencyTable
from convsmith.search.latency.units import Unit, units
from convsmith.search.target import Target
from convsmith.search.timing import Call, Inside, Latency, latency_of, timed
from convsmith.spec.errors import SpecError
from convsmith.spec.network import Network
from convsmith.spec.trace import trace
from convsmith.train import machine
from convsmith.train.environment import cpu_name


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
    """Time a network on a target, in a process of its own. Raises MissingExtra, BusyError, ExportError."""
    return apart(latency_here, network, target)


def latency_as_in(table: LatencyTable, network: Network, say: Say = lambda _: None) -> Latency:
    """`latency` on the target of a table, while the machine is as fast as it was for the table; `say` is told of
    waiting for that. Raises BusyError where it does not come, and as `latency`."""
    return steady(table, lambda: latency(network, table.target), say=say)


def dissect(network: Network, target: Target) -> Dissected:
    """Time a network on a target and its units, too. Raises as `latency`, SpecError for an engine without insight."""
    return apart(dissect_here, network, target)


def latency_here(network: Network, target: Target) -> Latency:
    """`latency` in this process, whatever it did before."""
    target = target.settled(machine.cores())
    with threads(target):
        return latency_of(timed(engine(target).prepared(network, target), yardstick))


def dissect_here(network: Network, target: Target) -> Dissected:
    """`dissect` in this process, whatever it did before."""
    target, found = target.settled(machine.cores()), units(trace(network))
    with threads(target):
        call, inside = insight(target).opened(network, target, found)
        turns = timed(call, yardstick, inside)
    whole = latency_of(turns)
    ms = tuple(statistics.median(values) for values in zip(*(turn.inside for turn in turns), strict=True))
    return Dissected(network.name, whole.ms, tuple(unit.key for unit in found), ms, whole.pace_ms)


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
