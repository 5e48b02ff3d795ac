"""The structure of a graph as a person draws it: layers fused, branches side by side, equal blocks counted.

A chain is a tuple of items one after the other. Branches are found by dominators: a join's branches begin at the last
row that every path to the join passes through. What is interwoven too much for that (NASNet's cells) is a `Tangle`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from convsmith.spec.node import Category
from convsmith.spec.trace import INPUT, Graph, under

FUSED: tuple[Category, ...] = ("normalisation", "activation", "regularisation")
"""Categories that join the layer before them in one node."""

LARGEST_STAGE = 4
"""A container of more blocks than this gets no frame of its own, so that columns can break inside it."""


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
class Tangle:
    """Layers that read each other across branches; the last is where they meet."""

    ops: tuple[Op, ...]


@dataclass(frozen=True)
class Section:
    """A container (`path`), or `repeat` equal ones in a row (`path` to `last`). `items` are those of the first."""

    path: str
    last: str
    items: Chain
    repeat: int = 1


Item = Op | Fork | Tangle | Section
Chain = tuple[Item, ...]


class Head(NamedTuple):
    """An auxiliary head: its path, the row it reads, its layers."""

    path: str
    source: int
    items: Chain


def structure(graph: Graph) -> tuple[Chain, tuple[Head, ...]]:
    """The network from its input to its output, and its auxiliary heads."""
    finder = _Finder(graph)
    trunk = finder.grouped(finder.chain(graph.output, INPUT), "")
    heads = (Head(path, finder.sources[path], finder.chain(end, finder.sources[path])) for path, end in graph.taps)
    return (Op(), *trunk), tuple(head for head in heads if head.items)


def rows_of(item: Item) -> Iterator[int]:
    """Every row of an item, of the first of equal blocks only, in execution order."""
    if isinstance(item, Op):
        yield from item.rows
    elif isinstance(item, Section | Tangle):
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


@dataclass(frozen=True)
class _Finder:
    graph: Graph

    @cached_property
    def gates(self) -> dict[int, int]:
        """Row -> its immediate dominator; one pass is enough, since rows come in execution order."""
        found: dict[int, int] = {}
        for index, row in enumerate(self.graph.rows):
            meet, *others = row.inputs
            for other in others:
                while meet != other:
                    meet, other = (found[meet], other) if meet > other else (meet, found[other])
            found[index] = meet
        return found

    @cached_property
    def sources(self) -> dict[str, int]:
        """Path of an auxiliary head -> the row of the network that it reads."""
        found = {}
        for path, end in self.graph.taps:
            while end != INPUT and self.graph.rows[end].tap is not None:
                end = self.gates[end]
            found[path] = end
        return found

    def chain(self, end: int, start: int) -> Chain:
        """Items after row `start` up to row `end`."""
        items: list[Item] = []
        while end != start:
            inputs, meet = self.graph.rows[end].inputs, self.gates[end]
            reached = [self._between(meet, source) for source in inputs]
            if len(inputs) == 1:
                items.append(Op((end,)))
            elif sum(map(len, reached)) > len(set[int]().union(*reached)):
                items.append(self._tangle({end}.union(*reached)))
            else:
                items.append(Fork(end, tuple(self.chain(source, meet) for source in inputs)))
            end = meet
        return self._fused(tuple(reversed(items)))

    def _tangle(self, rows: set[int]) -> Tangle:
        fused = self._fused(tuple(Op((row,)) for row in sorted(rows)))
        return Tangle(tuple(item for item in fused if isinstance(item, Op)))

    @cached_property
    def _readers(self) -> Counter[int]:
        return Counter(source for row in self.graph.rows for source in row.inputs)

    def _between(self, start: int, end: int) -> set[int]:
        found, todo = set[int](), [end]
        while todo:
            index = todo.pop()
            if index != start and index not in found:
                found.add(index)
                todo += self.graph.rows[index].inputs
        return found

    def _fused(self, items: Chain) -> Chain:
        """Norm, activation and dropout join the layer before them in the same container, if nothing else reads it."""
        out: list[Item] = []
        for item in items:
            last = out[-1] if out else None
            if isinstance(item, Op) and isinstance(last, Op | Fork) and self._fuses(item.rows[0], last):
                out[-1] = (
                    Op(last.rows + item.rows) if isinstance(last, Op) else replace(last, tail=last.tail + item.rows)
                )
            else:
                out.append(item)
        return tuple(out)

    def _fuses(self, row: int, last: Op | Fork) -> bool:
        here, before = self.graph.rows[row], output_of(last)
        near = here.inputs == (before,) and _parent(here.path) == _parent(self.graph.rows[before].path)
        return near and here.node.category in FUSED and self._readers[before] == 1

    def grouped(self, items: Chain, prefix: str) -> Chain:
        """Items by container below `prefix`; equal neighbours are counted, containers of mere layers dissolved."""
        out: list[Item] = []
        for name, group in groupby(items, lambda item: self._segment(item, prefix)):
            if name:
                self._add(out, self._section(tuple(group), under(prefix, name)))
            else:
                out += (self._forked(item) if isinstance(item, Fork) else item for item in group)
        framed = any(map(_is_block, out))
        return tuple(inner for item in out for inner in (_contents(item) if _dissolves(item, framed) else (item,)))

    def _segment(self, item: Item, prefix: str) -> str:
        names = [_parent(self.graph.rows[row].path).split(".") for row in rows_of(item)]
        depth = len(prefix.split(".")) if prefix else 0
        first = {tuple(name[depth : depth + 1]) for name in names}
        return first.pop()[0] if len(first) == 1 and () not in first else ""

    def _section(self, items: Chain, path: str) -> Section:
        inner = self.grouped(items, path)
        if len(inner) == 1 and isinstance(inner[0], Section) and inner[0].repeat == 1:
            inner = inner[0].items
        return Section(path, path, inner)

    def _add(self, out: list[Item], new: Section) -> None:
        last = out[-1] if out else None
        if isinstance(last, Section) and self._key(last.items) == self._key(new.items):
            out[-1] = replace(last, last=new.path, repeat=last.repeat + 1)
        else:
            out.append(new)

    def _forked(self, fork: Fork) -> Fork:
        prefix, branches = _parent(self.graph.rows[fork.join].path), []
        for branch in fork.branches:
            inner = self.grouped(branch, prefix)
            alone = inner[0] if len(inner) == 1 else None
            branches.append(alone.items if isinstance(alone, Section) and alone.repeat == 1 else inner)
        return replace(fork, branches=tuple(branches))

    def _key(self, items: Chain) -> tuple[object, ...]:
        """Equal for items of equal structure, layers and shapes."""
        return tuple(
            (item.repeat, self._key(item.items)) if isinstance(item, Section)
            else (type(item), *(self._row(row) for row in rows_of(item)), *map(len, getattr(item, "branches", ())))
            for item in items
        )  # fmt: skip

    def _row(self, index: int) -> tuple[object, ...]:
        row = self.graph.rows[index]
        heads = tuple(path for path, source in self.sources.items() if source == index)
        return row.node, tuple(sig.shape for sig in self.graph.sigs(row)), row.out.shape, heads


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _is_block(item: Item) -> bool:
    return isinstance(item, Section) and (item.repeat > 1 or any(not isinstance(inner, Op) for inner in item.items))


def _contents(item: Item) -> Chain:
    return item.items if isinstance(item, Section) else (item,)


def is_stage(item: Item) -> bool:
    """A container of nothing but blocks."""
    return isinstance(item, Section) and all(isinstance(inner, Section) for inner in item.items)


def _dissolves(item: Item, framed: bool) -> bool:
    """A container without frame: layers that are no numbered block, stages, or more blocks than a stage has."""
    if not isinstance(item, Section) or item.repeat > 1:
        return False
    if not _is_block(item):
        return len(item.items) == 1 or not (framed and item.path.rpartition(".")[2].isdecimal())
    return sum(isinstance(inner, Section) for inner in item.items) > LARGEST_STAGE or any(map(is_stage, item.items))
