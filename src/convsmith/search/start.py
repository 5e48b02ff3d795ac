"""What a training starts from: a network as it is built, or one filled with trained weights, and images to suit it."""

from __future__ import annotations

from dataclasses import replace

from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.nn.weights import Origin, load
from convsmith.search.candidate import Candidate
from convsmith.train.normalisation import as_trained


def start_from(net: Net, source: str, sha256: str | None = None) -> Origin:
    """Fill a network with weights made for other classes (the head starts anew) or channels (they are adapted).

    `sha256` is what the file must have, as its run recorded it.
    """
    return load(net, source, new_head=True, adapt=True, sha256=sha256)


def suited(data: Data, network: str, source: str | None) -> Data:
    """The data with the mean and deviation of the weights, if there are any."""
    return data if source is None else replace(data, preprocess=as_trained(data.preprocess, network, source))


def started(candidate: Candidate, data: Data, seed: int) -> tuple[Net, Data]:
    """A candidate's network before its first step, and the data as it wants them. Raises WeightsError."""
    net = build(candidate.network, seed=seed)
    if candidate.weights is not None:
        start_from(net, candidate.weights)
    return net, suited(data, candidate.network.name, candidate.weights)
