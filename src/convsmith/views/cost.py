"""What every layer outputs, learns and computes, and where each of the three concentrates.

The counting rule: MACs (one multiplication and one addition, once) are those of convolutions, linear layers and matrix
products at the requested input size. Pooling, normalisation, activations and joins are `ops`, in their own column. An
auxiliary head is reported apart and is in no total. See docs/counting.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from convsmith.spec.node import Category
from convsmith.spec.trace import Graph, Row

BYTES = 4
"""Bytes of one float32 value."""

RULE = "MACs: convolutions and linear layers, one multiply-add = 1. Ops: pooling, normalisation, activation, joins."

IN_PLACE: tuple[Category, ...] = ("activation", "normalisation", "regularisation")
"""Categories that can overwrite their input, so that they hold no activation of their own in the notes' convention."""


@dataclass(frozen=True)
class LayerCost:
    """One row. `activations` are the elements of the output for one image.

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
    tap: str | None = None

    @property
    def activation_bytes(self) -> int:
        """Bytes of the output in float32."""
        return self.activations * BYTES


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


def cost(graph: Graph) -> Cost:
    """The cost of one image through the network.

    >>> from convsmith import spec, trace
    >>> cost(trace(spec("resnet50"))).macs
    4089184256
    """
    rows = [_layer(row) for row in graph.rows]
    layers = tuple(row for row in rows if row.tap is None)
    kept = sum(row.activations for row in layers if row.category not in IN_PLACE and row.category != "shape")
    return Cost(
        layers,
        graph.input.shape,
        params=_sum(layers, lambda r: r.params),
        buffers=_sum(layers, lambda r: r.buffers),
        macs=_sum(layers, lambda r: r.macs),
        ops=_sum(layers, lambda r: r.ops),
        activations=_sum(layers, lambda r: r.activations),
        conv_activations=_sum(layers, lambda r: r.activations if r.category == "convolution" else 0),
        in_place_activations=graph.input.elements + kept,
        aux=tuple(row for row in rows if row.tap is not None),
    )


def _layer(row: Row) -> LayerCost:
    node, facts, out = row.node, row.facts, row.facts.out
    buffers = sum(prod(w.shape) for w in facts.weights if not w.trainable)
    work = (facts.params, buffers, facts.macs, facts.ops, out.elements)
    return LayerCost(row.path, node.label, node.category, out.shape, *work, row.tap)


def _sum(layers: tuple[LayerCost, ...], column: Callable[[LayerCost], int]) -> int:
    return sum(map(column, layers))
