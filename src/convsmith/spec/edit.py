"""Descriptions changed by path: find a node, put another in its place. The given description stays as it is.

The paths are the trace's: a keyword is a segment, a position an index, a cell's step its name; `Residual`, `Branches`,
`Split`, `Gate`, `Chain` and `Tap` add no segment of their own, and what follows a residual's sum is `after`. A numbered
child keeps its number, so a layer that is taken out becomes `Identity`, which leaves no row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from convsmith.spec.cell import Cell, Step
from convsmith.spec.combinators import Branches, Chain, Children, Gate, Residual, Seq, Split, Tap
from convsmith.spec.errors import SpecError, UnknownName, nearest
from convsmith.spec.node import Leaf, Node
from convsmith.spec.trace import INPUT, Graph, under

PLACED = ("add", "concat", "mul", "drop_path")
"""Rows that combinators place: their joins, and a residual's stochastic depth."""

Change = Callable[[str, Node], Node]
Wiring = tuple[tuple[str, tuple[str, ...]], ...]


def walk(body: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every node with its path, outer ones first. A combinator may share its path with what it holds."""
    yield path, body
    for name, child in _below(body):
        yield from walk(child, under(path, name))


def at(body: Node, path: str) -> Node:
    """The outermost node at this path. Raises UnknownName, offering the nearest path."""
    for found, node in walk(body):
        if found == path:
            return node
    raise _unknown(body, path)


def replaced(body: Node, nodes: Mapping[str, Node]) -> Node:
    """The description with these nodes at these paths, each in the place of the outermost one there.

    Raises UnknownName for a path that no node has; SpecError where two nodes have it, or where it lies in a node that
    is replaced as well.
    """
    done: list[str] = []

    def change(path: str, node: Node) -> Node:
        if path not in nodes:
            return node
        done.append(path)
        return nodes[path]

    made = mapped(body, change)
    for path in nodes:
        if done.count(path) > 1:
            raise SpecError(f"{path}: two nodes have this path, parts that stand side by side; name a layer in them")
        if path not in done:
            if all(path != known for known, _ in walk(body)):
                raise _unknown(body, path)
            raise SpecError(f"{path}: it lies in a node that is replaced as well; leave one of the two out")
    return made


def mapped(body: Node, change: Change, path: str = "") -> Node:
    """Each node as `change(path, node)` gives it, outer ones first; what has been changed is not entered.

    What stays the same is the same value.
    """
    made = change(path, body)
    if made is not body:
        return made
    below = _below(body)
    children = [mapped(child, change, under(path, name)) for name, child in below]
    same = all(new is old for new, (_, old) in zip(children, below, strict=True))
    return body if same else _holding(body, children)


def with_leaves(body: Node, leaves: Mapping[str, Node]) -> Node:
    """The description with these nodes in the place of the layers at these paths, which are rows of its graph."""
    return mapped(body, lambda path, node: leaves.get(path, node) if isinstance(node, Leaf) else node)


def wiring(graph: Graph, without: Collection[str] = ()) -> Wiring:
    """Each row's path with the paths that it reads, as if the rows `without`, of one input each, were not there.

    Relative widths and residuals follow the channels, so another width could silently change what is connected: two
    graphs of one wiring have the same layers, joined alike.
    """
    names = {INPUT: "input"}
    for index, row in enumerate(graph.rows):
        names[index] = names[row.inputs[0]] if row.path in without else row.path
    ends = (graph.output, *(row for _, row in graph.taps))
    rows = [(row.path, tuple(names[i] for i in row.inputs)) for row in graph.rows if row.path not in without]
    return (*rows, ("outputs", tuple(names[i] for i in ends)))


def _below(node: Node) -> Children:
    """What a node holds, each with its path segment."""
    if isinstance(node, Seq | Branches | Split | Chain):
        return node.children
    if isinstance(node, Residual):
        shortcut = () if node.shortcut is None else (("", node.shortcut),)
        return (("", node.body), *shortcut, ("after", node.after))
    if isinstance(node, Gate):
        return (("", node.body),)
    if isinstance(node, Tap):
        return (("", node.head),)
    return tuple((name, step.node) for name, step in node.steps) if isinstance(node, Cell) else ()


def _holding(node: Node, children: Sequence[Node]) -> Node:
    """The node with other children, in the order of `_below`."""
    if isinstance(node, Residual):
        shortcut = None if node.shortcut is None else children[1]
        return replace(node, body=children[0], shortcut=shortcut, after=children[-1])
    if isinstance(node, Gate | Tap):
        return type(node)(children[0])
    if isinstance(node, Cell):
        pairs = zip(node.steps, children, strict=True)
        steps = {name: Step(child, *step.sources, join=step.join) for (name, step), child in pairs}
        return Cell(node.inputs, out=node.out, **steps)
    assert isinstance(node, Seq | Branches | Split | Chain)  # nothing else holds nodes
    named = tuple((name, child) for (name, _), child in zip(node.children, children, strict=True))
    if isinstance(node, Seq):
        return Seq.of(named)
    if isinstance(node, Chain):
        return Chain(*children)
    return type(node)(*(c for name, c in named if not name), **{name: c for name, c in named if name})


def _unknown(body: Node, path: str) -> UnknownName:
    known = dict.fromkeys(found for found, _ in walk(body) if found)
    block, _, name = path.rpartition(".")
    if block in known and name in PLACED:
        return UnknownName(
            f"{path}: this row is placed by the block {block!r} and is no node of its own; name the block"
        )
    return UnknownName(f"{path}: no node of the description has this path{nearest(path, known)}")
