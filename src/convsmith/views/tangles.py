"""Equal parts of a tangle that follow each other become one part: NASNet's cells, the layers of a dense block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from convsmith.spec.signature import Sig
from convsmith.spec.trace import Graph
from convsmith.views.items import Part

LEAST = 3
"""Layers of a container that can be one of a dense block's."""


def counted(graph: Graph, parts: Sequence[Part], row: Callable[[int], object]) -> list[Part]:
    """The parts, each with the number of equal ones in a row; `row` gives what must be equal of two layers."""
    out: list[Part] = []
    place: list[int] = []
    for index, part in enumerate(parts):
        dense = _is_dense(graph, parts, index)
        if index and (dense or _alike(parts, index, row)):
            every = out[-1].every + part.rows
            out[-1] = replace(out[-1], last=part.path, repeat=out[-1].repeat + 1, every=every, dense=dense)
        else:
            known = (source if source < 0 else place[source] for source in part.sources)
            out.append(replace(part, sources=tuple(dict.fromkeys(known))))
        place.append(len(out) - 1)
    return out


def _alike(parts: Sequence[Part], index: int, row: Callable[[int], object]) -> bool:
    """Whether a container follows one of the same layers, and both read equally far back."""
    before, part = parts[index - 1], parts[index]
    back = [[at - source for source in parts[at].sources if source >= 0] for at in (index - 1, index)]
    follows = index - 1 in part.sources and len(part.rows) == len(before.rows) > 1
    return follows and back[0] == back[1] and [*map(row, before.rows)] == [*map(row, part.rows)]


def _is_dense(graph: Graph, parts: Sequence[Part], index: int) -> bool:
    """Whether a container follows one of the same layers, and both read the input and all that stands before them."""
    if not index or len(parts[index].rows) < LEAST:
        return False
    every = all({*parts[i].sources} == {-1, *range(i)} for i in (index - 1, index))
    here, before = ([graph.rows[row] for row in parts[i].rows] for i in (index, index - 1))
    return every and [(r.node, size_of(r.out)) for r in here] == [(r.node, size_of(r.out)) for r in before]


def size_of(sig: Sig) -> tuple[object, ...]:
    """A signature without its channels."""
    return sig.rows, sig.cols, sig.flat, sig.last, sig.axes and sig.axes[:-1]


def shared(paths: Sequence[Sequence[str]]) -> int:
    """How many segments all paths begin with."""
    levels = zip(*paths, strict=False)
    return next((depth for depth, names in enumerate(levels) if len({*names}) > 1), min(map(len, paths), default=0))
