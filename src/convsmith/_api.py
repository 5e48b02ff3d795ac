"""The front door: what `convsmith.NAME` offers without torch. Names of the zoo are taken wherever a network is."""

from __future__ import annotations

from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.signature import Pair
from convsmith.spec.trace import Graph
from convsmith.spec.trace import trace as trace_node
from convsmith.views.cost import cost
from convsmith.views.describe import describe
from convsmith.views.receptive_field import receptive_field
from convsmith.views.sheet import Sheet
from convsmith.views.table import USUAL
from convsmith.views.table import sheet as sheet_of
from convsmith.zoo import names, spec
from convsmith.zoo.asked import asked

__all__ = ["cost", "names", "receptive_field", "sheet", "spec", "trace"]


def trace(network: Network | Node | str, side: int | Pair | None = None, channels: int | None = None) -> Graph:
    """Every operation of a network, given as a description or by its name in the zoo; see `convsmith.spec.trace.trace`.

    >>> trace("lenet5").rows[0].out.shape
    (6, 28, 28)
    """
    return trace_node(spec(network) if isinstance(network, str) else network, side, channels)


def sheet(
    network: Network | Node | Graph | str, side: int | Pair | None = None, channels: int | None = None, *,
    depth: int | None = None, columns: tuple[str, ...] = USUAL, batch: int = 1, dtype: str = "float32",
    train: bool = False,
) -> Sheet:  # fmt: skip
    """The cost table of a network, which a notebook shows by itself; `.text()`, `.markdown()`, `.csv()`, `.html()`.

    `network` is a name of the zoo, a description, or a graph (`from_torch` makes one of any module). The rest is that
    of `convsmith.views.table.sheet` and `convsmith.views.describe`, where the errors stand, too.
    """
    if isinstance(network, Graph):
        known, graph = None, network
    else:
        known = asked(network, channels=channels, side=side)
        graph = trace_node(known)
    found = describe(known, graph, batch=batch, dtype=dtype, train=train)
    return sheet_of(found, depth=depth, columns=columns)
