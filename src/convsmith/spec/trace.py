"""The one trace: a description and an input signature become a `Graph`, from which everything else is read.

Only this file walks a description, and only leaves know their shapes. Equal leaves on equal inputs are asked once, and
equal blocks on equal inputs are walked once.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.nodes.geometry import TooSmall
from convsmith.spec.signature import Pair, Sig, positive_sides, positive_size
from convsmith.spec.widths import Scope

if TYPE_CHECKING:
    from convsmith.spec.node import Facts, Join, Layer, Leaf

INPUT = -1
"""Index that stands for the network's input in `Row.inputs`."""

LARGEST_SIDE = 4096


class At(NamedTuple):
    """Where the signal stands while tracing: the row that made it, and its signature."""

    row: int
    sig: Sig


class Row(NamedTuple):
    """One operation: `path` in the module tree, the leaf with its widths resolved, the rows it reads, and its facts.

    `tap` is the path of the auxiliary head that the row belongs to, or None for the network itself.
    """

    path: str
    node: Leaf
    inputs: tuple[int, ...]
    facts: Facts
    tap: str | None = None

    @property
    def kind(self) -> str:
        """The leaf's word in tables: conv, relu, add, ..."""
        return self.node.label

    @property
    def out(self) -> Sig:
        """Signature of the output."""
        return self.facts.out


@dataclass(frozen=True)
class Graph:
    """A traced network: plain data, no weights, no torch. `rows` are in execution order.

    `output` is the index of the row that holds the logits, `taps` the auxiliary outputs by path.
    """

    input: Sig
    rows: tuple[Row, ...]
    output: int
    taps: tuple[tuple[str, int], ...] = ()
    name: str = ""

    def sigs(self, row: Row) -> tuple[Sig, ...]:
        """Signatures of a row's inputs."""
        return tuple(self.input if index == INPUT else self.rows[index].facts.out for index in row.inputs)

    @cached_property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        """State-dict key -> shape, buffers included, in the order of rows (torch puts bare parameters first)."""
        return {w.key(row.path): w.shape for row in self.rows for w in row.facts.weights}


_new = tuple.__new__
"""Makes a named tuple in half the time of its constructor; a trace makes thousands."""


class Tracer:
    """Collects rows while nodes flow."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.taps: list[tuple[str, int]] = []
        self._tap: str | None = None
        self._known: dict[Any, tuple[Leaf, Facts]] = {}
        self._parts: dict[Any, tuple[int, int, int, At]] = {}

    def part(self, node: Node, at: At, path: str, scope: Scope) -> At:
        """Let a part of the description flow; where it did so before on an equal input, its rows are copied."""
        key = (id(node), at.sig, scope)
        known = self._parts.get(key)
        if known is None:
            start, taps = len(self.rows), len(self.taps)
            end = node.flow(self, at, path, scope)
            if path and len(self.taps) == taps:  # an auxiliary head is noted elsewhere, too
                self._parts[key] = (start, len(self.rows), len(path), end)
            return end
        start, stop, cut, end = known
        rows, tap, entry, shift = self.rows, self._tap, at.row, len(self.rows) - start
        for old, leaf, inputs, facts, _ in rows[start:stop]:
            reads = tuple([i + shift if i >= start else entry for i in inputs])
            rows.append(_new(Row, (path + old[cut:], leaf, reads, facts, tap)))
        return At(end.row + shift if end.row >= start else entry, end.sig)

    def layer(self, node: Layer, at: At, path: str, scope: Scope) -> At:
        """Append one layer's row."""
        key = (node, at.sig, scope) if node.relative else (node, at.sig)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._inferred(node, at.sig, path, scope)
        rows, (leaf, made) = self.rows, known
        rows.append(_new(Row, (path or node.kind, leaf, (at.row,), made, self._tap)))
        return _new(At, (len(rows) - 1, made.out))

    def _inferred(self, node: Layer, sig: Sig, path: str, scope: Scope) -> tuple[Leaf, Facts]:
        try:
            resolved = node.resolve(sig.channels, scope) if node.relative else node
            return resolved, resolved.infer(sig)
        except SpecError as error:
            raise type(error)(f"{path or node.kind}: {error}") from None

    def join(self, node: Join, ats: tuple[At, ...], path: str) -> At:
        """Append the row where branches meet."""
        key = (node, *[at.sig for at in ats])
        known = self._known.get(key)
        if known is None:
            try:
                known = node, node.infer(*(at.sig for at in ats))
            except ShapeError as error:
                where = path.rpartition(".")[0] or path
                raise ShapeError(f"{where}: {error}") from None
            self._known[key] = known
        self.rows.append(Row(path, node, tuple([at.row for at in ats]), known[1], self._tap))
        return At(len(self.rows) - 1, known[1].out)

    def tap(self, path: str, head: Node, at: At, scope: Scope) -> None:
        """Trace an auxiliary head whose output gets the name `path`."""
        if self._tap is not None:
            raise SpecError(f"{path}: an auxiliary head cannot stand inside another ({self._tap})")
        self._tap = path
        end = head.flow(self, at, path, scope)
        self._tap = None
        self.taps.append((path, end.row))


