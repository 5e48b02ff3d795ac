"""Another head on trained weights, and a network without its auxiliary ones."""

from __future__ import annotations

from convsmith.nn.build import build
from convsmith.nn.modules import Net
from convsmith.nn.rewrite.rebuilt import rebuilt
from convsmith.spec.node import Node
from convsmith.spec.trunk import with_head, without_aux


def drop_aux(net: Net) -> Net:
    """The net without its auxiliary heads: the same logits in evaluation, and logits alone in training."""
    network = without_aux(net.network)
    state = net.state_dict()
    heads = {row.path for row in net.graph.rows if row.tap is not None}
    lost = {w.key(row.path) for row in net.graph.rows if row.path in heads for w in row.facts.weights}
    return rebuilt(net, network, {key: tensor for key, tensor in state.items() if key not in lost})


def replace_head(net: Net, head: Node, start: str, *, seed: int | None = None) -> Net:
    """The net up to the child at path `start` with its weights, then `head` with new ones (see `spec.trunk.with_head`).

    `seed` makes the new weights repeatable. Raises as `with_head` does.
    """
    network = with_head(net.network, head, start)
    fresh, old = build(network, seed=seed).state_dict(), net.state_dict()
    kind = next((tensor for tensor in old.values() if tensor.is_floating_point()), None)
    new = {key: tensor.to(kind) if tensor.is_floating_point() and kind is not None else tensor
           for key, tensor in fresh.items()}  # fmt: skip
    return rebuilt(net, network, {key: new[key] if key.startswith("head.") else old[key] for key in new})
