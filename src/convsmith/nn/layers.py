"""The few layers that `torch.nn` lacks. Each is self-contained and keeps torch's parameter names."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PaddedConv2d(nn.Conv2d):
    """A convolution with its own padding on each side: `pads` = (top, bottom, left, right) in pixels."""

    def __init__(self, *args: Any, pads: tuple[int, int, int, int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pads = pads

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out, H', W')."""
        top, bottom, left, right = self.pads
        return super().forward(F.pad(x, (left, right, top, bottom)))


class SameConv2d(nn.Conv2d):
    """TensorFlow's SAME padding: the output has ceil(n / stride) pixels, an odd pixel of padding is at bottom right."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out, ceil(H / stride), ceil(W / stride))."""
        return super().forward(_same(x, self.kernel_size, self.stride, self.dilation))


class SameMaxPool2d(nn.MaxPool2d):
    """A maximum over windows with TensorFlow's SAME padding."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))."""
        made: Tensor = super().forward(_same(x, self.kernel_size, self.stride, value=float("-inf")))
        return made


class SameAvgPool2d(nn.AvgPool2d):
    """A mean over windows with TensorFlow's SAME padding; without `count_include_pad` over the image's pixels alone."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))."""
        mean: Tensor = super().forward(_same(x, self.kernel_size, self.stride))
        if self.count_include_pad:
            return mean
        return mean / super().forward(_same(torch.ones_like(x[:1, :1]), self.kernel_size, self.stride))


def _same(x: Tensor, kernel: Any, stride: Any, dilation: Any = (1, 1), value: float = 0.0) -> Tensor:
    pads: list[int] = []
    for axis in (1, 0):  # F.pad wants the last axis first
        size, reach = x.shape[axis - 2], dilation[axis] * (kernel[axis] - 1) + 1
        total = max(0, (-(-size // stride[axis]) - 1) * stride[axis] + reach - size)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


class TableConv2d(nn.Module):
    """A convolution along a connection table: output map o sees the input maps `table[o]`, one kernel a connection."""

    rows: Tensor
    cols: Tensor

    def __init__(self, in_channels: int, table: tuple[tuple[int, ...], ...], kernel_size: tuple[int, int]) -> None:
        super().__init__()
        pairs = [(o, i) for o, inputs in enumerate(table) for i in inputs]
        self.shape = (len(table), in_channels, *kernel_size)
        self.weight = nn.Parameter(torch.empty(len(pairs), *kernel_size))
        self.bias = nn.Parameter(torch.zeros(len(table)))
        self.register_buffer("rows", torch.tensor([o for o, _ in pairs]), persistent=False)
        self.register_buffer("cols", torch.tensor([i for _, i in pairs]), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the kernels anew; biases become 0."""
        nn.init.uniform_(self.weight, -0.1, 0.1)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, len(table), H - kh + 1, W - kw + 1); unconnected kernels are zeros."""
        dense = self.weight.new_zeros(self.shape).index_put((self.rows, self.cols), self.weight)
        return F.conv2d(x, dense, self.bias)


class TiledConv2d(nn.Conv2d):
    """A convolution whose kernels alternate along rows and columns: units `period` apart share one (Le et al. 2010).

    Output pixel (r, c) has kernel p = (r % period) * period + c % period, which is weight[p * out_channels : (p + 1) *
    out_channels]. `pads` = (top, bottom, left, right) in pixels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, period: int, pads: tuple[int, int, int, int], **kwargs: Any
    ) -> None:
        super().__init__(in_channels, period**2 * out_channels, **kwargs)
        self.out_channels, self.period, self.pads = out_channels, period, pads

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out, H', W'). The pixels of one kernel are a convolution of stride `period`."""
        top, bottom, left, right = self.pads
        x = F.pad(x, (left, right, top, bottom))
        rows, cols = (x.shape[axis - 2] - self.kernel_size[axis] + 1 for axis in (0, 1))
        tall, wide = -(-rows // self.period), -(-cols // self.period)  # pixels of the first kernel; others may lack one
        steps = min(self.period, rows), min(self.period, cols)
        made = [self._every(x[..., i:, j:], i * self.period + j) for i in range(steps[0]) for j in range(steps[1])]
        made = [F.pad(y, (0, wide - y.shape[3], 0, tall - y.shape[2])) for y in made]
        # woven, not assigned to slices: ONNX's exporter freezes the batch size in those
        grid = torch.stack(made, 2).reshape(x.shape[0], self.out_channels, *steps, tall, wide)
        return grid.permute(0, 1, 4, 2, 5, 3).flatten(4).flatten(2, 3)[..., :rows, :cols]

    def _every(self, x: Tensor, kernel: int) -> Tensor:
        own = slice(kernel * self.out_channels, (kernel + 1) * self.out_channels)
        return F.conv2d(x, self.weight[own], None if self.bias is None else self.bias[own], self.period)


class Rbf(nn.Module):
    """-|x - w|^2 for fixed codes w of +1 and -1, one a class."""

    weight: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.register_buffer("weight", rbf_codes(out_features, in_features).to(torch.get_default_device()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in) -> (N, out)."""
        return -(x.unsqueeze(1) - self.weight).square().sum(-1)


def rbf_codes(classes: int, bits: int) -> Tensor:
    """Fixed pseudo-random codes (classes, bits) of +1 and -1, the same on every machine."""
    generator = torch.Generator().manual_seed(1998)
    return torch.randint(0, 2, (classes, bits), generator=generator, device="cpu").float() * 2 - 1


class ChannelScale(nn.Module):
    """x * weight (+ bias), one number a channel."""

    def __init__(self, channels: int, start: float = 1.0, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), start))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Any (N, C, ...) -> the same shape."""
        shape = (-1,) + (1,) * (x.dim() - 2)
        scaled = x * self.weight.view(shape)
        return scaled if self.bias is None else scaled + self.bias.view(shape)


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x / 3): f(1) = 1, f(-1) = -1 (LeCun et al. 1998, appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        """Element-wise."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class DropPath(nn.Module):
    """Zero a sample's whole branch with probability `rate` in training and scale the others up (stochastic depth)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Any (N, ...) -> the same shape."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = torch.empty((x.shape[0],) + (1,) * (x.dim() - 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
        return x * mask / keep


class ZeroChannels(nn.Module):
    """Append `extra` channels of zeros."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, C + extra, ...)."""
        return F.pad(x, (0, 0) * (x.dim() - 2) + (0, self.extra))


class ChannelSlice(nn.Module):
    """Channels `start` up to `stop`."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, stop - start, ...)."""
        return x[:, self.start : self.stop]


class ChannelShuffle(nn.Module):
    """Channel g * n + i moves to i * groups + g (torch's own layer has no decomposition for export)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        n, c, h, w = x.shape
        return x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def layer_scale(channels: int, start: float) -> nn.Parameter:
    """A bare parameter [channels, 1, 1] by which its container multiplies."""
    return nn.Parameter(torch.full((channels, 1, 1), start))


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of an image whose channels are the first axis."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Times(nn.Module):
    """x * by, a fixed number."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        """Element-wise."""
        return x * self.by


class Shift(nn.Module):
    """The image moved up and left by `pixels`; zeros come in at bottom and right."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        n = self.pixels
        return F.pad(x[..., n:, n:], (0, n, 0, n))


class Permute(nn.Module):
    """The axes in another order; `dims` counts the batch axis."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, H, W, C), or back."""
        return x.permute(self.dims)
