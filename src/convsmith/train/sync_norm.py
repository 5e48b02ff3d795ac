"""Batch normalisation over the batch of all processes.

torch's SyncBatchNorm needs GPUs; this one runs wherever `all_reduce` does, and two processes train as one does, to
rounding. It costs three all_reduce a layer and step: worth it where a process's own batch is small.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _Sum(torch.autograd.Function):
    """The sum over processes. Each one's loss depends on every one's input, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class SyncNorm(nn.BatchNorm2d):
    """BatchNorm2d whose mean and variance in training are those of the global batch (Ioffe & Szegedy 2015)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape; N may differ between processes and be 0."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        count = torch.tensor([x.numel() / x.shape[1]], device=x.device)
        head = _sum(torch.cat([wide.sum((0, 2, 3)), count]))
        total = head[-1].detach()
        mean = (head[:-1] / total)[:, None, None]
        var = _sum((wide - mean).square().sum((0, 2, 3))) / total
        self._remember(mean.detach().flatten(), var.detach() * total / (total - 1))
        scale = torch.rsqrt(var + self.eps)[:, None, None]
        out = (wide - mean) * scale
        if self.affine:
            out = out * self.weight[:, None, None] + self.bias[:, None, None]
        return out.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, unbiased: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


def _sum(x: Tensor) -> Tensor:
    return _Sum.apply(x)  # type: ignore[no-any-return]


def synchronised(net: nn.Module) -> None:
    """Make every BatchNorm2d of `net` a SyncNorm with the same tensors, in place."""
    _exchange(net, nn.BatchNorm2d, SyncNorm)


def separate(net: nn.Module) -> None:
    """Undo `synchronised`."""
    _exchange(net, SyncNorm, nn.BatchNorm2d)


def _exchange(net: nn.Module, old: type[nn.BatchNorm2d], new: type[nn.BatchNorm2d]) -> None:
    for parent in list(net.modules()):
        for name, norm in list(parent.named_children()):
            if type(norm) is old:
                made = new(norm.num_features)
                made.__dict__.update(norm.__dict__)
                setattr(parent, name, made)
