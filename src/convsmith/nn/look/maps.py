"""What a layer puts out for an image, channel by channel."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith.nn.look.layer import channels_first, map_row
from convsmith.nn.look.walk import walk
from convsmith.nn.modes import evaluating
from convsmith.nn.modules import Net


def feature_maps(net: Net, images: Tensor, layer: str | None = None) -> Tensor:
    """The output of a layer in evaluation mode, float (N, K, h, w); the network's modes stay as they are.

    `images` are as the network takes them; for `layer` and what is raised see `grad_cam`.
    """
    index = map_row(net.graph, layer)
    kept: list[Tensor] = []

    def see(i: int, value: Tensor) -> Tensor:
        if i == index:
            kept.append(channels_first(value, net.graph.rows[i]).clone())
        return value

    with evaluating(net), torch.no_grad():
        walk(net, images, see)
    return kept[0]


def liveliest(maps: Tensor, most: int) -> Tensor:
    """Indices, int64, of the up to `most` channels of (K, h, w) whose values vary most over the positions, in order.

    A channel that is the same everywhere shows nothing.
    """
    spread = maps.flatten(1).float().std(1, correction=0)
    return spread.argsort(descending=True, stable=True)[:most].sort().values
