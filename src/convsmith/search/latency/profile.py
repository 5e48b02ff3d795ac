"""Measuring a table: members of spaces are run whole and looked into, until all that they are made of was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple

from convsmith.search.latency.cover import Cover
from convsmith.search.latency.table import Dissected, LatencyTable
from convsmith.search.latency.units import units
from convsmith.search.spaces.space import Genome, Space
from convsmith.search.timing import DRIFT
from convsmith.spec.errors import BusyError
from convsmith.spec.network import Network

TAUGHT, HELD = 10, 3
"""Networks of a stretch that are learned from, and that are held back."""
TRIES = 3
"""Stretches that may be thrown away."""

Dissect = Callable[[Network], Dissected]
"""Runs a network whole and looks into it. Raises BusyError."""


class Step(NamedTuple):
    """After a network: how many the table has, and what share of the least known space's work was seen, 0..1."""

    networks: int
    covered: float


def profile(
    table: LatencyTable, spaces: Sequence[Space], dissect: Dissect, *, seconds: float, seed: int = 0
) -> Iterator[Step]:
    """Measure members of the spaces in turn into the table, for so many seconds at most, a step at a time.

    The reference, a member of middling work, is measured first and after every stretch of networks: where it takes
    10 % more or less than at first, the machine has changed, and the stretch is measured again. Raises BusyError where
    that happens three times; what the table then has agrees with the reference. The last networks of a stretch are
    drawn by chance and held back, to tell the error of predictions.
    """
    end = time.monotonic() + seconds
    covers = [Cover(space, seed, frozenset(table.units)) for space in spaces]
    known = {network.name: network.whole_ms for network in table.networks}
    reference = covers[0].middle
    if name_of(reference) not in known:
        known[name_of(reference)] = _measure(table, reference, dissect)
    first = known[name_of(reference)]
    while time.monotonic() < end and (stretch := _stretch(covers, known)):
        kept = len(table.networks)
        for _ in range(TRIES):
            for member, held in stretch.items():
                if time.monotonic() < end:
                    _measure(table, member, dissect, held)
                    yield Step(len(table.networks), min(cover.covered for cover in covers))
            ratio = _ratio(reference, first, dissect)
            table.drift.append(ratio)
            if abs(ratio - 1) <= DRIFT:
                break
            del table.networks[kept:]
        else:
            raise BusyError(_drifted(ratio))


def _stretch(covers: Sequence[Cover], known: dict[str, float]) -> dict[Genome, bool]:
    """The next members to measure, of the space that has given least so far, and whether one is held back. None are
    left when every space is covered."""
    found: dict[Genome, bool] = {}

    def take(member: Genome, held: bool) -> None:
        if name_of(member) not in known:
            found[member], known[name_of(member)] = held, 0.0

    while len(found) < TAUGHT and (waiting := [cover for cover in covers if not cover.done]):
        take(min(waiting, key=lambda cover: cover.given).next(), False)
    for cover in islice(cycle(covers), HELD if found else 0):
        take(cover.chance(), True)
    return found


def _ratio(reference: Genome, first: float, dissect: Dissect) -> float:
    """How many times as long as at first the reference takes; a second look where it is not as at first."""
    for _ in range(2):
        ratio = dissect(reference.network).whole_ms / first
        if abs(ratio - 1) <= DRIFT:
            break
    return ratio


def name_of(member: Genome) -> str:
    """What a table calls a member of a space: the space and the beginning of its hash."""
    return f"{member.space.name} {member.sha256[:16]}"


def _measure(table: LatencyTable, member: Genome, dissect: Dissect, held: bool = False) -> float:
    found = dissect(member.network)._replace(name=name_of(member), held=held)
    table.add(found, units(member.graph))
    return found.whole_ms


def _drifted(ratio: float) -> str:
    return (
        f"the machine keeps changing: the network measured again and again takes {ratio:.2f} times as long as at "
        "first; what agrees with it is kept, so run the command again when the machine is free"
    )
