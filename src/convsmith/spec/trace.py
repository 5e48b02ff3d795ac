"""The one trace: a description and an input signature become a `Graph`, from which everything else is read.

Only this file walks a description, and only leaves know their shapes. A trace is a walk through moves: from a
signature, by a leaf, to the signature that the leaf makes of it. Each move is worked out once, and a block that has
flowed before on an equal input is copied. Nothing is kept when a trace ends.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.nodes.geometry import TooSmall
from convsmith.spec.signature import Pair, Sig, positive_sides, positive_size
from convsmith.spec.widths import Scope

if TYPE_CHECKING:
    from convsmith.spec.node import Category, Facts, Join, Layer, Leaf

    Steps = Sequence[tuple[str, Node, int]]  # name, node, and one of the four below
    Signal = tuple[Sig, dict[Any, Any]]  # a signature and the moves known from there, by the leaf's identity
    Move = tuple[Facts, Leaf, Signal]  # what the leaf makes of the signature, and where that leads

INPUT = -1
"""Index that stands for the network's input in `Row.inputs`."""

LARGEST_SIDE = 4096


class At(NamedTuple):
    """Where the signal stands while tracing: the row that made it, its signature, and the moves known from there."""

    row: int
    sig: Sig
    moves: dict[Any, Any] | None = None


class Row(NamedTuple):
    """One operation: `path` in the module tree, the leaf with its widths resolved, the rows it reads, and its facts.

    `tap` is the path of the auxiliary head that the row belongs to, or None for the network itself. Numbers are for one
    image.
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
    def category(self) -> Category:
        """The kind of work that it is."""
        return self.node.category

    @property
    def out(self) -> Sig:
        """Signature of the output."""
        return self.facts.out

    @property
    def params(self) -> int:
        """Trained values."""
        return self.facts.params

    @property
    def buffers(self) -> int:
        """Values that are not trained (running statistics)."""
        return self.facts.buffers

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions, linear layers and matrix products."""
        return self.facts.macs

    @property
    def ops(self) -> int:
        """Element-wise, normalisation and pooling operations."""
        return self.facts.ops

    @property
    def activations(self) -> int:
        """Elements of the output."""
        return self.facts.activations

    @property
    def reads(self) -> int:
        """Elements of the inputs."""
        return sum([sig.elements for sig in self.facts.entering])


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


PLAIN, RELATIVE, PART, REPEATED = range(4)
"""A layer; one with a width that depends on where it stands; a combinator; one that stands here more than once."""


def steps(children: Sequence[tuple[str, Node]]) -> Steps:
    """What a sequence of these (name, node) pairs does, one after the other."""
    parts = [id(node) for _, node in children if not node.is_layer]
    twice = {part for part in parts if parts.count(part) > 1} if len(set(parts)) < len(parts) else ()
    return tuple([(name, node, _step(node, id(node) in twice)) for name, node in children])


def _step(node: Any, repeated: bool) -> int:
    if node.is_layer:
        return RELATIVE if node.relative else PLAIN
    return REPEATED if repeated else PART


_new = tuple.__new__
"""Makes a named tuple in half the time of its constructor; a trace makes thousands."""


