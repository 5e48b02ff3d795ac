"""A network in one object: what `convsmith show --json` prints and a run folder keeps."""

from __future__ import annotations

from typing import Any

from convsmith.spec.codec import content_hash
from convsmith.spec.network import Network
from convsmith.spec.trace import Graph
from convsmith.views.cost import Cost, LayerCost, cost
from convsmith.views.receptive_field import Field, receptive_field


def describe(network: Network, graph: Graph, remarks: tuple[str, ...] = ()) -> dict[str, Any]:
    """Totals and layers as plain data. `activations` are the outputs of every layer.

    See `Cost` for the other meanings.
    """
    total = cost(graph)
    fields = [f for f, row in zip(receptive_field(graph), graph.rows, strict=True) if row.tap is None]
    aux = [f for f, row in zip(receptive_field(graph), graph.rows, strict=True) if row.tap is not None]
    return {
        "name": network.name,
        "provenance": network.provenance,
        "hash": content_hash(network),
        "side": _square(graph.input.rows, graph.input.cols),
        "channels": graph.input.channels,
        "classes": network.classes,
        "params": total.params,
        "buffers": total.buffers,
        "macs": total.macs,
        "ops": total.ops,
        "activations": total.activations,
        "conv_activations": total.conv_activations,
        "in_place_activations": total.in_place_activations,
        "weight_bytes": total.weight_bytes,
        "receptive_field": _square(*fields[-1].size),
        "concentration": concentration(total),
        "layers": [_row(layer, field) for layer, field in zip(total.layers, fields, strict=True)],
        "aux": [_row(layer, field) for layer, field in zip(total.aux, aux, strict=True)],
        "remarks": list(remarks),
    }


def concentration(total: Cost) -> dict[str, Any]:
    """Where activations, parameters and MACs concentrate: the largest layer and each category's share 0..1."""
    found: dict[str, Any] = {}
    for column in ("activations", "params", "macs"):
        path, share = total.largest(column)
        shares = {category: round(value, 4) for category, value in total.share(column).items()}
        found[column] = {"largest": path, "largest_share": round(share, 4), "by_category": shares}
    return found


def _row(layer: LayerCost, field: Field) -> dict[str, Any]:
    return {
        "path": layer.path,
        "kind": layer.kind,
        "category": layer.category,
        "out": list(layer.out),
        "params": layer.params,
        "macs": layer.macs,
        "ops": layer.ops,
        "activations": layer.activations,
        "activation_bytes": layer.activation_bytes,
        "receptive_field": _square(*field.size),
        "jump": _square(*(float(axis.jump) if axis.jump != int(axis.jump) else int(axis.jump) for axis in field)),
    }


def _square(rows: Any, cols: Any) -> Any:
    return rows if rows == cols else [rows, cols]
