"""Flattened layers as convolutions, so that a classifier slides over any larger image (Sermanet et al. 2014,
"OverFeat", section 3.5; Long, Shelhamer & Darrell 2015, "Fully convolutional networks", section 3.1).

A linear layer that reads a map of C x H x W is a convolution with an H x W kernel, and one that reads a vector is a
1 x 1 convolution: the same numbers in another shape, so as many parameters and, at the trained size, as many MACs.
Course notes put 4,096 weights (0.004 %) in the place of a linear layer of 25,000 * 4,096 = 102,400,000. That leaves out
the channels that a kernel reads: on a map of C channels a 1 x 1 convolution to 4,096 has C * 4,096 weights. Of 25,000
channels it is the linear layer itself, with its 102,400,000. On 10 channels of 50 x 50 the linear layer is a 50 x 50
convolution, again of 10 * 50 * 50 * 4,096 = 102,400,000, while a 1 x 1 has 40,960: fewer, but it is another function,
which looks at each pixel by itself. 4,096 needs a map of one channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from convsmith.nn.modules import Net
from convsmith.nn.rewrite.rebuilt import rebuilt
from convsmith.spec.combinators import Identity
from convsmith.spec.edit import wiring, with_leaves
from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.network import Network
from convsmith.spec.node import Join, Leaf, Node
from convsmith.spec.nodes.activation import Activation, Softmax
from convsmith.spec.nodes.conv import Conv
from convsmith.spec.nodes.joins import Add, Concat, Mul
from convsmith.spec.nodes.linear import Linear
from convsmith.spec.nodes.norm import LayerNorm, Norm, Scale, Times
from convsmith.spec.nodes.pool import AvgPool, Pool, PoolTo
from convsmith.spec.nodes.regularise import Dropout, DropPath
from convsmith.spec.nodes.shape import FlattenLayer, Slice, ZeroChannels
from convsmith.spec.signature import Sig, pair
from convsmith.spec.trace import INPUT, Graph, Row, trace
from convsmith.spec.trunk import without_aux

ALONE = (Activation, Dropout, DropPath, Times)
"""What treats each number alone, so that it can stand before or behind Flatten alike (softmax cannot)."""
BY_CHANNEL = (*ALONE, Norm, LayerNorm, Scale, Slice, ZeroChannels, Add, Concat, Mul)
"""What does to a map of 1 x 1 as it does to a vector."""

Map = tuple[int, int, int]
"""Channels, rows and columns."""


def convolutional(net: Net) -> Net:
    """The network with convolutions in the place of its linear layers: (N, C, H, W) -> scores (N, classes, rows, cols).

    On images of the size that the net is for the scores are its logits, (N, classes, 1, 1). Pooling to a fixed size
    becomes pooling by windows of the size they have there, so that a larger image gives a map of scores: one position
    more for each cumulative stride (of `trace(net.network)`) that the image is larger. `scores.mean((2, 3))` is dense
    evaluation. Weights keep their names and numbers; dropout stays, auxiliary heads are left out.

    On a larger image the score at (i, j) is exactly the classifier's on the crop that begins at (i, j) strides if no
    layer before it pads, overhangs the edge, or pools the whole image for a gate. With padding it is not, as the crop
    alone sees zeros around it where the whole image has pixels; the trained size stays exact.

    Raises SpecError where the net has nothing flattened, where a layer has no convolution as its equal (radial basis),
    and where pooling to a fixed size has windows of unequal size.
    """
    bare = without_aux(net.network)
    old = trace(bare)
    leaves, spread = _windows(old), _spread(old)
    if not spread and not leaves:
        raise SpecError(f"{bare.name} flattens nothing and pools to no fixed size: it is convolutional as it is")
    state = dict(net.state_dict())
    for index in spread:
        row = old.rows[index]
        if isinstance(row.node, Join):
            continue
        leaves[row.path] = _unflat(row, spread)
        if isinstance(row.node, Linear):
            weight = state[f"{row.path}.weight"]
            state[f"{row.path}.weight"] = weight.reshape(len(weight), *_map(row, spread))
    network = replace(bare, body=with_leaves(bare.body, leaves), provenance="own")
    if spread.get(old.output, (0, 1, 1))[1:] != (1, 1):
        raise SpecError(f"{bare.name}: ends in a flattened map that no linear layer reads; end it in Linear")
    new = _same(old, network, {path for path, node in leaves.items() if node is Identity})
    return rebuilt(net, network, {key: state[key] for key in new.weights})


def _same(old: Graph, network: Network, gone: set[str]) -> Graph:
    """The new network's graph, which must connect the same layers but for those that are gone."""
    try:
        new = trace(network)
    except ShapeError:
        raise SpecError(
            f"{network.name}: a block around the flattened map joins other channels than it would on the map itself; "
            "put Flatten and the first linear layer before the block"
        ) from None
    assert wiring(old, gone) == wiring(new)  # a skip that appears meets a map of another size, and is refused above
    return new


