"""The network that a call asks for: by name, as a description or as a bare node, with other ends if given."""

from __future__ import annotations

from dataclasses import replace

from convsmith.spec.head import with_classes
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.signature import Pair
from convsmith.spec.trace import network_around
from convsmith.zoo import spec


def asked(
    network: Network | Node | str, *, classes: int | None = None, channels: int | None = None,
    side: int | Pair | None = None,
) -> Network:  # fmt: skip
    """The zoo's network of this name, or the one described, for these classes, input channels and side.

    A bare node needs `side`. Raises UnknownName, SpecError, ShapeError.
    """
    if isinstance(network, str):
        network = spec(network)
    if isinstance(network, Node):
        network = network_around(network, side, channels)
    if classes is not None:
        network = with_classes(network, classes)
    return replace(
        network,
        channels=network.channels if channels is None else channels,
        side=network.side if side is None else side,
    )
