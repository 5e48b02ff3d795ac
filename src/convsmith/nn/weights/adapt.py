"""Weights for other input channels and other classes: which layers may change, and how."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith.spec.nodes.conv import Conv
from convsmith.spec.trace import INPUT, Graph, Row


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """[out, old, kh, kw] -> [out, channels, kh, kw]: images that repeat their channels in turn keep their response.

    More channels: old channel c goes to the new ones c, c + old, ..., which share its kernel equally.
    Fewer channels: new channel c stands for the old ones c, c + channels, ..., whose kernels are added.
    """
    old = weight.shape[1]
    if channels == old:
        return weight
    if channels < old:
        return torch.stack([weight[:, c::channels].sum(1) for c in range(channels)], 1)
    turn = torch.arange(channels) % old
    shared = torch.bincount(turn, minlength=old)[turn]
    return weight[:, turn] / shared.view(1, -1, 1, 1).to(weight)


def first_keys(graph: Graph) -> frozenset[str]:
    """Kernels that read the image, as it is or pooled; a grouped convolution's cannot be given other channels."""
    raw = {INPUT}
    keys = set[str]()
    for index, row in enumerate(graph.rows):
        if not raw.issuperset(row.inputs):
            continue
        if isinstance(row.node, Conv) and row.node.groups == 1:
            keys.add(f"{row.path}.weight")
        elif not row.facts.weights and len(row.inputs) == 1 and row.out.channels == graph.input.channels:
            raw.add(index)
    return frozenset(keys)


def head_keys(graph: Graph) -> frozenset[str]:
    """The last weighted layer of the network and of each auxiliary head: what depends on the number of classes."""
    last: dict[str | None, Row] = {row.tap: row for row in graph.rows if row.facts.weights}
    return frozenset(weight.key(row.path) for row in last.values() for weight in row.facts.weights)