class Tracer:
    """Collects rows while nodes flow. An `At` that a node hands on must have come from the tracer."""

    def __init__(self, start: Sig) -> None:
        self.rows: list[tuple[Any, ...]] = []
        """The fields of each `Row`."""
        self.taps: list[tuple[str, int]] = []
        signal: Signal = (start, {})
        self.start = At(INPUT, *signal)
        self._tap: str | None = None
        self._signals: dict[Sig, Signal] = {start: signal}
        self._parts: dict[Any, tuple[Node, int, int, int, At]] = {}
        self._kept: list[Node] = []

    def sequence(self, steps: Steps, at: At, prefix: str, scope: Scope) -> At:
        """Let named nodes flow one after the other; their paths begin with `prefix`."""
        moves: Any
        node: Any
        row, sig, moves = at
        rows, tap, count = self.rows, self._tap, len(self.rows)
        for name, node, how in steps:
            path = prefix + name
            if how < PART:
                key = (id(node), scope) if how else id(node)
                move = moves.get(key)
                if move is None:
                    try:
                        leaf = self._resolved(node, sig, scope) if how else node
                        facts = leaf.infer(sig)
                    except SpecError as error:
                        raise type(error)(f"{path}: {error}") from None
                    out = facts[0]
                    there = (sig, moves) if out is sig else self._signals.get(out) or self._signal(out)
                    move = moves[key] = (facts, leaf, there)
                facts, leaf, (sig, moves) = move
                rows.append((path, leaf, (row,), facts, tap))
                row = count
                count += 1
            else:
                here = _new(At, (row, sig, moves))
                end = node.flow(self, here, path, scope) if how == PART else self.part(node, here, path, scope)
                (row, sig, moves), count = end, len(rows)
        return _new(At, (row, sig, moves))

    def layer(self, node: Layer, at: At, path: str, scope: Scope) -> At:
        """Append one layer's row."""
        return self.sequence((("", node, RELATIVE if node.relative else PLAIN),), at, path or node.kind, scope)

    def join(self, node: Join, ats: Sequence[At], path: str) -> At:
        """Append the row where branches meet."""
        inputs, sigs, (moves, *_) = zip(*ats)  # noqa: B905 (each is a triple)
        key = (id(node), *map(id, sigs[1:]))
        move = moves.get(key)
        if move is None:
            try:
                facts = node.infer(*sigs)
            except ShapeError as error:
                where = path.rpartition(".")[0] or path
                raise ShapeError(f"{where}: {error}") from None
            out = facts[0]
            move = moves[key] = (facts, node, self._signals.get(out) or self._signal(out))
        facts, _, there = move
        self.rows.append((path, node, inputs, facts, self._tap))
        return _new(At, (len(self.rows) - 1, *there))

    def part(self, node: Node, at: At, path: str, scope: Scope) -> At:
        """Let a part of the description flow; where it did so before on an equal input, its rows are copied."""
        rows, (entry, sig, _) = self.rows, at
        key = (id(node), id(sig), scope)
        known = self._parts.get(key)
        if known is None:
            start, taps = len(rows), len(self.taps)
            end = node.flow(self, at, path, scope)
            if path and len(self.taps) == taps:  # an auxiliary head is noted elsewhere, too
                self._parts[key] = (node, start, len(rows), len(path), end)
            return end
        _, start, stop, cut, (row, sig, moves) = known
        tap, shift = self._tap, len(rows) - start
        for old, leaf, inputs, facts, _ in rows[start:stop]:
            if len(inputs) == 1:
                first = inputs[0]
                reads: tuple[int, ...] = (first + shift if first >= start else entry,)
            else:
                reads = tuple([i + shift if i >= start else entry for i in inputs])
            rows.append((path + old[cut:], leaf, reads, facts, tap))
        return _new(At, (row + shift if row >= start else entry, sig, moves))

    def _resolved(self, node: Layer, sig: Sig, scope: Scope) -> Layer:
        self._kept.append(node)  # the rows hold its resolved copy, and no other node may get its identity
        return node.resolve(sig.channels, scope)

    def _signal(self, sig: Sig) -> Signal:
        """From now on this object stands for every equal signature; no move from it is known yet."""
        signal = self._signals[sig] = (sig, {})
        return signal

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
    tracer = Tracer(start)
    # Thousands of small tuples and no cycle: the collector would take as long as the trace, and walk through them once
    # more afterwards. So they are made old at once, when what was young before has been looked at.
    collecting = gc.isenabled() and not gc.get_freeze_count()
    if collecting:
        gc.collect(1)
        gc.disable()
    try:
        end = body.flow(tracer, tracer.start, "", Scope())
        rows = tuple(map(_new, repeat(Row), tracer.rows))
    except RecursionError:
        raise SpecError("the description is nested too deeply") from None
    finally:
        if collecting:
            gc.freeze()
            gc.unfreeze()
            gc.enable()
    if not rows:
        raise SpecError("the description has no layer")
    return Graph(start, rows, end.row, tuple(tracer.taps), name)


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
