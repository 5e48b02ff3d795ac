"""Modules that are worth checkpointing, and the rows that a module holds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from convsmith.spec.errors import SpecError, nearest
from convsmith.spec.trace import Graph


def stages(graph: Graph) -> tuple[str, ...]:
    """The containers at the top of the module tree, or in place of one with more than half of all rows, those in it.

    ResNet's `layer1` to `layer4`, DenseNet's `features.denseblock1` and so on; of VGG, whose `features` holds layers
    alone, `features` and `classifier`. Of LeNet-5, which has no containers, none.
    """
    return tuple(_opened(graph, ""))


def spans(graph: Graph, paths: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(first, last) row of each of these modules.

    Raises SpecError for a path that is no module, and for modules of which one lies in another.
    """
    found = []
    for path in paths:
        rows = [i for i, row in enumerate(graph.rows) if row.path.startswith(path + ".")]
        if not rows:
            known = {".".join(row.path.split(".")[:n]) for row in graph.rows for n in range(1, row.path.count(".") + 1)}
            raise SpecError(f"checkpoint: no module with layers in it is called {path!r}{nearest(path, sorted(known))}")
        found.append((rows[0], rows[-1], path))
    found.sort()
    for (_, last, outer), (first, _, inner) in pairwise(found):
        if first <= last:
            raise SpecError(f"checkpoint: {outer!r} and {inner!r} share layers; name one of the two")
    return tuple((first, last) for first, last, _ in found)


def _opened(graph: Graph, prefix: str) -> list[str]:
    found = []
    for path, size in _containers(graph, prefix).items():
        inner = _opened(graph, path) if 2 * size > len(graph.rows) else []
        found += inner or [path]
    return found


def _containers(graph: Graph, prefix: str) -> dict[str, int]:
    """The containers right below a path and how many rows each holds."""
    start = len(prefix) + 1 if prefix else 0
    sizes: dict[str, int] = {}
    for row in graph.rows:
        if not prefix or row.path.startswith(prefix + "."):
            name, dot, _ = row.path[start:].partition(".")
            if dot:
                path = f"{prefix}.{name}" if prefix else name
                sizes[path] = sizes.get(path, 0) + 1
    return sizes
