"""The filters of the first layer as pictures: edges, colours and their frequencies, in a net that has learnt well.

Krizhevsky et al. 2012, figure 3. Noise in them tells of too little training or too little regularisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convsmith.nn.modules import Net
from convsmith.spec.graph import INPUT


@dataclass(frozen=True, eq=False)
class Filters:
    """pictures: uint8 (n, C, rows, cols) with C 1 or 3; `layer` is the path of the convolution.

    Zero is mid grey (128), and each filter is stretched by its own largest magnitude, so pictures of two filters do not
    compare in strength. Filters of another number of channels than 1 or 3 are shown channel by channel, in order.
    """

    pictures: Tensor
    layer: str


def first_filters(net: Net) -> Filters | None:
    """Of the first convolution, in order of execution, that reads the image; None where its kernel is one pixel, or
    there is no such layer."""
    graph = net.graph
    seen = {INPUT}
    for index, row in enumerate(graph.rows):
        if not seen.intersection(row.inputs):
            continue
        if row.category == "convolution":
            weight = dict(net.named_parameters()).get(f"{row.path}.weight")
            if weight is None or weight.dim() != 4 or weight[0, 0].numel() < 2:
                return None
            return Filters(_pictures(weight.detach().float().cpu()), row.path)
        if row.category != "linear":  # whatever else keeps the image an image: a norm, a shift, a pool
            seen.add(index)
    return None


def _pictures(weight: Tensor) -> Tensor:
    top = weight.abs().amax((1, 2, 3), keepdim=True)
    scaled = torch.where(top > 0, weight / top.clamp_min(torch.finfo(weight.dtype).tiny), 0)
    pictures = (128 + 127 * scaled).round().to(torch.uint8)
    if weight.shape[1] in (1, 3):
        return pictures
    return pictures.reshape(-1, 1, *weight.shape[2:])