def _windows(graph: Graph) -> dict[str, Node]:
    """What becomes of pooling to a fixed size, by path; gates go on pooling the whole image."""
    found: dict[str, Node] = {}
    seen: set[int] = {INPUT}
    rows = [graph.output]
    while rows:
        index = rows.pop()
        if index in seen:
            continue
        seen.add(index)
        row = graph.rows[index]
        rows += row.inputs[:1] if isinstance(row.node, Mul) else row.inputs
        if isinstance(row.node, PoolTo):
            found[row.path] = _window(row, row.node, graph.sigs(row)[0])
    return found


def _window(row: Row, node: PoolTo, sig: Sig) -> Node:
    rows, cols = pair(node.size)
    if sig.rows % rows or sig.cols % cols:
        raise SpecError(
            f"{row.path}: pools {sig.rows}×{sig.cols} to {rows}×{cols} by windows of unequal size, which cannot slide; "
            "build the network with the side= that makes them equal"
        )
    kernel = sig.rows // rows, sig.cols // cols
    if kernel == (1, 1):
        return Identity
    stride = (
        1 if rows == 1 else kernel[0],
        1 if cols == 1 else kernel[1],
    )  # one window slides; several stay side by side
    return AvgPool(kernel, stride) if node.how == "avg" else Pool(kernel, stride)


def _spread(graph: Graph) -> dict[int, Map]:
    """The rows that put out a vector, each with the map that the vector is. Raises SpecError for what cannot be one."""
    spread: dict[int, Map] = {}
    for index, row in enumerate(graph.rows):
        sig = graph.sigs(row)[0]
        if isinstance(row.node, FlattenLayer) and not sig.flat:
            if sig.last and (sig.rows, sig.cols) != (1, 1):
                raise SpecError(f"{row.path}: flattens channels last ({sig}); put ChannelsFirst before it")
            spread[index] = sig.channels, sig.rows, sig.cols
        elif row.out.flat:
            spread[index] = _through(row, [spread[i] for i in row.inputs])
    return spread


def _through(row: Row, maps: list[Map]) -> Map:
    pixels = {(rows, cols) for _, rows, cols in maps}
    if isinstance(row.node, Linear):
        return row.out.channels, 1, 1
    if pixels == {(1, 1)} and isinstance(row.node, BY_CHANNEL):
        return row.out.channels, 1, 1
    if isinstance(row.node, FlattenLayer) or (isinstance(row.node, ALONE) and row.node != Softmax):
        return maps[0]
    before = "" if pixels == {(1, 1)} else " on a flattened map"
    raise SpecError(f"{row.path}: {row.kind}{before} has no convolution as its equal")


def _unflat(row: Row, spread: Mapping[int, Map]) -> Node:
    """The row's layer on maps, its relative width a number, as channels are counted otherwise on a map."""
    node: Leaf = row.node
    if isinstance(node, FlattenLayer):
        return Identity
    return Conv(node.out, _map(row, spread)[1:], pad=0, bias=node.bias) if isinstance(node, Linear) else node


def _map(row: Row, spread: Mapping[int, Map]) -> Map:
    """The map that a row reads."""
    return spread[row.inputs[0]]
