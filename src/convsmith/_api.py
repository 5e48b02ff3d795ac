"""The front door: what `convsmith.NAME` offers without torch. Names of the zoo are taken wherever a network is."""

from __future__ import annotations

from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.signature import Pair
from convsmith.spec.trace import Graph
from convsmith.spec.trace import trace as trace_node
from convsmith.views.cost import cost
from convsmith.views.receptive_field import receptive_field
from convsmith.zoo import names, spec

__all__ = ["cost", "names", "receptive_field", "spec", "trace"]


def trace(network: Network | Node | str, side: int | Pair | None = None, channels: int | None = None) -> Graph:
    """Every operation of a network, given as a description or by its name in the zoo; see `convsmith.spec.trace.trace`.

    >>> trace("lenet5").rows[0].out.shape
    (6, 28, 28)
    """
    return trace_node(spec(network) if isinstance(network, str) else network, side, channels)
