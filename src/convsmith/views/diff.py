"""What changed between two networks, layer by layer.

Rows are paired by `convsmith.views.alignment`. A pair is `equal`; `changed` (it was told other things, is another kind
of layer, or reads other layers); or `resized`: the same layer on an input of another size or width, which is what a
change further up does to everything below it. Rows without partner are `added` or `removed`, and some have `moved`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from convsmith.spec.nodes.joins import Add
from convsmith.spec.trace import INPUT, Graph, Row
from convsmith.views.alignment import Pair, align, settings
from convsmith.views.cost import cost
from convsmith.views.figures import depth

Status = Literal["equal", "resized", "changed", "moved", "added", "removed"]
Changes = tuple[tuple[str, Any, Any], ...]
"""(field, in A, in B)"""

COUNTED = ("params", "macs", "ops", "activations", "conv_activations", "in_place_activations", "weight_bytes")


class Line(NamedTuple):
    """One layer in both networks: what it was told otherwise, if anything. One of `a` and `b` may be None."""

    status: Status
    a: Row | None
    b: Row | None
    changes: Changes = ()

    @property
    def row(self) -> Row:
        """The row in B, or where it was removed in A."""
        row = self.b or self.a
        assert row is not None  # a pair has one side at least
        return row

    @property
    def renamed(self) -> bool:
        """Whether both networks have the layer, by different paths."""
        return self.a is not None and self.b is not None and self.a.path != self.b.path

    def plain(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        changes = {field: [_data(before), _data(after)] for field, before, after in self.changes}
        return {"status": self.status, "changes": changes, "a": _row(self.a), "b": _row(self.b)}


class Summary(NamedTuple):
    """One change and all layers that share it: `word` is the last name of their paths, or their kind."""

    status: Status
    word: str
    changes: Changes
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Diff:
    """Two graphs and their lines, in the order of `b`."""

    a: Graph
    b: Graph
    lines: tuple[Line, ...]

    @property
    def same(self) -> bool:
        """Whether nothing but names differs."""
        return all(line.status == "equal" for line in self.lines)

    @cached_property
    def counts(self) -> dict[Status, int]:
        """Lines of each status."""
        found: dict[Status, int] = dict.fromkeys(("equal", "resized", "changed", "moved", "added", "removed"), 0)
        for line in self.lines:
            found[line.status] += 1
        return found

    @cached_property
    def renamed(self) -> int:
        """Layers that both have by different paths."""
        return sum(line.renamed for line in self.lines)

    @cached_property
    def summary(self) -> tuple[Summary, ...]:
        """Equal changes gathered, in order of their first layer."""
        found: dict[tuple[Status, str, Changes], list[str]] = {}
        for status, a, b, changes in self.lines:
            if status in ("equal", "resized"):
                continue
            row = b or a
            assert row is not None
            name = row.path.rpartition(".")[2]
            word = row.kind if name.isdecimal() else name if row.kind in name else f"{name} ({row.kind})"
            found.setdefault((status, word, changes), []).append(row.path)
        return tuple(Summary(status, word, changes, tuple(paths)) for (status, word, changes), paths in found.items())

    @cached_property
    def totals(self) -> tuple[tuple[str, int, int], ...]:
        """(quantity, in A, in B) of one image: those of `Cost` without auxiliary heads, and the depth."""
        costs = cost(self.a), cost(self.b)
        counted = [(name, getattr(costs[0], name), getattr(costs[1], name)) for name in COUNTED]
        return (*counted, ("depth", depth(self.a), depth(self.b)))

    def plain(self) -> dict[str, Any]:
        """Plain data, for JSON: every line, and above them what they come to."""
        return {
            "a": {"name": self.a.name, "input": list(self.a.input.shape)},
            "b": {"name": self.b.name, "input": list(self.b.input.shape)},
            "same": self.same,
            "counts": self.counts,
            "renamed": self.renamed,
            "totals": {name: [before, after] for name, before, after in self.totals},
            "summary": [
                {"status": status, "word": word, "paths": list(paths)}
                | {"changes": {field: [_data(before), _data(after)] for field, before, after in changes}}
                for status, word, changes, paths in self.summary
            ],
            "lines": [line.plain() for line in self.lines],
        }


def diff(a: Graph, b: Graph) -> Diff:
    """What `b` has otherwise than `a`. Auxiliary heads are compared too, and are in no total.

    >>> from convsmith import trace
    >>> diff(trace("resnet50_paper"), trace("resnet50")).summary[0]
    Summary(status='changed', word='conv1', changes=(('stride', 2, 1),), \
paths=('layer2.0.conv1', 'layer3.0.conv1', 'layer4.0.conv1'))
    """
    pairs = align(a, b)
    reads = _Reads(a, b, pairs)
    return Diff(a, b, tuple(_line(a, b, pair, reads) for pair in pairs))


def _line(a: Graph, b: Graph, pair: Pair, reads: _Reads) -> Line:
    if pair.a is None or pair.b is None:
        here = None if pair.a is None else a.rows[pair.a]
        return Line("added" if here is None else "removed", here, None if pair.b is None else b.rows[pair.b])
    one, other = a.rows[pair.a], b.rows[pair.b]
    changes = _told(one, other)
    if pair.moved:
        return Line("moved", one, other, (*changes, ("after", _before(a, one), _before(b, other))))
    if not reads.alike(pair.a, pair.b):
        changes += (("reads", _before(a, one), _before(b, other)),)
    if changes:
        return Line("changed", one, other, changes)
    sized = [
        (row.out.shape, row.facts.weights and row.facts.params, row.facts.macs, row.facts.ops) for row in (one, other)
    ]
    same = sized[0] == sized[1] and [s.shape for s in a.sigs(one)] == [s.shape for s in b.sigs(other)]
    return Line("equal" if same else "resized", one, other)


def _told(one: Row, other: Row) -> Changes:
    if type(one.node) is not type(other.node):
        return (("kind", one.kind, other.kind),)
    told, told2 = settings(one), settings(other)
    return tuple((field, value, told2[field]) for field, value in told.items() if value != told2[field])


def _before(graph: Graph, row: Row) -> str:
    return ", ".join("input" if i == INPUT else graph.rows[i].path for i in row.inputs)


class _Reads:
    """Whether two paired rows read the same layers: whatever has no partner, or has moved, is looked through."""

    def __init__(self, a: Graph, b: Graph, pairs: Iterable[Pair]) -> None:
        kept = [pair for pair in pairs if pair.a is not None and pair.b is not None and not pair.moved]
        self._partner: dict[int | None, int | None] = {pair.a: pair.b for pair in kept} | {INPUT: INPUT}
        self._a, self._b = a, b
        self._known = set(self._partner), set(self._partner.values())

    def alike(self, one: int, other: int) -> bool:
        found = [self._partner[self._source(self._a, 0, i)] for i in self._a.rows[one].inputs]
        found2: list[int | None] = [self._source(self._b, 1, i) for i in self._b.rows[other].inputs]
        if isinstance(self._b.rows[other].node, Add):
            return sorted(map(_number, found)) == sorted(map(_number, found2))
        return found == found2

    def _source(self, graph: Graph, side: int, index: int) -> int:
        while index not in self._known[side]:
            index = graph.rows[index].inputs[0]
        return index


def _number(index: int | None) -> int:
    return INPUT if index is None else index


def _row(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    told = {field: _data(value) for field, value in settings(row).items()}
    numbers = {"params": row.facts.params, "macs": row.facts.macs, "ops": row.facts.ops}
    return {"path": row.path, "kind": row.kind, "out": list(row.out.shape)} | numbers | {"settings": told}


def _data(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_data(item) for item in value]
    return value if isinstance(value, int | float | str | None) else str(value)
