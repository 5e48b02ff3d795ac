"""What the tests of the rewrites share: nets in double precision whose norms do something, and how far two part."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convsmith.nn import Net, build

Norms = nn.BatchNorm1d | nn.BatchNorm2d


def lively(network: Any, side: int | None = None) -> Net:
    """The net with repeatable weights, in evaluation and double precision; no norm is the identity."""
    net = build(network, side=side, seed=1).double().eval()
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, Norms):
                assert part.running_mean is not None
                assert part.running_var is not None
                part.running_mean.normal_(0, 0.3, generator=draw)
                part.running_var.uniform_(0.4, 1.6, generator=draw)
                if part.affine:
                    part.weight.uniform_(0.5, 1.5, generator=draw)
                    part.bias.normal_(0, 0.3, generator=draw)
    return net


def images(net: Net, many: int = 2, larger: tuple[int, int] = (0, 0)) -> Tensor:
    """Random images of the net's size, or larger by so many rows and columns."""
    channels, rows, cols = net.graph.input.shape
    draw = torch.Generator().manual_seed(3)
    return torch.randn(many, channels, rows + larger[0], cols + larger[1], generator=draw, dtype=torch.float64)


def apart(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, relative to the largest number wanted."""
    assert found.shape == wanted.shape
    assert wanted.isfinite().all()
    largest = wanted.abs().max().item()
    return (found - wanted).abs().max().item() / largest if largest else found.abs().max().item()


def snapshot(net: Net) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in net.state_dict().items()}


def apart_in_memory(made: nn.Module, net: Net, before: dict[str, Tensor]) -> bool:
    """Whether the net still has its tensors, also after those of what was made of it are overwritten."""
    now = net.state_dict()
    same = list(now) == list(before) and all(torch.equal(now[key], before[key]) for key in now)
    for tensor in made.state_dict().values():
        tensor.fill_(7)
    return same and all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
