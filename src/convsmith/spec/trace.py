"""The one trace: a description and an input signature become a `Graph`, from which everything else is read.

Only the `Tracer` walks a description, and only leaves know their shapes. Nothing is kept when a trace ends.
"""

from __future__ import annotations

import gc
from typing import Any

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.graph import INPUT, Graph, Row
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.nodes.geometry import TooSmall
from convsmith.spec.signature import Pair, Sig, positive_sides, positive_size
from convsmith.spec.tracer import Tracer
from convsmith.spec.widths import Scope

__all__ = ["INPUT", "Graph", "Row", "network_around", "trace", "under"]

LARGEST_SIDE = 4096


def trace(network: Network | Node, side: int | Pair | None = None, channels: int | None = None) -> Graph:
    """Every operation of a network on an image of `side` (or (rows, cols)) and `channels`.

    A `Network` brings its own input size as default; a bare node needs `side` and takes 3 channels.
    Raises SpecError on sizes below 1, ShapeError where sizes do not meet; its message begins with the layer's path
    and, for an image that is too small, ends with the smallest side that works.
    """
    name, body = "", network
    if isinstance(network, Network):
        name, body = network.name, network.body
        side = network.side if side is None else side
        channels = network.channels if channels is None else channels
    if side is None:
        raise SpecError("a description without an input size needs side=, in pixels")
    if not isinstance(body, Node):
        raise SpecError(f"a description is a node or a network, got {body!r}")
    rows, cols = positive_sides(side)
    start = Sig(positive_size("channels", 3 if channels is None else channels), rows, cols)
    return _trace(body, start, name)


def network_around(node: Node, side: int | Pair | None, channels: int | None) -> Network:
    """A network of this body, whose number of classes is what the node puts out. Raises as `trace` does."""
    graph = trace(node, side, channels)
    size = (graph.input.rows, graph.input.cols)
    return Network(node, size, graph.input.channels, graph.rows[graph.output].out.channels)


def _trace(body: Any, start: Sig, name: str) -> Graph:
    try:
        graph = _walk(body, start, name)
    except TooSmall as error:
        least = _smallest_side(body, start)
        remedy = f"the smallest side that works is {least}" if least else "no image size works"
        raise ShapeError(f"{error} ({start.rows}×{start.cols} at the input; {remedy})") from None
    if len({row.path for row in graph.rows}) < len(graph.rows):
        seen: set[str] = set()
        twice = next(row.path for row in graph.rows if row.path in seen or seen.add(row.path))  # type: ignore[func-returns-value]
        raise SpecError(f"{twice}: two layers have this path; give the branches or layers different names")
    return graph


_frozen = False


def _walk(body: Any, start: Sig, name: str) -> Graph:
    tracer = Tracer(start)
    # Thousands of small tuples and no cycle: the collector would take as long as the trace, and walk through them once
    # more afterwards. So they are made old at once, when what was young before has been looked at.
    collecting = gc.isenabled()
    ours = collecting and not _frozen_by_others()
    if ours:
        gc.collect(1)
    if collecting:
        gc.disable()
    try:
        output, _ = body.flow(tracer, tracer.start, "", Scope())
    except RecursionError:
        raise SpecError("the description is nested too deeply") from None
    finally:
        if ours:
            gc.freeze()
            gc.unfreeze()
        if collecting:
            gc.enable()
    if not tracer.rows:
        raise SpecError("the description has no layer")
    return Graph(start, tuple(tracer.rows), output, tuple(tracer.taps), name)


def _frozen_by_others() -> bool:
    """Whether the program has frozen objects, which thawing would free to be collected. Once it has, this stays so:
    asking takes as long as counting them all."""
    global _frozen
    _frozen = _frozen or gc.get_freeze_count() > 0
    return _frozen


def _smallest_side(body: Any, start: Sig) -> int | None:
    def works(side: int) -> bool:
        try:
            _walk(body, start._replace(rows=side, cols=side), "")
        except TooSmall:
            return False
        except SpecError:
            return True  # large enough for every window; what else is wrong is reported by itself
        return True

    low, high = 0, 1
    while not works(high):
        low, high = high, high * 2
        if high > LARGEST_SIDE:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def under(path: str, name: str) -> str:
    """`path.name`, where either may be empty."""
    return f"{path}.{name}" if path and name else path or name
