"""One container of a graph as a graph of its own: what a close-up draws."""

from __future__ import annotations

from convsmith.spec.errors import UnknownName, nearest
from convsmith.spec.node import facts
from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.trace import INPUT, Graph, Row
from convsmith.views.items import ENTRY


def part(graph: Graph, path: str) -> Graph:
    """The rows at `path` and below, reading the input where they read what lies outside.

    Where they read several things from outside, each is a row of its own, which costs nothing. The output is the last
    row that is read from outside. Raises UnknownName if nothing is at this path.

    >>> from convsmith import spec, trace
    >>> [row.path for row in part(trace(spec("resnet18")), "layer1.0").rows][-1]
    'layer1.0.relu_2'
    """
    inside = [i for i, row in enumerate(graph.rows) if row.path == path or row.path.startswith(f"{path}.")]
    if not inside:
        known = dict.fromkeys(name for row in graph.rows for name in _above(row.path))
        raise UnknownName(f"{graph.name or 'the network'} has nothing at {path!r}{nearest(path, list(known))}")
    kept = set(inside)
    outside = list(dict.fromkeys(i for index in inside for i in graph.rows[index].inputs if i not in kept))
    entries = outside if len(outside) > 1 else []
    place = {i: number for number, i in enumerate(entries)} or dict.fromkeys(outside, INPUT)
    rows = [_entry(graph, i) for i in entries]
    for index in inside:
        place[index] = len(rows)
        row = graph.rows[index]
        rows.append(row._replace(inputs=tuple(place[i] for i in row.inputs)))
    read = {i for index, row in enumerate(graph.rows) if index not in kept for i in row.inputs}
    ends = [i for i in inside if i in read or i == graph.output]
    first = outside[0]
    start = graph.input if entries or first == INPUT else graph.rows[first].out
    name = f"{graph.name} · {path}" if graph.name else path
    taps = tuple((head, place[end]) for head, end in graph.taps if end in kept and head != path)
    return Graph(start, tuple(rows), place[(ends or inside)[-1]], taps, name)


def _above(path: str) -> list[str]:
    names = path.split(".")
    return [".".join(names[: end + 1]) for end in range(len(names))]


def _entry(graph: Graph, index: int) -> Row:
    """A row that stands for the output of another part of the network."""
    name = "input" if index == INPUT else graph.rows[index].path.removesuffix(".concat").removesuffix("_concat")
    sig = graph.input if index == INPUT else graph.rows[index].out
    return Row(f"from {name}", Foreign(f"from {name}", "shape", ENTRY), (INPUT,), facts((), sig))
