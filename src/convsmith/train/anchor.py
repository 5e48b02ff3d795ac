"""Weights that are pulled to where they began instead of to 0.

Li, Grandvalet & Davoine 2018, "Explicit inductive bias for transfer learning with convolutional networks"
(arXiv:1802.01483), equation 3: the penalty alpha / 2 · |w - w0|² on the weights that were transferred takes the place
of their decay, while the new head keeps its own, beta / 2 · |w|².
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn


class Anchor:
    """The start of some parameters, by name, and how hard they are pulled there."""

    def __init__(self, net: nn.Module, names: Collection[str], strength: float) -> None:
        self.strength = strength
        self.start: dict[str, Tensor] = {
            name: weight.detach().clone() for name, weight in net.named_parameters() if name in names
        }

    @torch.no_grad()
    def pull(self, net: nn.Module) -> None:
        """Add the penalty's gradient to that of every weight that has one."""
        for name, weight in net.named_parameters():
            if name in self.start and weight.grad is not None:
                weight.grad.add_(weight - self.start[name], alpha=self.strength)
