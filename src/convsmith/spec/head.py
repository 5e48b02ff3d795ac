"""Another number of classes for a description that already exists."""

from __future__ import annotations

from dataclasses import replace

from convsmith.spec.combinators import Seq
from convsmith.spec.errors import SpecError
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.nodes.conv import Conv
from convsmith.spec.nodes.linear import Linear, Rbf


def with_classes(network: Network, classes: int) -> Network:
    """The same network ending in `classes` logits.

    Raises SpecError if no layer at its end has today's number of classes.
    """
    if classes == network.classes:
        return network
    body = _last(network.body, network.classes, classes)
    if body is None:
        raise SpecError(
            f"{network.name} does not end in a layer of {network.classes} outputs, so its head cannot be replaced"
        )
    return replace(network, body=body, classes=classes)


def _last(node: Node, old: int, new: int) -> Node | None:
    if isinstance(node, Linear | Conv | Rbf):
        return replace(node, out=new) if node.out == old else None
    if not isinstance(node, Seq):
        return None
    for index in range(len(node.children) - 1, -1, -1):
        name, child = node.children[index]
        if (changed := _last(child, old, new)) is not None:
            children = (*node.children[:index], (name, changed), *node.children[index + 1 :])
            return Seq.of(children)
        if isinstance(child, Linear | Conv | Seq) and not _weightless(child):
            return None  # another layer with weights stands behind every candidate
    return None


def _weightless(node: Node) -> bool:
    return isinstance(node, Seq) and all(
        _weightless(child) or not isinstance(child, Seq | Linear | Conv) for _, child in node.children
    )
