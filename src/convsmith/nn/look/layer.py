"""Which layer is looked at: by its path, or the last one whose output is still a map of the image."""

from __future__ import annotations

from torch import Tensor

from convsmith.nn.rewrite.cut import row_at
from convsmith.spec.errors import SpecError
from convsmith.spec.graph import Graph, Row

PASSES_ON = ("pooling", "regularisation", "shape")
"""Categories of rows that make no map of their own."""


def last_map(graph: Graph) -> str:
    """The path of the last layer with a spatial map, before whatever pools or flattens it for the classifier.

    Of ResNet that is the sum of the last block after its ReLU, of VGG the ReLU after conv5_3 and before the last pool.
    Raises SpecError for a network that has none, as one of linear layers alone.
    """
    rows = [row for row in graph.rows if row.tap is None and row.category not in PASSES_ON and has_map(row)]
    if not rows:
        raise SpecError(f"{graph.name or 'this network'} has no layer with a spatial map to look at")
    return rows[-1].path


def map_row(graph: Graph, path: str | None) -> int:
    """The index of the row at this path (a layer's, or a module's: its last layer's), by default of `last_map`.

    Raises UnknownName offering the nearest path; SpecError for a layer without a spatial map, which names one that has,
    and for a layer of an auxiliary head, which evaluation does not run.
    """
    index = row_at(graph, last_map(graph) if path is None else path)
    row = graph.rows[index]
    if row.tap is not None:
        raise SpecError(
            f"{path}: this layer is in the auxiliary head {row.tap}, which answers nothing; take {last_map(graph)}"
        )
    if not has_map(row):
        raise SpecError(
            f"{path}: its output {row.out} is no spatial map; take another layer, such as {last_map(graph)}"
        )
    return index


def has_map(row: Row) -> bool:
    """Whether the output has more than one position, by the signature at the network's own image size."""
    sig = row.out
    return not sig.flat and sig.axes is None and sig.rows * sig.cols > 1


def channels_first(value: Tensor, row: Row) -> Tensor:
    """(N, C, h, w) of a row's value, whichever way round it keeps its axes."""
    return value.permute(0, 3, 1, 2) if row.out.last else value
