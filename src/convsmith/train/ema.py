"""The exponential moving average of a network's weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """average = decay * average + (1 - decay) * weights, after each step; buffers are copied.

    The decay is warmed up as min(decay, (1 + step) / (10 + step)), so that the first weights are soon forgotten.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay, self.step = decay, 0
        self.average: dict[str, Tensor] = {name: p.detach().clone() for name, p in net.named_parameters()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take in the weights of a step that was just made."""
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        weights = [p.detach() for p in net.parameters()]
        torch._foreach_lerp_(list(self.average.values()), weights, 1 - decay)

    @torch.no_grad()
    def exchange(self, net: nn.Module) -> None:
        """The average into the network and its weights into here; a second call puts both back."""
        for name, parameter in net.named_parameters():
            kept = parameter.detach().clone()
            parameter.copy_(self.average[name])
            self.average[name].copy_(kept)

    @contextmanager
    def applied(self, net: nn.Module) -> Iterator[None]:
        """The network with averaged weights, for as long as it is evaluated."""
        self.exchange(net)
        try:
            yield
        finally:
            self.exchange(net)
