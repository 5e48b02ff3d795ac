"""The peak of a training step, in torch's order: `zero_grad`, forward pass, loss, backward pass, update.

On the way back rows run from the last to the first, as autograd orders them. What the caller holds meanwhile (images,
labels, outputs) counts. Gradients that meet are summed in place where nothing else holds their memory.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import count
from math import prod

from convsmith.spec.errors import UnknownName, nearest
from convsmith.spec.trace import Graph
from convsmith.views.cost import BYTES
from convsmith.views.memory.plan import MemoryPlan, Moment
from convsmith.views.memory.rules import Bytes
from convsmith.views.memory.stages import spans
from convsmith.views.memory.walk import Walk

OPTIMISERS: dict[str, tuple[int, int]] = {"sgd": (0, 1), "momentum": (1, 2), "adam": (2, 3), "adamw": (2, 2)}
"""State tensors a weight, and temporary ones as large as the largest weight while that is updated.

As torch's loop over the weights has them, the CPU's default, with weight decay and Nesterov's momentum. `foreach`, the
GPU's default, has temporaries for all weights at once; a fused update has none.
"""

LABEL_BYTES = 8


def training_memory(
    graph: Graph, optimiser: str = "momentum", *, checkpoint: Sequence[str] = (), value_bytes: int = BYTES
) -> MemoryPlan:
    """The plan of a training step after the first, which makes the optimiser's state; auxiliary heads run.

    optimiser    one of `OPTIMISERS`
    checkpoint   paths of modules whose inside is not kept but computed again on the way back (`stages` proposes some)
    value_bytes  of every weight, gradient, state and activation: 4 for float32

    Raises UnknownName for another optimiser, SpecError for a path that is no module or lies in another one, and for an
    imported operation of which no built network has a layer.
    >>> from convsmith import spec, trace
    >>> training_memory(trace(spec("resnet50"))).largest_batch(8 * 2**30)
    96
    """
    if optimiser not in OPTIMISERS:
        raise UnknownName(
            f"no optimiser is called {optimiser!r}{nearest(optimiser, OPTIMISERS)} (there are {', '.join(OPTIMISERS)})"
        )
    step = _Step(graph, value_bytes, spans(graph, checkpoint))
    state, temporaries = OPTIMISERS[optimiser]
    step.held.hold("state", Bytes(state * step.weights))
    step.forward_pass()
    kept = step.held.image
    step.backward_pass()
    step.update(temporaries)
    return MemoryPlan(step.weights, step.buffers, tuple(step.moments), kept)


class _Step(Walk):
    """There and back. `spans` are the (first, last) rows of checkpointed modules."""

    def __init__(self, graph: Graph, value_bytes: int, spans: Sequence[tuple[int, int]]) -> None:
        super().__init__(graph, range(len(graph.rows)), value_bytes, training=True)
        self.last, self.first = dict(spans), {last: first for first, last in spans}
        self.gradients: dict[int, Hashable] = {}
        self.views: set[Hashable] = set()
        self.numbers = count()
        self.held.hold("labels", Bytes(0, LABEL_BYTES))

    def forward_pass(self) -> None:
        """Rows in order; of a checkpointed module only what it reads is kept."""
        i = 0
        while i < len(self.rows):
            last = self.last.get(i, i)
            self.forward(range(i, last + 1), keep=i not in self.last)
            if i in self.last:
                for key, size in self._reads(i):
                    self.held.hold(key, size)
            i = last + 1

    def backward_pass(self) -> None:
        """The loss, then the rows from the last on, those of a checkpointed module computed again before."""
        self._loss()
        first = None
        for i in reversed(self.rows):
            if i in self.first:
                first = self.first[i]
                self._recompute(range(first, i + 1))
            self._backward(i)
            if i == first:
                self.again = ()
                for key, _ in self._reads(first):
                    self.held.drop(key)

    def update(self, temporaries: int) -> None:
        """The optimiser's step: weights, gradients, state, and what the update of the largest weight needs."""
        self.moments.append(Moment("", "update", self.held.fixed + temporaries * self.largest, self.held.image))

    def _loss(self) -> None:
        """Cross entropy keeps the log-probabilities of each output, and makes their gradient before the logits'."""
        outputs = (self.graph.output, *(row for _, row in self.graph.taps))
        for i in outputs:
            self.held.hold(("log-probabilities", i), self.size(i))
        for i in reversed(outputs):
            self.gradients[i] = self._buffer(self.size(i))
            self.note(i, "backward", ("elements",))
            self.held.drop(("log-probabilities", i))

    def _reads(self, first: int) -> list[tuple[Hashable, Bytes]]:
        """What the checkpointed module that begins at row `first` reads."""
        sources = {s for i in range(first, self.last[first] + 1) for s in self.graph.rows[i].inputs if s < first}
        return [(self.value(s), self.size(self.live.root[s])) for s in sources]

    def _recompute(self, rows: range) -> None:
        """A checkpointed module's forward pass again, up to the last row of which something is saved."""
        self.again = rows
        saving = max((i for i in rows if self.saves(i)), default=rows.start - 1)
        run = range(rows.start, saving + 1)
        self.forward(run, "again", keep=True)
        dead = {root for i in run for root in self.live.dies.get(i, ())}
        for root in {self.live.root[i] for i in run}.intersection(rows) - dead:
            self.held.drop(self.value(root))

    def _backward(self, i: int) -> None:
        row, rule, gradient = self.graph.rows[i], self.rules[i], self.gradients.pop(i, None)
        saved = self.saves(i)
        made: list[tuple[int, Hashable]] = []
        if gradient is not None:  # else nothing that ends in the loss reads this row
            weights = sum(prod(w.shape) for w in row.facts.weights if w.trainable)
            self.held.hold(("weights", i), Bytes(self.value_bytes * weights))
            for source in row.inputs:
                if source in self.learns:
                    made.append((source, self._share(gradient) if rule.passes else self._buffer(self.size(source))))
            if not rule.passes:
                self.note(i, "backward", rule.back)
            self.held.drop(gradient)
            if row.kind == "concat":
                self.views.add(gradient)
        for key, _ in saved:
            self.held.drop(key)
        for source, buffer in made:
            self._deliver(i, source, buffer)

    def _deliver(self, i: int, source: int, buffer: Hashable) -> None:
        """Add to the gradient that a row has from its other readers: in place if nothing else holds that memory."""
        old = self.gradients.get(source)
        if old is None:
            self.gradients[source] = buffer
            return
        if self.held.holders(old) > 1 or old in self.views:
            self.gradients[source] = self._buffer(self.size(source))
            self.note(i, "backward")
            self.held.drop(old)
        self.held.drop(buffer)

    def _buffer(self, size: Bytes) -> Hashable:
        key = ("gradient", next(self.numbers))
        self.held.hold(key, size)
        return key

    def _share(self, gradient: Hashable) -> Hashable:
        self.held.hold(gradient, Bytes())
        return gradient