def trace(network: Network | Node, side: int | Pair | None = None, channels: int | None = None) -> Graph:
    """Every operation of a network on an image of `side` (or (rows, cols)) and `channels`.

    A `Network` brings its own input size as default; a bare node needs `side` and takes 3 channels.
    Raises SpecError on sizes below 1, ShapeError where sizes do not meet; its message begins with the layer's path
    and, for an image that is too small, ends with the smallest side that works.
    """
    name, body = "", network
    if isinstance(network, Network):
        name, body = network.name, network.body
        side = network.side if side is None else side
        channels = network.channels if channels is None else channels
    if side is None:
        raise SpecError("a description without an input size needs side=, in pixels")
    if not isinstance(body, Node):
        raise SpecError(f"a description is a node or a network, got {body!r}")
    rows, cols = positive_sides(side)
    start = Sig(positive_size("channels", 3 if channels is None else channels), rows, cols)
    return _trace(body, start, name)


def network_around(node: Node, side: int | Pair | None, channels: int | None) -> Network:
    """A network of this body, whose number of classes is what the node puts out. Raises as `trace` does."""
    graph = trace(node, side, channels)
    size = (graph.input.rows, graph.input.cols)
    return Network(node, size, graph.input.channels, graph.rows[graph.output].out.channels)


def _trace(body: Any, start: Sig, name: str) -> Graph:
    try:
        graph = _walk(body, start, name)
    except TooSmall as error:
        least = _smallest_side(body, start)
        remedy = f"the smallest side that works is {least}" if least else "no image size works"
        raise ShapeError(f"{error} ({start.rows}×{start.cols} at the input; {remedy})") from None
    if len({row.path for row in graph.rows}) < len(graph.rows):
        seen: set[str] = set()
        twice = next(row.path for row in graph.rows if row.path in seen or seen.add(row.path))  # type: ignore[func-returns-value]
        raise SpecError(f"{twice}: two layers have this path; give the branches or layers different names")
    return graph


def _walk(body: Any, start: Sig, name: str) -> Graph:
    tracer, collecting = Tracer(), gc.isenabled()
    gc.disable()  # thousands of small tuples and no cycle: the collector would take longer than the trace
    try:
        end = body.flow(tracer, At(INPUT, start), "", Scope())
    except RecursionError:
        raise SpecError("the description is nested too deeply") from None
    finally:
        if collecting:
            gc.enable()
    if not tracer.rows:
        raise SpecError("the description has no layer")
    return Graph(start, tuple(tracer.rows), end.row, tuple(tracer.taps), name)


def _smallest_side(body: Any, start: Sig) -> int | None:
    def works(side: int) -> bool:
        try:
            _walk(body, start._replace(rows=side, cols=side), "")
        except TooSmall:
            return False
        except SpecError:
            return True  # large enough for every window; what else is wrong is reported by itself
        return True

    low, high = 0, 1
    while not works(high):
        low, high = high, high * 2
        if high > LARGEST_SIDE:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def under(path: str, name: str) -> str:
    """`path.name`, where either may be empty."""
    return f"{path}.{name}" if path and name else path or name
