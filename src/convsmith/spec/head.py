"""Another number of classes for a description that already exists."""

from __future__ import annotations

from dataclasses import replace

from convsmith.spec.cell import Cell, Step
from convsmith.spec.combinators import Chain, Children, IdentityNode, Seq, Tap
from convsmith.spec.errors import SpecError
from convsmith.spec.network import Network
from convsmith.spec.node import Layer, Node
from convsmith.spec.nodes.conv import Conv
from convsmith.spec.nodes.linear import Linear, Rbf
from convsmith.spec.signature import positive_size

WEIGHTED = (Conv, Linear, Rbf)


def with_classes(network: Network, classes: int) -> Network:
    """The same network, and its auxiliary heads, ending in `classes` logits.

    Raises SpecError if the network does not end in a layer of today's number of classes.
    """
    positive_size("classes", classes)
    if classes == network.classes:
        return network
    body = _last(network.body, network.classes, classes)
    if body is None:
        raise SpecError(
            f"{network.name} does not end in a layer of {network.classes} outputs, so its head cannot be replaced"
        )
    return replace(network, body=body, classes=classes)


def _last(node: Node, old: int, new: int) -> Node | None:
    """`node` with its last weighted layer changed; None if that layer is of another width, or not in sight."""
    if isinstance(node, WEIGHTED):
        return replace(node, out=new) if node.out == old else None
    if not isinstance(node, Seq | Chain):
        return None
    for index in range(len(node.children) - 1, -1, -1):
        name, child = node.children[index]
        changed = _last(child, old, new)
        if changed is not None:
            before = tuple((tap, _tap(other, old, new)) for tap, other in node.children[:index])
            return _again(node, (*before, (name, changed), *node.children[index + 1 :]))
        if not _passes(child):
            return None  # the layer that ends the network is another one
    return None


def _tap(node: Node, old: int, new: int) -> Node:
    """An auxiliary head with its last layer changed; any other node as it is."""
    if isinstance(node, Tap):
        return Tap(_last(node.head, old, new) or node.head)
    if isinstance(node, Seq | Chain):
        return _again(node, tuple((name, _tap(child, old, new)) for name, child in node.children))
    if isinstance(node, Cell):
        steps = {n: Step(_tap(s.node, old, new), *s.sources, join=s.join) for n, s in node.steps}
        return Cell(node.inputs, out=node.out, **steps)
    return node


def _again(node: Seq | Chain, children: Children) -> Node:
    return Seq.of(children) if isinstance(node, Seq) else Chain(*(child for _, child in children))


def _passes(node: Node) -> bool:
    """Whether logits may come from before this node: it is a layer that keeps them apart, or holds only such layers."""
    if isinstance(node, Seq | Chain):
        return all(_passes(child) for _, child in node.children)
    return isinstance(node, Tap | IdentityNode) or (isinstance(node, Layer) and not isinstance(node, WEIGHTED))
