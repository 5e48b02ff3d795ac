"""A network for whole pictures of any shape, for dense evaluation.

Sermanet et al. 2013 ("OverFeat", arXiv:1312.6229, section 3.5) let the classifier slide over larger pictures, and
Simonyan & Zisserman 2014 (arXiv:1409.1556, section 3.2) average its class scores over the positions; softmax comes
after that, and is averaged over scales and mirror images. (OverFeat takes the maximum over positions, and shifts its
last pooling for a finer grid; neither is done here.) He et al. 2015 (arXiv:1512.03385, section 3.4) do the same with
global average pooling: the mean over the positions then is the pooling, of the whole picture.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from convsmith.nn import Net, convolutional
from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.network import Network
from convsmith.spec.nodes.shape import FlattenLayer
from convsmith.spec.signature import pair
from convsmith.spec.trace import trace
from convsmith.spec.trunk import without_aux

INSTEAD = "take the protocol 'ten-crop' or 'multi-crop' instead"
MUCH = 4
"""So many times its side, a network that pools by windows of some size no longer has a single window."""


def sliding(net: Net) -> Net:
    """The network itself where it pools the whole picture, else its convolutional form (see `nn.convolutional`).

    Raises SpecError, naming the layer, if it has none.
    """
    if pools_whole(net.network):
        return net
    try:
        return convolutional(net)
    except SpecError as error:
        raise SpecError(f"{net.network.name} cannot slide over whole pictures ({error}); {INSTEAD}") from None


def pools_whole(network: Network) -> bool:
    """Whether a picture of any size becomes one vector by global pooling: nothing but 1 x 1 maps is flattened."""
    bare = without_aux(network)
    rows, cols = pair(bare.side)
    own = trace(bare)
    try:
        large = trace(replace(bare, side=(MUCH * rows, MUCH * cols)))
    except ShapeError:
        return False
    if [row.facts.weights for row in large.rows] != [row.facts.weights for row in own.rows]:
        return False
    flattened = [large.sigs(row)[0] for row in large.rows if isinstance(row.node, FlattenLayer)]
    return all(sig.flat or (sig.rows, sig.cols) == (1, 1) for sig in flattened)


def check_size(net: Net, rows: int, cols: int) -> None:
    """Raise SpecError, naming the layer, if the sliding network cannot take a picture of this size."""
    try:
        trace(without_aux(net.network), (rows, cols))
    except ShapeError as error:
        raise SpecError(f"{net.network.name} cannot take a picture of {rows}×{cols} ({error}); {INSTEAD}") from None


def averaged(scores: Tensor) -> Tensor:
    """Class scores (N, classes) as they are, or a map of them (N, classes, rows, cols) averaged over its positions."""
    return scores if scores.dim() == 2 else scores.flatten(2).mean(2)
