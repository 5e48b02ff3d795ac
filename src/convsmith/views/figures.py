"""Our own count of what a paper prints about a variant, beside which its figure stands."""

from __future__ import annotations

from convsmith.spec.nodes.joins import Mul
from convsmith.spec.trace import INPUT, Graph, trace
from convsmith.views.cost import cost
from convsmith.zoo import spec
from convsmith.zoo.cards import Figure


def depth(graph: Graph) -> int:
    """Layers with weights on the longest way from the image to the logits, as papers count; a gate is not on the way.

    >>> from convsmith import spec, trace
    >>> depth(trace(spec("googlenet")))
    22
    """
    longest: list[int] = []
    for row in graph.rows:
        sources = row.inputs[:1] if isinstance(row.node, Mul) else row.inputs
        before = max(0 if i == INPUT else longest[i] for i in sources)
        longest.append(before + (row.node.category in ("convolution", "linear")))
    return longest[graph.output]


def counted(name: str, figure: Figure) -> int:
    """What the figure is of, counted at its input size where it gives one, else at the variant's."""
    graph = trace(spec(name), figure.side)
    if figure.quantity == "depth":
        return depth(graph)
    return int(getattr(cost(graph), figure.quantity))
