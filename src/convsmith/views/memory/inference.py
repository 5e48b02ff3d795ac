"""The peak of a forward pass in evaluation mode, without gradients."""

from __future__ import annotations

from convsmith.spec.trace import Graph
from convsmith.views.cost import BYTES
from convsmith.views.memory.plan import MemoryPlan
from convsmith.views.memory.walk import Walk


def inference_memory(graph: Graph, *, value_bytes: int = BYTES) -> MemoryPlan:
    """The plan of a forward pass; auxiliary heads do not run. `value_bytes` is 4 for float32, 2 for half precision.

    Raises SpecError for an imported operation of which no built network has a layer.
    >>> from convsmith import spec, trace
    >>> inference_memory(trace(spec("vgg16"))).peak(8).path
    'features.1'
    """
    rows = [i for i, row in enumerate(graph.rows) if row.tap is None]
    walk = Walk(graph, rows, value_bytes, training=False)
    walk.forward(rows)
    return MemoryPlan(walk.weights, walk.buffers, tuple(walk.moments))
