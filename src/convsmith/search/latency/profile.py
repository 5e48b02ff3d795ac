"""Measuring a table: members of spaces are run whole and looked into, until all that they are made of was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from typing import NamedTuple

from convsmith.search.latency.cover import Cover
from convsmith.search.latency.steady import Say, steady
from convsmith.search.latency.table import Dissected, LatencyTable
from convsmith.search.latency.units import units
from convsmith.search.spaces.space import Genome, Space
from convsmith.spec.network import Network

TAUGHT, HELD = 10, 3
"""Networks in a row that are learned from, and that are then held back."""

Dissect = Callable[[Network], Dissected]
"""Runs a network whole and looks into it. Raises BusyError."""


class Step(NamedTuple):
    """After a network: how many the table has, and what share of the least known space's work was seen, 0..1."""

    networks: int
    covered: float


def profile(
    table: LatencyTable, spaces: Sequence[Space], dissect: Dissect, *,
    seconds: float, seed: int = 0, say: Say = lambda _: None,
) -> Iterator[Step]:  # fmt: skip
    """Measure members of the spaces in turn into the table, for so many seconds at most, a step at a time.

    A network counts that is measured while the machine is as fast as it mostly is (`steady`); `say` is told of waiting.
    Some are drawn by chance and held back, to tell the error of predictions. Raises BusyError; what was measured before
    is in the table.
    """
    end = time.monotonic() + seconds
    covers = [Cover(space, seed, frozenset(table.units)) for space in spaces]
    for member, held in _members(covers, {network.name for network in table.networks}):
        if time.monotonic() > end:
            return
        found = steady(table, partial(dissect, member.network), say=say)
        table.add(found._replace(name=name_of(member), held=held), units(member.graph))
        yield Step(len(table.networks), min(cover.covered for cover in covers))


def name_of(member: Genome) -> str:
    """What a table calls a member of a space: the space and the beginning of its hash."""
    return f"{member.space.name} {member.sha256[:16]}"


def _members(covers: Sequence[Cover], known: set[str]) -> Iterator[tuple[Genome, bool]]:
    """Members that are not known, of the space that has given least so far, and whether one is held back; until every
    space is covered."""

    def new(member: Genome) -> bool:
        fresh = name_of(member) not in known
        known.add(name_of(member))
        return fresh

    by_chance = cycle(covers)
    while waiting := [cover for cover in covers if not cover.done]:
        for _ in range(TAUGHT):
            member = min(waiting, key=_given).next()
            if new(member):
                yield member, False
            waiting = [cover for cover in covers if not cover.done]
            if not waiting:
                break
        for cover in islice(by_chance, HELD):
            member = cover.chance()
            if new(member):
                yield member, True


def _given(cover: Cover) -> int:
    return cover.given
