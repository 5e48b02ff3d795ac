"""One pass over a graph as the built network runs it, with a tally of what is alive while each row runs."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from math import prod

from convsmith.spec.trace import INPUT, Graph
from convsmith.views.memory.held import Held
from convsmith.views.memory.liveness import liveness
from convsmith.views.memory.plan import Moment, Phase
from convsmith.views.memory.rules import Bytes, rule_of, size_of


class Walk:
    """The rows that run, what is held now, and the moments so far. `again` are rows that are being recomputed.

    The weights are those of the built network, auxiliary heads included whether they run or not.
    """

    def __init__(self, graph: Graph, rows: Sequence[int], value_bytes: int, *, training: bool) -> None:
        self.graph, self.rows, self.value_bytes = graph, rows, value_bytes
        self.rules = {i: rule_of(graph, graph.rows[i], training=training) for i in rows}
        self.live = liveness(graph, rows, frozenset(i for i in rows if self.rules[i].view))
        self.again: Collection[int] = ()
        every = {w.key(row.path): w for row in graph.rows for w in row.facts.weights}.values()
        trained = [value_bytes * prod(w.shape) for w in every if w.trainable]
        self.weights, self.largest = sum(trained), max(trained, default=0)
        self.buffers = value_bytes * sum(prod(w.shape) for w in every if not w.trainable)
        self.learns = _learning(graph, rows)
        self.moments: list[Moment] = []
        self.held = Held()
        self.held.hold("weights", Bytes(self.weights + self.buffers))
        self.held.hold(self.value(INPUT), self.size(INPUT))

    def size(self, i: int) -> Bytes:
        """Bytes of a row's output."""
        sig = self.graph.input if i == INPUT else self.graph.rows[i].out
        return Bytes(0, self.value_bytes * sig.elements)

    def value(self, i: int) -> Hashable:
        """The key of the memory in which a row's output lies."""
        return "value", self.live.root[i]

    def forward(self, rows: Sequence[int], phase: Phase = "forward", *, keep: bool = False) -> None:
        """Run rows, with `keep` holding on to what autograd saves of each."""
        for i in rows:
            if self.live.root[i] == i:
                self.held.hold(self.value(i), self.size(i))
            for key, size in self.saves(i) if keep else ():
                self.held.hold(key, size)
            self.note(i, phase, self.rules[i].work, self.rules[i].saves if keep and i in self.learns else ())
            for root in self.live.dies.get(i, ()):
                if not self.again or root in self.again:
                    self.held.drop(self.value(root))

    def saves(self, i: int) -> list[tuple[Hashable, Bytes]]:
        """Keys and sizes of what autograd saves of a row; nothing where no gradient passes."""
        row, found = self.graph.rows[i], []
        for position, word in enumerate(self.rules[i].saves if i in self.learns else ()):
            if word == "input":
                found += [(self.value(source), self.size(self.live.root[source])) for source in row.inputs]
            elif word == "output":
                found.append((self.value(i), self.size(i)))
            else:
                found.append(((i, position), size_of(word, self.graph, row, self.value_bytes)))
        return found

    def note(self, i: int, phase: Phase, words: Sequence[str] = (), without: Sequence[str] = ()) -> None:
        """Record the moment of a row, with what `words` name besides, of which `without` are held already."""
        more, less = self._inside(i, words), self._inside(i, without)
        fixed = self.held.fixed + max(0, more.fixed - less.fixed)
        image = self.held.image + max(0, more.image - less.image)
        self.moments.append(Moment(self.graph.rows[i].path, phase, fixed, image))

    def _inside(self, i: int, words: Sequence[str]) -> Bytes:
        row = self.graph.rows[i]
        sizes = [size_of(w, self.graph, row, self.value_bytes) for w in words if w not in ("input", "output")]
        return Bytes(sum(size.fixed for size in sizes), sum(size.image for size in sizes))


def _learning(graph: Graph, rows: Sequence[int]) -> frozenset[int]:
    """Rows through which a gradient passes: they learn, or something before them does."""
    found: set[int] = set()
    for i in rows:
        row = graph.rows[i]
        if row.facts.params or found.intersection(row.inputs):
            found.add(i)
    return frozenset(found)
