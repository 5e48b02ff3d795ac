"""What a diagram is made of: layers, forks, tangles, containers. A chain is a tuple of items one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.trace import INPUT

ENTRY = ("entry",)
"""The `setting` of a row that stands for what enters a close-up from outside."""


@dataclass(frozen=True)
class Op:
    """A layer and what is fused into it, as indices into `graph.rows`; none stands for the input."""

    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fork:
    """Branches that meet in the row `join`; an empty branch is the identity. `tail` is fused into the join."""

    join: int
    branches: tuple[Chain, ...]
    tail: tuple[int, ...] = ()


@dataclass(frozen=True)
class Part:
    """A layer or container of a tangle, or `repeat` equal ones in a row; `rows` are those of the first.

    `every` are the rows of all of them; `dense` ones each read all that stand before them.
    """

    path: str
    last: str
    rows: tuple[int, ...]
    sources: tuple[int, ...]
    every: tuple[int, ...]
    repeat: int = 1
    dense: bool = False


@dataclass(frozen=True)
class Tangle:
    """Parts that read each other across branches; the last is where they meet.

    A part's `sources` are the indices of the parts it reads, below 0 where that lies before the tangle.
    """

    parts: tuple[Part, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """A container (`path`), or `repeat` equal ones in a row (`path` to `last`).

    `items` are those of the first, `ends` the rows of the last, one for one.
    """

    path: str
    last: str
    items: Chain
    repeat: int = 1
    ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Towers:
    """Layers of two equal halves of the channels, as AlexNet's on two graphics cards."""

    ops: tuple[Op, ...]


Item = Op | Fork | Tangle | Section | Towers
Chain = tuple[Item, ...]


class Head(NamedTuple):
    """An auxiliary head: its path, the row it reads, its layers."""

    path: str
    source: int
    items: Chain


def rows_of(item: Item) -> Iterator[int]:
    """Every row of an item, of the first of equal blocks only, in execution order."""
    if isinstance(item, Op | Tangle):
        yield from item.rows
    elif isinstance(item, Section | Towers):
        for inner in item.items if isinstance(item, Section) else item.ops:
            yield from rows_of(inner)
    else:
        for branch in item.branches:
            for inner in branch:
                yield from rows_of(inner)
        yield item.join
        yield from item.tail


def output_of(item: Item) -> int:
    """The row whose output leaves the item (of the first of equal blocks)."""
    return INPUT if item == Op() else list(rows_of(item))[-1]


def is_entry(node: object) -> bool:
    """Whether a row stands for what enters a close-up from outside (`convsmith.views.part`)."""
    return isinstance(node, Foreign) and node.setting == ENTRY


def is_stage(item: Item) -> bool:
    """A container of nothing but blocks."""
    return isinstance(item, Section) and all(isinstance(inner, Section) for inner in item.items)


def trunk_ops(items: Chain) -> Iterator[Op]:
    """The nodes outside of branches."""
    for item in items:
        if isinstance(item, Op):
            yield item
        elif isinstance(item, Section):
            yield from trunk_ops(item.items)
