"""From a source in words to a filled network."""

from __future__ import annotations

from pathlib import Path

from convsmith.nn.modules import Net
from convsmith.nn.weights.adapt import first_keys, head_keys
from convsmith.nn.weights.filling import fill
from convsmith.nn.weights.names import our_names
from convsmith.nn.weights.origin import Origin
from convsmith.nn.weights.sources import read_weights


def load(
    net: Net, source: str | Path, *, new_head: bool = False, adapt: bool = False, sha256: str | None = None
) -> Origin:
    """Fill the network from a source (see `convsmith.nn.weights`) and note in `net.weights_from` where from.

    new_head, adapt  as in `fill`
    sha256           demands the hash of the file, as `@sha256:HEX` after the source does

    Raises WeightsError, UnknownName, MissingExtra; a refusal leaves the network as it was.
    """
    given = read_weights(source, net.network.name, sha256)
    free = (head_keys(net.graph) if new_head else frozenset()) | (first_keys(net.graph) if adapt else frozenset())
    fill(net, our_names(given, net, free), given.origin.source, new_head=new_head, adapt=adapt)
    net.weights_from = given.origin
    return given.origin
