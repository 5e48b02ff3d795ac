"""A network's twin for the exporter: the same function, without the layers that the exporter gets wrong."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from convsmith.nn.modules import Net


def exporters_twin(net: Net) -> Net:
    """A copy of `net` that shares its tensors, with every average pooling of its own divisor spelled out.

    torch's exporter drops `divisor_override` without a word (the subsampling of the 1998 LeNet-5 came out four times
    too small). Where windows hang over the edge (`ceil_mode`) the layer stays, and the parity gate has the last word.
    """
    shared = {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())}
    twin = copy.deepcopy(net, shared)
    for parent in list(twin.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.AvgPool2d) and child.divisor_override and not child.ceil_mode:
                setattr(parent, name, DividedPool(child, child.divisor_override))
    return twin


class DividedPool(nn.Module):
    """(sum of each window) / divisor, as a mean times (window size / divisor); padded zeros count."""

    def __init__(self, pool: nn.AvgPool2d, divisor: int) -> None:
        super().__init__()
        rows, cols = pool.kernel_size if isinstance(pool.kernel_size, tuple) else (pool.kernel_size,) * 2
        self.mean = nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding)
        self.factor = rows * cols / divisor

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        pooled: Tensor = self.mean(x)
        return pooled * self.factor
