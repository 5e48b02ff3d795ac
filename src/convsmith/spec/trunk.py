"""What carries a classifier: the network without its auxiliary heads, and with another head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convsmith.spec.combinators import Chain, Identity, Seq, Tap
from convsmith.spec.edit import mapped, walk
from convsmith.spec.errors import SpecError, UnknownName, nearest
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.trace import trace


def without_aux(network: Network) -> Network:
    """The network without its auxiliary heads: the same logits, which never depend on them.

    >>> from convsmith.zoo import spec
    >>> trace(without_aux(spec("googlenet"))).taps
    ()
    """
    body = mapped(network.body, lambda _, node: Identity if isinstance(node, Tap) else node)
    return network if body is network.body else replace(network, body=body, provenance="own")


def with_head(network: Network, head: Node, start: str) -> Network:
    """The network up to the child at path `start`, then `head` under the name `head`; its classes are what comes out.

    `start` and all that follows it are left out: `with_head(spec("resnet50"), Seq(pool=PoolTo(1), ...), "avgpool")`.
    Auxiliary heads before it stay as they are. Raises UnknownName for a path that is not there, SpecError where it lies
    inside a block, ShapeError where the head does not fit.
    """
    body = Chain(_before(network.body, start.split("."), start), Seq(head=head))
    graph = trace(replace(network, body=body))
    return replace(network, body=body, classes=graph.rows[graph.output].out.channels, provenance="own")


def _before(node: Node, segments: Sequence[str], start: str) -> Node:
    """`node` without the child at these segments and all that follows it."""
    if isinstance(node, Chain):
        for index, (_, part) in enumerate(node.children):
            if any(path == ".".join(segments) for path, _ in walk(part)):
                return Chain(*(kept for _, kept in node.children[:index]), _before(part, segments, start))
    if not isinstance(node, Seq | Chain):
        raise SpecError(f"{start}: a head begins at a child of a sequence, and this lies in a {node.kind}")
    names = [name for name, _ in node.children]
    if isinstance(node, Chain) or segments[0] not in names:
        known = [name for name in names if name]
        raise UnknownName(f"{start}: the network has no such child{nearest(segments[0], known)}")
    index = names.index(segments[0])
    kept = node.children[:index]
    if len(segments) > 1:
        kept = (*kept, (segments[0], _before(node.children[index][1], segments[1:], start)))
    return Seq.of(kept)
