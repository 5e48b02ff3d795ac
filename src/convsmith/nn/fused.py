"""Batch normalisation with what follows it, as one function with one backward pass.

`norm_act(x, ...)` is act(norm(x) + other): the sum and the activation run in place on the normalised map, the backward
pass masks by the output alone, and nothing is kept but `x` and the output, which the next convolution keeps anyway.
Statistics are float32 (float64 for float64) whatever `x` is. Two sets of kernels give the same numbers:

torch     the operators that `nn.BatchNorm2d` itself runs: equal to it to the bit
compiled  four loops written in torch and compiled by torch.compile, for channels-last maps: one pass less forward and
          one less backward, as the mask comes from `x` where nothing was added. They need a C++ compiler and some
          twenty seconds of it (kept on disk by torch), and sum in another order
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

ops = torch.ops.aten
INF = float("inf")
ROWS = 64
"""Pixels that are summed at a time: with their channels they stay in the cache nearest to the core."""


def norm_act(
    x: Tensor, weight: Tensor, bias: Tensor, running: tuple[Tensor, Tensor], *,
    momentum: float, eps: float, other: Tensor | None = None, top: float = INF, compiled: bool = False,
) -> Tensor:  # fmt: skip
    """clamp(norm(x) + other, 0, top) of (N, C, H, W) with the batch's statistics; moves `running` (mean, variance).

    `other` has the shape and type of `x`. `compiled` counts for channels-last maps on the CPU, others go torch's way.
    """
    dense = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    kind = _Compiled if compiled and dense and x.numel() > x.shape[1] else _Torch
    return kind.apply(x, other, weight, bias, *running, momentum, eps, top)  # type: ignore[no-any-return]


class _Torch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, other: Tensor | None, weight: Tensor, bias: Tensor, running_mean: Tensor,
        running_var: Tensor, momentum: float, eps: float, top: float,
    ) -> Tensor:  # fmt: skip
        y, mean, inverse = ops.native_batch_norm(x, weight, bias, running_mean, running_var, True, momentum, eps)
        if other is not None:
            y.add_(other)
        y = y.relu_() if top == INF else y.clamp_(0, top)
        ctx.save_for_backward(x, y, weight, mean, inverse)
        ctx.added, ctx.eps, ctx.top = other is not None, eps, top
        return y  # type: ignore[no-any-return]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, y, weight, mean, inverse = ctx.saved_tensors
        g = ops.threshold_backward(g, y, 0) if ctx.top == INF else ops.hardtanh_backward(g, y, 0, ctx.top)
        wanted = [ctx.needs_input_grad[i] for i in (0, 2, 3)]
        grads = ops.native_batch_norm_backward(g, x, weight, None, None, mean, inverse, True, ctx.eps, wanted)
        return grads[0], g if ctx.added else None, grads[1], grads[2], None, None, None, None, None


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, other: Tensor | None, weight: Tensor, bias: Tensor, running_mean: Tensor,
        running_var: Tensor, momentum: float, eps: float, top: float,
    ) -> Tensor:  # fmt: skip
        flat = _flat(x)
        rows = _rows(len(flat))
        mean, var = _kernel(_moments)(flat, flat[0].to(weight.dtype), rows)
        inverse = (var + eps).rsqrt_()
        scale = weight * inverse
        shift = bias - mean * scale
        y = _kernel(_apply)(flat, scale, shift, None if other is None else _flat(other), top)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (len(flat) / (len(flat) - 1)), momentum)
        y = _shaped(y, x)
        ctx.save_for_backward(x, *([] if other is None else [y]), scale, shift, mean, inverse)
        ctx.top = top
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, *outputs, scale, shift, mean, inverse = ctx.saved_tensors
        g = g.contiguous(memory_format=torch.channels_last)
        flat, rows = _flat(x), _rows(x.numel() // x.shape[1])
        masked = None
        if outputs:
            y = outputs[0]
            masked = ops.threshold_backward(g, y, 0) if ctx.top == INF else ops.hardtanh_backward(g, y, 0, ctx.top)
            whole = _flat(masked)
            total, along = _kernel(_sums)(flat, whole, mean, rows)
        else:
            whole = _flat(g)
            total, along = _kernel(_masked_sums)(flat, whole, mean, scale, shift, ctx.top, rows)
        along = along * inverse  # the gradient of the weight
        slope = -scale * inverse * along / len(flat)
        level = -scale * total / len(flat) - slope * mean
        if outputs:
            grad = _kernel(_gradient)(flat, whole, scale, slope, level)
        else:
            grad = _kernel(_masked_gradient)(flat, whole, scale, shift, ctx.top, slope, level)
        return _shaped(grad, x), masked, along, total, None, None, None, None, None


def _flat(x: Tensor) -> Tensor:
    """(N, C, H, W), channels last -> (N H W, C), without a copy where it is dense."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _shaped(flat: Tensor, like: Tensor) -> Tensor:
    n, c, h, w = like.shape
    return flat.view(n, h, w, c).permute(0, 3, 1, 2)


@cache
def _rows(pixels: int) -> int:
    """The largest divisor up to `ROWS`: a reshaped view needs equal parts."""
    return next(rows for rows in range(min(ROWS, pixels), 0, -1) if pixels % rows == 0)


def _summed(x: Tensor, rows: int) -> Tensor:
    return x.view(-1, rows, x.shape[1]).sum(1).sum(0)


def _moments(x: Tensor, near: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of the columns, from sums about `near`, a value of each: exact where the mean is large."""
    away = x.to(near.dtype) - near
    mean = _summed(away, rows) / len(x)
    return mean + near, (_summed(away * away, rows) / len(x) - mean * mean).clamp_min(0)


def _apply(x: Tensor, scale: Tensor, shift: Tensor, other: Tensor | None, top: float) -> Tensor:
    y = x.to(scale.dtype) * scale + shift
    return (y if other is None else y + other).clamp(0, top).to(x.dtype)


def _sums(x: Tensor, g: Tensor, mean: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    g = g.to(mean.dtype)
    return _summed(g, rows), _summed(g * (x.to(mean.dtype) - mean), rows)


def _mask(x: Tensor, g: Tensor, scale: Tensor, shift: Tensor, top: float) -> Tensor:
    y = x.to(scale.dtype) * scale + shift
    return torch.where((y > 0) & (y < top), g.to(scale.dtype), 0)


def _masked_sums(
    x: Tensor, g: Tensor, mean: Tensor, scale: Tensor, shift: Tensor, top: float, rows: int
) -> tuple[Tensor, Tensor]:
    return _sums(x, _mask(x, g, scale, shift, top), mean, rows)


def _gradient(x: Tensor, g: Tensor, scale: Tensor, slope: Tensor, level: Tensor) -> Tensor:
    return (g.to(scale.dtype) * scale + x.to(scale.dtype) * slope + level).to(x.dtype)


def _masked_gradient(
    x: Tensor, g: Tensor, scale: Tensor, shift: Tensor, top: float, slope: Tensor, level: Tensor
) -> Tensor:
    return _gradient(x, _mask(x, g, scale, shift, top), scale, slope, level)


@cache
def _kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """One loop for all sizes."""
    return torch.compile(function, dynamic=True)
