"""A network in one object: what `convsmith show --json` prints and a run folder keeps."""

from __future__ import annotations

from typing import Any

from convsmith.spec.codec import content_hash
from convsmith.spec.errors import UnknownName, nearest
from convsmith.spec.network import Network
from convsmith.spec.signature import positive_size
from convsmith.spec.trace import Graph, Row
from convsmith.views.cost import DTYPES, Cost, cost
from convsmith.views.receptive_field import Field, receptive_field


def describe(
    network: Network | None, graph: Graph, remarks: tuple[str, ...] = (), *,
    batch: int = 1, dtype: str = "float32", train: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Totals and layers as plain data. `activations` are the outputs of every layer; see `Cost` for other meanings.

    network  None for an imported graph, whose provenance is "imported"
    batch    images at once: MACs, operations and activations are those of all of them
    dtype    one of `DTYPES`: bytes of weights and activations
    train    with auxiliary heads in the layers and totals, as training runs them

    Raises SpecError for a batch below 1, UnknownName for another dtype.
    """
    positive_size("batch", batch)
    if dtype not in DTYPES:
        raise UnknownName(f"no dtype {dtype!r}{nearest(dtype, DTYPES)} (there are {', '.join(DTYPES)})")
    total, size = cost(graph, train=train), DTYPES[dtype]
    seen = dict(zip([row.path for row in graph.rows], receptive_field(graph), strict=True))
    last = graph.rows[graph.output]
    return {
        "name": network.name if network else graph.name,
        "provenance": network.provenance if network else "imported",
        "hash": content_hash(network) if network else None,
        "side": _square(graph.input.rows, graph.input.cols),
        "channels": graph.input.channels,
        "classes": network.classes if network else last.out.channels,
        "batch": batch,
        "dtype": dtype,
        "train": train,
        "params": total.params,
        "buffers": total.buffers,
        "macs": batch * total.macs,
        "ops": batch * total.ops,
        "activations": batch * total.activations,
        "conv_activations": batch * total.conv_activations,
        "in_place_activations": batch * total.in_place_activations,
        "weight_bytes": size * (total.params + total.buffers),
        "activation_bytes": size * batch * total.activations,
        "reads": batch * sum(layer.reads for layer in total.layers),
        "intensity": _intensity(total.layers, batch, size),
        "receptive_field": _square(*seen[last.path].size),
        "concentration": concentration(total),
        "layers": [_row(layer, seen[layer.path], batch, size) for layer in total.layers],
        "aux": [_row(layer, seen[layer.path], batch, size) for layer in total.aux],
        "unknown": [f"{row.path} ({row.kind[:-1]})" for row in graph.rows if row.kind.endswith("?")],
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


def _row(layer: Row, field: Field, batch: int, size: int) -> dict[str, Any]:
    return {
        "path": layer.path,
        "kind": layer.kind,
        "category": layer.category,
        "out": list(layer.out.shape),
        "params": layer.params,
        "buffers": layer.buffers,
        "macs": batch * layer.macs,
        "ops": batch * layer.ops,
        "activations": batch * layer.activations,
        "reads": batch * layer.reads,
        "weight_bytes": size * (layer.params + layer.buffers),
        "activation_bytes": size * batch * layer.activations,
        "intensity": _intensity((layer,), batch, size),
        "receptive_field": _square(*field.size),
        "jump": _square(*(float(axis.jump) if axis.jump != int(axis.jump) else int(axis.jump) for axis in field)),
    }


def _intensity(layers: tuple[Row, ...], batch: int, size: int) -> float:
    """MACs per byte moved: weights once, inputs and outputs of every image."""
    weights = sum(layer.params + layer.buffers for layer in layers)
    moved = size * (weights + batch * sum(layer.reads + layer.activations for layer in layers))
    return round(batch * sum(layer.macs for layer in layers) / (moved or 1), 4)


def _square(rows: Any, cols: Any) -> Any:
    return rows if rows == cols else [rows, cols]
