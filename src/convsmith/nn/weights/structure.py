"""Names moved along the structure, for tensors that come with the module that they were trained in."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from convsmith.nn.modules import Net
from convsmith.nn.weights.origin import State
from convsmith.spec.errors import ImportFailed, SpecError, WeightsError
from convsmith.spec.head import with_classes
from convsmith.spec.trace import trace

Image = tuple[int, int, int]
"""Channels, rows, columns."""


def by_structure(module: nn.Module, image: Image, net: Net) -> State:
    """The module's tensors under the network's names, found from what the two compute on an image of (C, H, W).

    The network is taken in the form that the module has: with its classes, for such images. Equal names are no excuse:
    nets that differ in a stride or in padding have the same keys, and are refused all the same.
    Raises WeightsError naming the first layer that has no counterpart.
    """
    from convsmith.nn.align import align  # torch's exporter takes a second to import
    from convsmith.nn.importer import from_torch

    try:
        theirs = from_torch(module, image)
        network = with_classes(net.network, theirs.rows[theirs.output].out.channels)
        ours = trace(replace(network, channels=image[0], side=image[1:]))
        keys = align(theirs, ours)
    except (ImportFailed, SpecError) as error:
        raise WeightsError(f"{error}; choose the network of the same form, or give a file with its names") from None
    state, shapes = module.state_dict(), ours.weights
    return {ours: state[key].reshape(shapes[ours]) for key, ours in keys.items()}
