"""What every layer outputs, learns and computes, and where each of the three concentrates.

The counting rule: MACs (one multiplication and one addition, once) are those of convolutions, linear layers and matrix
products at the requested input size. Pooling, normalisation, activations and joins are `ops`, in their own column. An
auxiliary head is reported apart and is in no total. See docs/counting.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.spec.node import Category
from convsmith.spec.signature import Sig
from convsmith.spec.trace import Graph, Row

BYTES = 4
"""Bytes of one float32 value."""

DTYPES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Bytes of one value."""

RULE = "MACs: convolutions and linear layers, one multiply-add = 1. Ops: pooling, normalisation, activation, joins."

IN_PLACE: tuple[Category, ...] = ("activation", "normalisation", "regularisation")
"""Categories that can overwrite their input, so that they hold no activation of their own in the notes' convention."""

FREE = (*IN_PLACE, "shape")


@dataclass(frozen=True)
class Cost:
    """Rows of the trace and their totals for one image.

    `activations` are the outputs of every layer; two other meanings are in use, so each total says its own.
    """

    layers: tuple[Row, ...]
    input: Sig
    params: int
    buffers: int
    macs: int
    ops: int
    activations: int
    aux: tuple[Row, ...] = ()

    @property
    def conv_activations(self) -> int:
        """Outputs of convolutions alone (RegNet's "activations")."""
        return sum([row.activations for row in self.layers if row.category == "convolution"])

    @property
    def in_place_activations(self) -> int:
        """The input and every output but those of element-wise layers, as the course notes add up memory."""
        return self.input.elements + sum([row.activations for row in self.layers if row.category not in FREE])

    @property
    def weight_bytes(self) -> int:
        """Bytes of parameters and buffers in float32."""
        return (self.params + self.buffers) * BYTES

    @property
    def intensity(self) -> float:
        """Arithmetic intensity of the whole, whose layers move their values each by itself."""
        return intensity(*self.layers)

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
    layers: tuple[Row, ...] = graph.rows
    aux: tuple[Row, ...] = ()
    if graph.taps and not train:
        layers = tuple([row for row in graph.rows if row.tap is None])
        aux = tuple([row for row in graph.rows if row.tap is not None])
    _, activations, macs, ops, params, buffers, _, _ = zip(*[row.facts for row in layers], strict=True)
    totals = sum(params), sum(buffers), sum(macs), sum(ops), sum(activations)
    return Cost(layers, graph.input, *totals, aux)


def intensity(*layers: Row) -> float:
    """Arithmetic intensity: MACs per byte moved (weights, inputs and output of each, once, in float32)."""
    moved = sum([row.params + row.buffers + row.reads + row.activations for row in layers])
    return sum([row.macs for row in layers]) / (BYTES * moved or 1)
