"""The walk through a description: from signature to signature, one row a layer.

What a leaf makes of a signature is a move. Each is worked out once and then looked up, by the leaf's identity, among
the moves known from that signature; a block that has flowed before on an equal input is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.graph import INPUT, Row

if TYPE_CHECKING:
    from convsmith.spec.node import Facts, Join, Layer, Leaf, Node
    from convsmith.spec.signature import Sig
    from convsmith.spec.widths import Scope

    Move = tuple[Facts, Leaf, "Signal"]  # what a leaf makes of a signature, and where that leads
    Steps = tuple[tuple[str, Node, int], ...]  # what the path goes on with, node, and one of the four below

PLAIN, RELATIVE, PART, REPEATED = range(4)
"""A layer; one with a width that depends on where it stands; a combinator; one that stands here more than once."""

_new = tuple.__new__
"""Makes a named tuple in half the time of its constructor; a trace makes thousands."""


class Signal:
    """A signature that flows: in one trace one object for all that are equal, with the moves known from there."""

    __slots__ = ("moves", "sig")

    def __init__(self, sig: Sig) -> None:
        self.sig = sig
        self.moves: dict[Any, Move] = {}


At = tuple[int, Signal]
"""Where a signal stands while tracing: the row that made it, and the signal, which a tracer made."""


def steps(children: Sequence[tuple[str, Node]]) -> Steps:
    """What a sequence of these (name, node) pairs does, one after the other."""
    parts = [id(node) for _, node in children if not node.is_layer]
    twice = {part for part in parts if parts.count(part) > 1} if len(set(parts)) < len(parts) else ()
    return tuple([_step(name, node, id(node) in twice) for name, node in children])


def _step(name: str, node: Any, repeated: bool) -> tuple[str, Node, int]:
    if node.is_layer:
        return name, node, RELATIVE if node.relative else PLAIN
    return f"{name}.", node, REPEATED if repeated else PART


class Tracer:
    """Collects rows while nodes flow."""

    def __init__(self, start: Sig) -> None:
        self.rows: list[Row] = []
        self.taps: list[tuple[str, int]] = []
        self.start: At = (INPUT, Signal(start))
        self._tap: str | None = None
        self._signals: dict[Sig, Signal] = {start: self.start[1]}
        self._joins: dict[Any, Move] = {}
        self._parts: dict[Any, tuple[Node, int, int, int, At]] = {}
        self._kept: list[Leaf] = []

    def sequence(self, steps: Steps, at: At, prefix: str, scope: Scope) -> At:
        """Let nodes flow one after the other; their paths begin with `prefix`."""
        key: Any
        node: Any
        rows, tap, count = self.rows, self._tap, len(self.rows)
        row, here = at
        for name, node, how in steps:
            path = prefix + name
            if how < PART:
                key = (id(node), scope) if how else id(node)
                move = here.moves.get(key)
                if move is None:
                    move = here.moves[key] = self._move(node, here, path, scope)
                facts, leaf, here = move
                rows.append(_new(Row, (path, leaf, (row,), facts, tap)))
                row = count
                count += 1
            else:
                if how == PART:
                    row, here = node.flow(self, (row, here), path, scope)
                else:
                    row, here = self.part(node, (row, here), path, scope)
                count = len(rows)
        return row, here

    def layer(self, node: Layer, at: At, path: str, scope: Scope) -> At:
        """Append one layer's row."""
        return self.sequence((_step(path, node, False),), at, "", scope)

    def join(self, node: Join, ats: Sequence[At], path: str) -> At:
        """Append the row where branches meet."""
        inputs, signals = zip(*ats)  # noqa: B905 (each is a pair)
        key = (id(node), *signals)
        move = self._joins.get(key)
        if move is None:
            try:
                facts = node.infer(*[signal.sig for signal in signals])
            except ShapeError as error:
                where = path.rpartition(".")[0] or path
                raise ShapeError(f"{where}: {error}") from None
            out = facts[0]
            move = self._joins[key] = (facts, node, self._signals.get(out) or self._signal(out))
        facts, leaf, here = move
        self.rows.append(_new(Row, (path, leaf, inputs, facts, self._tap)))
        return len(self.rows) - 1, here

    def part(self, node: Node, at: At, prefix: str, scope: Scope) -> At:
        """Let a part of the description flow; where it did so before on an equal input, its rows are copied."""
        rows, (entry, here) = self.rows, at
        key = (id(node), here, scope)
        known = self._parts.get(key)
        if known is None:
            start, taps = len(rows), len(self.taps)
            end = node.flow(self, at, prefix, scope)
            if len(self.taps) == taps:  # an auxiliary head is noted elsewhere, too
                self._parts[key] = (node, start, len(rows), len(prefix), end)
            return end
        _, start, stop, cut, (row, here) = known
        tap, shift = self._tap, len(rows) - start
        for old, leaf, inputs, facts, _ in rows[start:stop]:
            if len(inputs) == 1:
                first = inputs[0]
                reads: tuple[int, ...] = (first + shift if first >= start else entry,)
            else:
                reads = tuple([i + shift if i >= start else entry for i in inputs])
            rows.append(_new(Row, (prefix + old[cut:], leaf, reads, facts, tap)))
        return row + shift if row >= start else entry, here

    def tap(self, path: str, head: Node, at: At, scope: Scope) -> None:
        """Trace an auxiliary head whose output gets the name `path`."""
        if self._tap is not None:
            raise SpecError(f"{path}: an auxiliary head cannot stand inside another ({self._tap})")
        self._tap = path
        row, _ = head.flow(self, at, f"{path}." if path else "", scope)
        self._tap = None
        self.taps.append((path, row))

    def _move(self, node: Layer, here: Signal, path: str, scope: Scope) -> Move:
        sig = here.sig
        try:
            if node.relative:
                self._kept.append(node)  # rows hold its resolved copy, and no other node may get its identity
                node = node.resolve(sig[0], scope)
            facts = node.infer(sig)
        except SpecError as error:
            raise type(error)(f"{path}: {error}") from None
        out = facts[0]
        return facts, node, here if out is sig else self._signals.get(out) or self._signal(out)

    def _signal(self, sig: Sig) -> Signal:
        """From now on this object stands for every equal signature; no move from it is known yet."""
        signal = self._signals[sig] = Signal(sig)
        return signal
