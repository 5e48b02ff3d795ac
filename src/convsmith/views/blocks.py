"""The structure of a graph as a person draws it: layers fused, branches side by side, equal blocks counted.

Branches are found by dominators: a join's branches begin at the last
row that every path to the join passes through. What is interwoven too much for that (NASNet's cells) is a `Tangle`.

Blocks are equal if their layers are, whatever number of channels enters (DenseNet's grow) and whatever the rates of
dropping are (stochastic depth raises them block by block).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from convsmith.spec.node import Category
from convsmith.spec.nodes.conv import Conv
from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.nodes.joins import Mul
from convsmith.spec.nodes.regularise import DropPath
from convsmith.spec.trace import INPUT, Graph, under
from convsmith.views.items import (
    Chain,
    Fork,
    Head,
    Item,
    Op,
    Part,
    Section,
    Tangle,
    Towers,
    is_entry,
    is_stage,
    output_of,
    rows_of,
)
from convsmith.views.tangles import counted, shared, size_of

FUSED: tuple[Category, ...] = ("normalisation", "activation", "regularisation")
"""Categories that join the layer before them in one node."""

FEWEST = 3
"""A tangle of fewer containers than this is taken apart one level deeper."""

LARGEST_STAGE, LARGEST_MIXED = 4, 2
"""A container of more blocks than this gets no frame of its own, so that columns can break inside it; the second number
is for blocks with other layers between them.
"""


def structure(graph: Graph, *, expand: bool = False) -> tuple[Chain, tuple[Head, ...]]:
    """The network from its input to its output, and its auxiliary heads; `expand` draws equal blocks one by one."""
    finder = _Finder(graph, expand)
    trunk = finder.grouped(finder.chain(graph.output, INPUT), "")
    heads = (Head(path, finder.sources[path], finder.chain(end, finder.sources[path])) for path, end in graph.taps)
    return (Op(), *finder.halved(trunk)), tuple(head for head in heads if head.items)


@dataclass(frozen=True)
class _Finder:
    graph: Graph
    expand: bool = False

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
        """Layers by container below the path that all of them share; equal neighbours are counted."""
        ops = [tuple(rows_of(item)) for item in self._fused(tuple(Op((row,)) for row in sorted(rows)))]
        paths = [_parent(self.graph.rows[op[0]].path).split(".") for op in ops]
        entry = [is_entry(self.graph.rows[op[0]].node) for op in ops]
        depth = shared([path for path, enters in zip(paths, entry, strict=True) if not enters])
        while len({*(tuple(path[: depth + 1]) for path in paths)}) < FEWEST and any(
            path[depth + 1 :] for path in paths
        ):
            depth += 1  # a list of modules alone is no part
        names = [".".join(path[: depth + 1]) if path[depth:] else "" for path in paths]
        found: list[Part] = []
        home: dict[int, int] = {}
        for _, group in groupby(zip(ops, names, strict=True), lambda one: one[1] or one[0]):
            together = list(group)
            inside = [row for op, _ in together for row in op]
            reads = dict.fromkeys(i for row in inside for i in self.graph.rows[row].inputs if i not in inside)
            sources = tuple(dict.fromkeys(home.get(i, -1) for i in reads))
            home |= dict.fromkeys(inside, len(found))
            path = together[0][1] or self.graph.rows[inside[0]].path
            found.append(Part(path, path, tuple(inside), sources, tuple(inside)))
        return Tangle(tuple(found if self.expand else counted(self.graph, found, self._row)), tuple(sorted(rows)))

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
        joins = here.node.category in FUSED or (
            isinstance(here.node, Foreign) and self._reshapes((row, *rows_of(last)))
        )
        return near and joins and self._readers[before] == 1

    def _reshapes(self, rows: tuple[int, ...]) -> bool:
        """Whether these only move numbers, as an import's long rows of reshape and permute do."""
        nodes = [self.graph.rows[row].node for row in rows]
        return all(node.category == "shape" and not is_entry(node) for node in nodes)

    def grouped(self, items: Chain, prefix: str) -> Chain:
        """Items by container below `prefix`; equal neighbours are counted, containers of mere layers dissolved."""
        out: list[Item] = []
        for name, group in groupby(items, lambda item: self._segment(item, prefix)):
            if name:
                self._add(out, self._section(tuple(group), under(prefix, name)))
            else:
                out += (self._forked(item) if isinstance(item, Fork) else item for item in group)
        out = out if self.expand else self._paired(out)
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
        if any(isinstance(item, Op) for item in inner):
            inner = self._unframed(inner)
        return Section(path, path, inner)

    def _unframed(self, items: Chain) -> Chain:
        """Items without the frames that say nothing: of numbered gates and of what torchvision calls `block`."""
        return tuple(inner for item in items for inner in (_contents(item) if self._is_nameless(item) else (item,)))

    def _is_nameless(self, item: Item) -> bool:
        if not isinstance(item, Section) or item.repeat > 1:
            return False
        name, (first, *more) = item.path.rpartition(".")[2], item.items
        gate = isinstance(first, Fork) and isinstance(self.graph.rows[first.join].node, Mul) and not more
        return name == "block" or (name.isdecimal() and gate)

    def _add(self, out: list[Item], new: Section) -> None:
        last = out[-1] if out else None
        if isinstance(last, Section) and not self.expand and self._key(last.items) == self._key(new.items):
            out[-1] = replace(last, last=new.path, repeat=last.repeat + 1, ends=tuple(rows_of(new)))
        else:
            out.append(new)

    def _paired(self, items: list[Item]) -> list[Item]:
        """Two blocks in turn, as Swin's with and without shifted windows, become one stage that is repeated."""
        keys = [self._key((item,)) if _is_single(item) else None for item in items]
        out: list[Item] = []
        at = 0
        while at < len(items):
            pair, end = keys[at : at + 2], at + 2
            differ = None not in pair and len({*pair}) == 2
            while differ and keys[end : end + 2] == pair:
                end += 2
            first, last = items[at], items[min(end, len(items)) - 1]
            if end > at + 2 and isinstance(first, Section) and isinstance(last, Section):
                ends = tuple(row for item in items[end - 2 : end] for row in rows_of(item))
                out.append(Section(first.path, last.path, tuple(items[at : at + 2]), (end - at) // 2, ends))
                at = end
            else:
                out.append(first)
                at += 1
        return out

    def halved(self, trunk: Chain) -> Chain:
        """Plain layers from the first convolution to the last image become towers, if two of them have two groups."""
        nodes = [self.graph.rows[item.rows[0]].node if isinstance(item, Op) and item.rows else None for item in trunk]
        convs = [i for i, node in enumerate(nodes) if isinstance(node, Conv)]
        groups = [node.groups for node in nodes if isinstance(node, Conv)]
        if groups.count(2) < 2 or {*groups} - {1, 2} or groups[0] != 1:
            return trunk
        end = convs[-1] + 1
        while end < len(trunk) and getattr(nodes[end], "category", "") == "pooling":
            end += 1
        ops = tuple(item for item in trunk[convs[0] : end] if isinstance(item, Op))
        even = all(self.graph.rows[row].out.channels % 2 == 0 for op in ops for row in op.rows)
        if len(ops) < end - convs[0] or not even or self.graph.taps:
            return trunk
        return (*trunk[: convs[0]], Towers(ops), *trunk[end:])

    def _forked(self, fork: Fork) -> Fork:
        prefix, branches = _parent(self.graph.rows[fork.join].path), []
        for branch in fork.branches:
            inner = self.grouped(branch, prefix)
            alone = inner[0] if len(inner) == 1 else None
            inner = alone.items if isinstance(alone, Section) and alone.repeat == 1 else inner
            branches.append(self._unframed(inner))
        return replace(fork, branches=tuple(branches))

    def _key(self, items: Chain) -> tuple[object, ...]:
        """Equal for items of equal structure, layers and image sizes; mere layers must be equal in channels, too."""
        plain = all(isinstance(item, Op) for item in items)
        return tuple(
            (item.repeat, self._key(item.items)) if isinstance(item, Section)
            else (
                type(item), *(self._row(row, plain) for row in rows_of(item)), *map(len, getattr(item, "branches", ()))
            )
            for item in items
        )  # fmt: skip

    def _row(self, index: int, channels: bool = False) -> tuple[object, ...]:
        row = self.graph.rows[index]
        heads = tuple(path for path, source in self.sources.items() if source == index)
        node = replace(row.node, rate=0.0) if isinstance(row.node, DropPath) else row.node
        sigs = (*self.graph.sigs(row), row.out)
        return node, tuple(sig.shape if channels else size_of(sig) for sig in sigs), heads


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _is_block(item: Item) -> bool:
    return isinstance(item, Section) and (item.repeat > 1 or any(not isinstance(inner, Op) for inner in item.items))


def _is_single(item: Item) -> bool:
    return _is_block(item) and isinstance(item, Section) and item.repeat == 1


def _contents(item: Item) -> Chain:
    return item.items if isinstance(item, Section) else (item,)


def _dissolves(item: Item, framed: bool) -> bool:
    """A container without frame: layers that are no numbered block, stages, or more blocks than a stage has."""
    if not isinstance(item, Section) or item.repeat > 1:
        return False
    if not _is_block(item):
        return len(item.items) == 1 or not (framed and item.path.rpartition(".")[2].isdecimal())
    most = LARGEST_STAGE if is_stage(item) else LARGEST_MIXED
    return sum(isinstance(inner, Section) for inner in item.items) > most or any(map(is_stage, item.items))
