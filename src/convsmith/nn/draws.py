"""What one layer draws: each function fills its weights, in the order of torch's random stream."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn

from convsmith.nn.layers import TableConv2d, TiledConv2d

Draw = Callable[[nn.Module], object]
"""Draws one layer's weights; what it hands back is not read."""


def as_made(layer: nn.Module) -> None:
    """What the layer draws when it is made, its bias too: torch's U(-a, a), a = 1 / sqrt(fan_in)."""
    layer.reset_parameters()  # type: ignore[operator]


def normal(deviation: float, mean: float = 0.0) -> Draw:
    """N(mean, deviation^2)."""
    return lambda layer: nn.init.normal_(matrix(layer), mean, deviation)


def truncated(deviation: float) -> Draw:
    """N(0, deviation^2), drawn again outside of [-2, 2]; ends that are no multiples of a deviation, and cut nothing."""
    return lambda layer: nn.init.trunc_normal_(matrix(layer), std=deviation)


def he(mode: str) -> Draw:
    """N(0, 2 / fan): He et al. 2015, "Delving deep into rectifiers", Eq. 10 (fan_in) and Eq. 14 (fan_out)."""

    def draw(layer: nn.Module) -> None:
        for kernel in kernels(layer):
            nn.init.kaiming_normal_(kernel, mode=mode, nonlinearity="relu")  # type: ignore[arg-type]

    return draw


def he_uniform(layer: nn.Module) -> None:
    """U(-a, a), a = sqrt(6 / fan_in): He's variance, drawn evenly."""
    nn.init.kaiming_uniform_(matrix(layer), nonlinearity="relu")


def he_grouped(layer: nn.Module) -> None:
    """N(0, 2 / fan), fan = k * k * out / groups: what one input goes to. Torch's fan_out has all groups' outputs."""
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)  # a rule's `conv`
    rows, cols = layer.kernel_size
    nn.init.normal_(layer.weight, 0, sqrt(2 / (rows * cols * layer.out_channels // layer.groups)))


def glorot(layer: nn.Module) -> None:
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010, Eq. 16."""
    for kernel in kernels(layer):
        nn.init.xavier_uniform_(kernel)


def lecun(layer: nn.Module) -> None:
    """U(-2.4 / F, 2.4 / F) with F the fan-in of a unit: LeCun et al. 1998, appendix A."""
    end = 2.4 / fan_in(layer)
    nn.init.uniform_(matrix(layer), -end, end)


def per_output(layer: nn.Module) -> None:
    """U(-a, a), a = 1 / sqrt(outputs), for linear layers."""
    end = 1.0 / sqrt(len(matrix(layer)))
    nn.init.uniform_(matrix(layer), -end, end)


def per_output_sigmoid(layer: nn.Module) -> None:
    """U(-a, a), a = sqrt(3 / outputs): variance 1 / fan_out, for linear layers."""
    nn.init.kaiming_uniform_(matrix(layer), mode="fan_out", nonlinearity="sigmoid")


def with_bias(draw: Draw, value: float) -> Draw:
    """`draw`, and each bias `value`."""

    def both(layer: nn.Module) -> None:
        draw(layer)
        fill_bias(layer, value)

    return both


def identity(layer: nn.Module) -> None:
    """Each output hands through the input of its number, as far as there are inputs; the others keep their start."""
    for kernel in kernels(layer):
        nn.init.dirac_(kernel[: kernel.shape[1]])


def zeros(layer: nn.Module) -> None:
    """0."""
    nn.init.zeros_(matrix(layer))


def matrix(layer: nn.Module) -> Tensor:
    """The weight seen as [out, in, kh, kw]; a connection table's kernels as [connections, 1, kh, kw]."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return weight.unsqueeze(1) if weight.dim() == 3 else weight


def kernels(layer: nn.Module) -> tuple[Tensor, ...]:
    """The weight as torch should measure its fans: a tiled convolution's kernels one by one."""
    whole = matrix(layer)
    return torch.split(whole, layer.out_channels) if isinstance(layer, TiledConv2d) else (whole,)


def fan_in(layer: nn.Module) -> float:
    """Inputs of a unit."""
    if isinstance(layer, TableConv2d):  # connections of one map on average, times the kernel
        return layer.weight.numel() / layer.shape[0]
    return nn.init._calculate_correct_fan(matrix(layer), "fan_in")


def fill_bias(layer: nn.Module, value: float) -> None:
    """Set the bias, where there is one."""
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)  # type: ignore[arg-type]
