"""When a value's memory goes back, as the built network runs.

A value is alive until its last reader has run. A container (a module of the tree) holds its inputs until it returns, so
a value that a container reads lives until the container's last row has run. A view (flatten, a slice) lies in its
input's memory and keeps it. The image belongs to the caller and stays, and so do the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from convsmith.spec.trace import INPUT, Graph


class Liveness(NamedTuple):
    """`root[row]` is the row in whose memory its output lies; `dies[row]` are the roots that nothing needs after it."""

    root: Mapping[int, int]
    dies: Mapping[int, Sequence[int]]


def liveness(graph: Graph, rows: Sequence[int], views: frozenset[int]) -> Liveness:
    """Lifetimes where these rows run, of which `views` make no memory of their own."""
    root = {INPUT: INPUT}
    for i in rows:
        root[i] = root[graph.rows[i].inputs[0]] if i in views else i
    last: dict[int, float] = {root[i]: i for i in rows}
    ends = _ends(graph, rows)
    for i in rows:
        for source in graph.rows[i].inputs:
            last[root[source]] = max(last.get(root[source], 0), _until(graph, source, i, ends))
    for i in (INPUT, graph.output, *(row for _, row in graph.taps if row in root)):
        last[root[i]] = inf
    dies: dict[int, list[int]] = {}
    for value, row in last.items():
        if row != inf:
            dies.setdefault(int(row), []).append(value)
    return Liveness(root, dies)


def _ends(graph: Graph, rows: Sequence[int]) -> dict[str, int]:
    """The last row of every container."""
    ends: dict[str, int] = {}
    for i in rows:
        parts = graph.rows[i].path.split(".")
        ends |= {".".join(parts[:depth]): i for depth in range(1, len(parts))}
    return ends


def _until(graph: Graph, source: int, reader: int, ends: Mapping[str, int]) -> int:
    """The last row of the outermost container that holds the reader and not the source; else the reader itself."""
    path = graph.rows[reader].path.split(".")
    other = graph.rows[source].path.split(".") if source != INPUT else []
    shared = 0
    while shared < min(len(path), len(other)) and path[shared] == other[shared]:
        shared += 1
    return ends[".".join(path[: shared + 1])] if shared + 1 < len(path) else reader
