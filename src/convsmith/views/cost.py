"""What every layer outputs, learns and computes, and where each of the three concentrates.

The counting rule: MACs (one multiplication and one addition, once) are those of convolutions, linear layers and matrix
products at the requested input size. Pooling, normalisation, activations and joins are `ops`, in their own column. An
auxiliary head is reported apart and is in no total. See docs/counting.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from convsmith.spec.node import Category
from convsmith.spec.trace import INPUT, Graph, Row

BYTES = 4
"""Bytes of one float32 value."""

DTYPES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Bytes of one value."""

RULE = "MACs: convolutions and linear layers, one multiply-add = 1. Ops: pooling, normalisation, activation, joins."

IN_PLACE: tuple[Category, ...] = ("activation", "normalisation", "regularisation")
"""Categories that can overwrite their input, so that they hold no activation of their own in the notes' convention."""

FREE = (*IN_PLACE, "shape")


class LayerCost(NamedTuple):
    """One row. `activations` are the elements of the output for one image, `reads` those of its inputs.

    `buffers` are not trained (running statistics).
    """

    path: str
    kind: str
    category: Category
    out: tuple[int, ...]
    params: int
    buffers: int
    macs: int
    ops: int
    activations: int
    reads: int
    tap: str | None = None

    @property
    def activation_bytes(self) -> int:
        """Bytes of the output in float32."""
        return self.activations * BYTES

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: MACs per byte moved (weights, inputs and output, each once, in float32)."""
        return self.macs / (BYTES * (self.params + self.buffers + self.reads + self.activations) or 1)


@dataclass(frozen=True)
class Cost:
    """Rows and totals for one image. Three meanings of activations are in use, so each total says its own:

    `activations`           outputs of every layer
    `conv_activations`      outputs of convolutions alone (RegNet's "activations")
    `in_place_activations`  the input and every output but those of element-wise layers, as the course notes add up
    memory
    """

    layers: tuple[LayerCost, ...]
    input: tuple[int, ...]
    params: int
    buffers: int
    macs: int
    ops: int
    activations: int
    conv_activations: int
    in_place_activations: int
    aux: tuple[LayerCost, ...] = ()

    @property
    def weight_bytes(self) -> int:
        """Bytes of parameters and buffers in float32."""
        return (self.params + self.buffers) * BYTES

    @property
    def intensity(self) -> float:
        """Arithmetic intensity of the whole: MACs per byte that the layers move, each by itself, in float32."""
        moved = sum([row.params + row.buffers + row.reads + row.activations for row in self.layers])
        return self.macs / (BYTES * moved or 1)

    def share(self, column: str) -> dict[Category, float]:
        """Share 0..1 of each category in `params`, `macs`, `ops` or `activations`, largest first."""
        totals: dict[Category, int] = {}
        for layer in self.layers:
            totals[layer.category] = totals.get(layer.category, 0) + getattr(layer, column)
        whole = sum(totals.values()) or 1
        return {c: n / whole for c, n in sorted(totals.items(), key=lambda item: -item[1]) if n}

    def largest(self, column: str) -> tuple[str, float]:
        """Path of the layer with most of `column`, and its share 0..1."""
        layer = max(self.layers, key=lambda row: int(getattr(row, column)))
        return layer.path, getattr(layer, column) / (sum(getattr(row, column) for row in self.layers) or 1)


def cost(graph: Graph, *, train: bool = False) -> Cost:
    """The cost of one image through the network; `train` counts auxiliary heads in, which run in training alone.

    >>> from convsmith import spec, trace
    >>> cost(trace(spec("resnet50"))).macs
    4089184256
    """
    known: dict[int, tuple[Any, ...]] = {}
    rows = [_layer(graph, row, known) for row in graph.rows]
    layers = tuple([row for row in rows if row.tap is None] if graph.taps and not train else rows)
    kept = sum([row.activations for row in layers if row.category not in FREE])
    params, buffers, macs, ops, activations = map(sum, list(zip(*layers, strict=True))[4:9])
    return Cost(
        layers,
        graph.input.shape,
        params,
        buffers,
        macs,
        ops,
        activations,
        conv_activations=sum([row.activations for row in layers if row.category == "convolution"]),
        in_place_activations=graph.input.elements + kept,
        aux=tuple([row for row in rows if row.tap is not None]) if graph.taps and not train else (),
    )


def _layer(graph: Graph, row: Row, known: dict[int, tuple[Any, ...]]) -> LayerCost:
    path, node, inputs, facts, tap = row
    key = id(facts)  # the graph keeps them alive; equal layers on equal inputs share them
    found = known.get(key)
    if found is None:
        buffers = sum([prod(shape) for _, shape, trainable in facts.weights if not trainable])
        reads, out = 0, facts.out  # equal facts come of equal inputs
        for index in inputs:
            reads += (graph.rows[index].facts.out if index != INPUT else graph.input).elements
        work = (facts.params, buffers, facts.macs, facts.ops, out.elements, reads)
        found = known[key] = (node.label, node.category, out.shape, *work)
    return tuple.__new__(LayerCost, (path, *found, tap))  # faster than LayerCost(...)
