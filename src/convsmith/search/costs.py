"""What members of a space cost, exactly: looked up where the space is made of segments, traced where it is not."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.search.spaces.numbering import Rows
from convsmith.search.spaces.space import Space
from convsmith.search.tables import Tables
from convsmith.spec.trace import Graph
from convsmith.views.cost import cost
from convsmith.views.memory import inference_memory


class Costs(NamedTuple):
    """Of one image through each of N members, int64 (N,): parameters, bytes of weights and buffers, MACs, outputs of
    all layers, and bytes at the peak of a forward pass."""

    params: NDArray[np.int64]
    weight_bytes: NDArray[np.int64]
    macs: NDArray[np.int64]
    activations: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]


def costs(space: Space, rows: Rows) -> Costs:
    """Of the members in these columns of options' indices. Equal to those of the trace, to the last MAC and byte."""
    if space.segments:
        return Costs(*tables(space).costs(rows))
    found = [costs_of(genome.graph) for genome in space.genomes(rows)]
    return Costs(*np.array(found, np.int64).reshape(-1, len(Costs._fields)).T)


def costs_of(graph: Graph) -> tuple[int, int, int, int, int]:
    """The numbers of `Costs` for one network."""
    total = cost(graph)
    return total.params, total.weight_bytes, total.macs, total.activations, inference_memory(graph).peak_bytes()


@cache
def tables(space: Space) -> Tables:
    """The tables of a space of segments, made once, which takes seconds."""
    return Tables(space)
