"""Where a network can be parted from the image to its head: stages of one map size, as transfer learning thaws them."""

from __future__ import annotations

from typing import NamedTuple

from convsmith.spec.errors import SpecError
from convsmith.spec.signature import Pair
from convsmith.spec.trace import INPUT, Graph
from convsmith.views.reading import places

WEIGHTED = ("convolution", "linear")


class Stage(NamedTuple):
    """Rows that lie one behind the other; `name` is what their layers with weights have in common: `layer3`."""

    name: str
    rows: tuple[int, ...]


def trunk(graph: Graph) -> set[int]:
    """Rows that no path from the image to the output leads past."""
    rows = [(index, row) for index, row in enumerate(graph.rows) if row.tap is None]
    reader = {source: index for index, row in rows for source in row.inputs}  # the last one stays
    found, reach = set(), reader[INPUT]
    for index, _ in rows:
        if reach <= index:
            found.add(index)
        reach = max(reach, reader.get(index, 0))
    return found


def stages(graph: Graph) -> tuple[Stage, ...]:
    """The stages in their order; the last is the head: the last layer with weights, a dropout before it, what follows.

    A block belongs to the stage of the map that it puts out; pools, and all else without weights, to the one before.
    Auxiliary heads count to the head, as they are made for classes, too. In a network whose blocks all read two before
    (NASNet), nothing but a stem and a head can be parted. Raises SpecError without a layer of weights.
    """
    head = head_row(graph)
    found: list[list[int]] = []
    size: Pair | None = None
    for unit in _units(graph, head):
        own = places(graph.rows[unit[-1]].out)
        weighted = any(graph.rows[i].facts.weights for i in unit)
        if not found or (weighted and size is not None and own != size):
            begun = _begun(graph, unit[0], own, found[-1]) if found else []
            found = [*found[:-1], found[-1][: len(found[-1]) - len(begun)], begun] if found else [[]]
        found[-1] += unit
        size = own if weighted else size
    last = [*range(head, len(graph.rows)), *(i for i in range(head) if graph.rows[i].tap is not None)]
    return tuple(Stage(_name(graph, rows), tuple(rows)) for rows in (*found, sorted(last)))


def _begun(graph: Graph, row: int, size: Pair, before: list[int]) -> list[int]:
    """The rows of the stage before in which a block began that ends at the new size."""
    weighted = next((i for i in before if graph.rows[i].facts.weights), row)
    path = graph.rows[row].path.split(".")
    for depth in range(1, len(path)):
        inside = [i for i, other in enumerate(graph.rows) if other.path.split(".")[:depth] == path[:depth]]
        if inside[0] > weighted and places(graph.rows[inside[-1]].out) == size:
            return [i for i in before if i >= inside[0]]
    return []


def head_row(graph: Graph) -> int:
    """Where the head begins: the last convolution or linear layer on the way to the output, or a dropout before it.

    Raises SpecError if there is no such layer.
    """
    for index in range(graph.output, -1, -1):
        row = graph.rows[index]
        if row.tap is None and row.node.category in WEIGHTED and row.facts.weights:
            while index and row.inputs == (index - 1,) and graph.rows[index - 1].kind == "dropout":
                index, row = index - 1, graph.rows[index - 1]
            return index
    raise SpecError(f"{graph.name} has no layer with weights, and so no head")


def _units(graph: Graph, head: int) -> list[list[int]]:
    """The rows before the head, cut behind each row of the trunk."""
    always, units = trunk(graph), list[list[int]]()
    unit: list[int] = []
    for index in range(head):
        if graph.rows[index].tap is not None:
            continue
        unit.append(index)
        if index in always:
            units.append(unit)
            unit = []
    return [*units, unit] if unit else units


def _name(graph: Graph, rows: list[int]) -> str:
    """The first and the last of its modules, as high up as no row of another stage lies in them."""
    inside, named = set(rows), _named(graph, rows)
    others = {
        ".".join(path[:depth])
        for i, row in enumerate(graph.rows)
        if i not in inside
        for path in [row.path.split(".")]
        for depth in range(1, len(path) + 1)
    }
    ends = []
    for path in (graph.rows[named[0]].path.split("."), graph.rows[named[-1]].path.split(".")):
        prefixes = [".".join(path[:depth]) for depth in range(1, len(path) + 1)]
        ends.append(next((prefix for prefix in prefixes if prefix not in others), prefixes[-1]))
    return " to ".join(dict.fromkeys(ends))


def _named(graph: Graph, rows: list[int]) -> list[int]:
    """The rows with weights that lie on the way, if there are some; else all."""
    weighted = [i for i in rows if graph.rows[i].facts.weights and graph.rows[i].tap is None]
    return weighted or rows
