"""Which layer of one network is which of another: the pairing of two graphs' rows that explains the most."""

from __future__ import annotations

from dataclasses import fields as fields_of
from difflib import SequenceMatcher
from typing import Any, NamedTuple, cast

from convsmith.spec.node import Category
from convsmith.spec.trace import Graph, Row

LARGEST_TABLE = 3_000_000
"""More pairs of rows than this are not weighed one by one; rows of one path are then pinned to each other first."""

ONE_KIND: tuple[Category, ...] = ("shape", "join")
"""Categories in which only layers of one kind are compared: a flattening is no other shuffle."""


class Pair(NamedTuple):
    """Indices into the rows of both graphs; None where the other graph has no such layer."""

    a: int | None
    b: int | None
    moved: bool = False


def align(a: Graph, b: Graph) -> tuple[Pair, ...]:
    """Every row of both graphs once, in `b`'s order; rows that `a` alone has stand where they were.

    Pairs keep their order, except those that `moved`: same path, same kind, another place. Of all pairings the one
    with the highest sum of `_likeness` and likeness of paths is taken: names count most, then kind, settings, width.
    """
    pairs: list[Pair] = []
    at = (0, 0)
    for i, j in [*_pins(a, b), (len(a.rows), len(b.rows))]:
        pairs += _between(a, b, range(at[0], i), range(at[1], j))
        if i < len(a.rows):
            pairs.append(Pair(i, j))
        at = (i + 1, j + 1)
    return tuple(_moved(a, b, pairs))


def settings(row: Row) -> dict[str, Any]:
    """What a layer is told, by field: `{"out": 64, "kernel": 7, "stride": 2, "pad": 3, ...}`.

    Pairs of equal numbers are one number. Padding and stride that follow from the kernel are worked out, so that two
    ways to say one layer are equal.
    """
    found = {field.name: _plain(getattr(row.node, field.name)) for field in fields_of(cast(Any, row.node))}
    if found.get("stride", 1) is None:
        found["stride"] = found["kernel"]
    if found.get("pad", 0) is None and row.facts.window is not None:
        found["pad"] = _plain(row.facts.window.pad)
    return found


def _plain(value: Any) -> Any:
    """A pair of equal numbers as one, four paddings as two where they agree."""
    if isinstance(value, tuple) and len(value) == 4 and value[0] == value[1] and value[2] == value[3]:
        value = (value[0], value[2])
    return value[0] if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1] else value


def _pins(a: Graph, b: Graph) -> list[tuple[int, int]]:
    """Pairs that are settled: equal rows at both ends, and in large graphs rows of one path and kind in one order."""
    keys = [[(row.path, type(row.node), *_traits(row)) for row in graph.rows] for graph in (a, b)]
    start, least = 0, min(map(len, keys))
    while start < least and keys[0][start] == keys[1][start]:
        start += 1
    end = 0
    while end < least - start and keys[0][-1 - end] == keys[1][-1 - end]:
        end += 1
    sizes = [len(rows) - start - end for rows in keys]
    middle: list[tuple[int, int]] = []
    if sizes[0] * sizes[1] > LARGEST_TABLE:
        one, other = (
            [(row.path, type(row.node)) for row in graph.rows[start : start + size]]
            for graph, size in zip((a, b), sizes, strict=True)
        )
        blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
        middle = [(start + i + k, start + j + k) for i, j, size in blocks for k in range(size)]
    first = [(i, i) for i in range(start)]
    return first + middle + [(len(keys[0]) - k, len(keys[1]) - k) for k in range(end, 0, -1)]


def _between(a: Graph, b: Graph, left: range, right: range) -> list[Pair]:
    """The best pairing of two stretches, by the table of all pairs of their beginnings (Needleman & Wunsch 1970)."""
    if not left or not right:
        return [*(Pair(i, None) for i in left), *(Pair(None, j) for j in right)]
    rows = [_Traits.of(a.rows[i]) for i in left]
    cols = [_Traits.of(b.rows[j]) for j in right]
    known: dict[tuple[Any, ...], int] = {}
    best, ways = [0] * (len(cols) + 1), []
    for one in rows:
        line, way = [0], bytearray(len(cols) + 1)
        for j, other in enumerate(cols):
            key = (one.look, other.look)
            like = known.get(key)
            if like is None:
                like = known[key] = _likeness(one, other)
            if like:
                # a path that ends in a number says no more than where a layer stands
                like += (8 if one.name else 1) if one.path == other.path else 2 if one.name == other.name != "" else 0
            up, back, over = best[j + 1], line[j], (best[j] + like if like else -1)
            if over > up and over > back:  # where it makes no difference, the earlier partner
                line.append(over)
                way[j + 1] = 2
            elif up > back:
                line.append(up)
                way[j + 1] = 1
            else:
                line.append(back)
        best = line
        ways.append(way)
    return _back(ways, left, right)


def _back(ways: list[bytearray], left: range, right: range) -> list[Pair]:
    pairs, i, j = [], len(left), len(right)
    while i or j:
        way = 1 if not j else 0 if not i else ways[i - 1][j]
        pairs.append(Pair(left[i - 1] if way else None, right[j - 1] if way != 1 else None))
        i, j = i - (way > 0), j - (way != 1)
    return pairs[::-1]


class _Traits(NamedTuple):
    """By what a row is recognised: its path and the path's last name, and what it looks like."""

    path: str
    name: str
    look: tuple[Any, ...]

    @classmethod
    def of(cls, row: Row) -> _Traits:
        name = row.path.rpartition(".")[2]
        return cls(row.path, "" if name.isdecimal() else name, (type(row.node), row.node.category, *_traits(row)))


def _traits(row: Row) -> tuple[Any, ...]:
    out = row.out
    return (
        tuple(settings(row).items()),
        row.facts.params,
        out.channels,
        out.stride,
        (out.flat, out.rows * out.cols == 1),
    )


def _likeness(one: _Traits, other: _Traits) -> int:
    """How alike two layers are, whatever their paths; 0 for layers that are not to be compared."""
    kind, category, told, params, width, stride, form = one.look
    kind2, category2, told2, params2, width2, stride2, form2 = other.look
    if category != category2 or (kind != kind2 and category in ONE_KIND):
        return 0
    points = (
        (kind == kind2, 3), (kind == kind2 and told == told2, 3), (params == params2, 1), (width == width2, 2),
        (stride == stride2, 1), (form == form2, 3),
    )  # fmt: skip
    return 1 + sum(worth for agrees, worth in points if agrees)


def _moved(a: Graph, b: Graph, pairs: list[Pair]) -> list[Pair]:
    """Rows of one path and kind that stand without partner in both graphs are partners that moved."""
    gone = {(a.rows[p.a].path, type(a.rows[p.a].node)): p.a for p in pairs if p.a is not None and p.b is None}
    came = {(b.rows[p.b].path, type(b.rows[p.b].node)): p.b for p in pairs if p.b is not None and p.a is None}
    both = {key: gone[key] for key in came if key in gone}
    left = set(both.values())
    found = []
    for pair in pairs:
        if pair.b is None and pair.a in left:
            continue
        if pair.a is None and pair.b is not None:
            row = b.rows[pair.b]
            at = both.get((row.path, type(row.node)))
            pair = Pair(at, pair.b, moved=at is not None)
        found.append(pair)
    return found
