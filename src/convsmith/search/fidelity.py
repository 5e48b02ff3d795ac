"""Trainings that cost less and tell less: of fewer images, or at a smaller side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convsmith.data import Data, ImageSet
from convsmith.spec.network import Network

EPOCHS, EXAMPLES, SIDE = FIDELITIES = ("epochs", "examples", "side")
"""What a training can have less of: epochs, training images, pixels of a side."""


def reduced(network: Network, data: Data, fidelity: Mapping[str, int]) -> tuple[Network, Data]:
    """A network and data as a training of this fidelity sees them: `examples` training images, and the network's side
    in the proportion of `side` to the data's. Epochs are the recipe's."""
    assert isinstance(network.side, int)  # networks that train here are square
    if SIDE in fidelity:
        network = replace(network, side=max(1, round(network.side * fidelity[SIDE] / data.side)))
    if EXAMPLES in fidelity:
        assert isinstance(network.side, int)
        data = subset(data.resized(network.side), fidelity[EXAMPLES])
    return network, data


def full(data: Data, epochs: int) -> Mapping[str, int]:
    """The most that a training can have of each."""
    return dict(zip(FIDELITIES, (epochs, len(data.train), data.side), strict=True))


def subset(data: Data, largest: int) -> Data:
    """`data` with at most `largest` training images, the same share of every class. Validation and test stay.

    The originals stay behind, as they are those of all images: resize first.
    """
    if len(data.train) <= largest:
        return data
    labels = data.train.labels
    kept: list[Any] = []
    for label in range(len(data.classes)):
        members = (labels == label).nonzero()[:, 0]
        kept += members[: max(1, round(len(members) * largest / len(labels)))].tolist()
    return replace(data, train=_take(data.train, sorted(kept)), originals=None)


def _take(images: ImageSet, rows: list[int]) -> ImageSet:
    return ImageSet(images.images[rows], images.labels[rows], tuple(images.names[i] for i in rows))
