"""A depthwise convolution with a stride, in bfloat16 on the CPU: the same forward pass, another way back.

oneDNN 3.12 has no fast kernel for the gradient of its input (121 ms for 32 maps of 96 x 112 x 112, where the forward
pass takes 7). That gradient is itself a depthwise convolution, of the output's gradient with stride - 1 zeros between
its pixels and with the kernel turned by 180 degrees, and for that there is one (13 ms): the same sums.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pair = tuple[int, int]


def is_strided(conv: nn.Conv2d) -> bool:
    """Whether `depthwise` can stand in for this convolution and has another way back."""
    one_each = conv.groups == conv.in_channels == conv.out_channels > 1
    numbers = isinstance(conv.padding, tuple) and all(0 <= p < k for p, k in zip(conv.padding, conv.kernel_size))  # noqa: B905
    plain = conv.dilation == (1, 1) and conv.padding_mode == "zeros"
    return one_each and plain and numbers and max(conv.stride) > 1


def depthwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """What `conv` makes of (N, C, H, W), in autocast's type where that is on; all but bfloat16 goes torch's way."""
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
    if kind != "cpu" or dtype != torch.bfloat16 or not (x.requires_grad and torch.is_grad_enabled()):
        return conv._conv_forward(x, conv.weight, conv.bias)  # type: ignore[no-any-return]
    bias = None if conv.bias is None else conv.bias.to(dtype)
    return _Strided.apply(x.to(dtype), conv.weight.to(dtype), bias, conv.stride, conv.padding)  # type: ignore[no-any-return]


def input_gradient(g: Tensor, weight: Tensor, size: Pair, stride: Pair, padding: Pair) -> Tensor:
    """(N, C, h, w) -> (N, C, *size): the gradient of the input of a depthwise convolution with `weight`."""
    kernel = weight.shape[2:]
    rows, cols = (side + 2 * p - k + 1 for side, p, k in zip(size, padding, kernel, strict=True))
    spread = torch.zeros_like(g.new_empty(*g.shape[:2], rows, cols), memory_format=torch.channels_last)
    spread[..., :: stride[0], :: stride[1]] = g
    pads = tuple(k - 1 - p for k, p in zip(kernel, padding, strict=True))
    return F.conv2d(spread, weight.flip(2, 3), padding=pads, groups=weight.shape[0])


class _Strided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias, ctx.stride, ctx.padding = bias is not None, stride, padding
        return F.conv2d(x, weight, bias, stride, padding, groups=weight.shape[0])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        dx = input_gradient(g, weight, x.shape[2:], ctx.stride, ctx.padding) if ctx.needs_input_grad[0] else None
        wanted = [False, ctx.needs_input_grad[1], ctx.has_bias]
        grads = torch.ops.aten.convolution_backward(
            g, x, weight, [len(weight)] if ctx.has_bias else None,
            ctx.stride, ctx.padding, (1, 1), False, (0, 0), len(weight), wanted,
        )  # fmt: skip
        return dx, grads[1], grads[2], None, None
