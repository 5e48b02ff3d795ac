"""Tensors brought under the network's own names; those of a plain file keep theirs."""

from __future__ import annotations

from collections.abc import Collection

from convsmith.nn.modules import Net
from convsmith.nn.weights.order import by_order
from convsmith.nn.weights.origin import State, Weights
from convsmith.nn.weights.structure import by_structure
from convsmith.spec.errors import WeightsError


def our_names(given: Weights, net: Net, free: Collection[str] = ()) -> State:
    """Moved along the structure where there is a module, by order where that is what the names stand in.

    The shapes of the keys in `free` may differ. Raises WeightsError where the names cannot be moved.
    """
    try:
        if given.module is not None:
            return by_structure(given.module, given.image, net)
        if given.ordered and given.state.keys() != net.graph.weights.keys():
            return by_order(given.state, net, free)
    except WeightsError as error:
        raise WeightsError(f"{given.origin.source}: {error}") from None
    return given.state
