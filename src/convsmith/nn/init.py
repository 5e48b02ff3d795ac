"""Initial weights as the papers drew them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from convsmith.nn.layers import TableConv2d
from convsmith.spec.errors import UnknownName, nearest

Weighted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, TableConv2d)


def he(module: nn.Module, mode: str = "fan_out", linear: bool = True) -> None:
    """N(0, 2 / fan): He et al. 2015, "Delving deep into rectifiers", Eq. 10 (fan_in) and Eq. 14 (fan_out); biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) or (linear and isinstance(layer, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")  # type: ignore[arg-type]
            _zero_bias(layer)
        elif isinstance(layer, Weighted):
            layer.reset_parameters()


def he_fan_out(module: nn.Module) -> None:
    """He fan-out for convolutions, torch's default for the linear layer: where torchvision's ResNets start."""
    he(module, "fan_out", linear=False)


def xavier(module: nn.Module) -> None:
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010, Eq. 16; biases 0."""
    for layer in module.modules():
        if isinstance(layer, Weighted):
            nn.init.xavier_uniform_(_matrix(layer))
            _zero_bias(layer)


def lenet_1998(module: nn.Module) -> None:
    """U(-2.4 / F, 2.4 / F) with F the fan-in of a unit: LeCun et al. 1998, appendix A.

    Coefficients keep their start.
    """
    for layer in module.modules():
        if isinstance(layer, Weighted):
            fan = _fan_in(layer)
            nn.init.uniform_(layer.weight, -2.4 / fan, 2.4 / fan)
            _zero_bias(layer)


def alexnet_2012(module: nn.Module) -> None:
    """N(0, 0.01); biases 1 in conv2, conv4, conv5 and the hidden linear layers, else 0: Krizhevsky et al.

    2012, section 5.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, Weighted):
            nn.init.normal_(layer.weight, 0, 0.01)
            _zero_bias(layer)
            if name.rpartition(".")[2] in ("conv2", "conv4", "conv5", "fc6", "fc7") and layer.bias is not None:
                nn.init.ones_(layer.bias)


def vgg_2014(module: nn.Module) -> None:
    """N(0, 0.01) with biases 0: Simonyan & Zisserman 2015, section 3.1 (they grew deep nets from a trained net A)."""
    for layer in module.modules():
        if isinstance(layer, Weighted):
            nn.init.normal_(layer.weight, 0, 0.01)
            _zero_bias(layer)


def vgg_torchvision(module: nn.Module) -> None:
    """He fan-out for convolutions, N(0, 0.01) for linear layers, biases 0: torchvision's VGG."""
    he(module, "fan_out", linear=False)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, 0.01)
            _zero_bias(layer)


def torch_default(module: nn.Module) -> None:
    """What torch's layers draw when they are made."""
    for layer in module.modules():
        if isinstance(layer, Weighted):
            layer.reset_parameters()


INITS: dict[str, Callable[[nn.Module], None]] = {
    "torch": torch_default,
    "he_fan_out": he_fan_out,
    "he_fan_in": partial(he, mode="fan_in"),
    "xavier": xavier,
    "lenet_1998": lenet_1998,
    "alexnet_2012": alexnet_2012,
    "vgg_2014": vgg_2014,
    "vgg_torchvision": vgg_torchvision,
}


def initialise(module: nn.Module, name: str, seed: int | None = None) -> None:
    """Draw the weights by the named rule; with a seed the same ones each time, and torch's global stream is left alone.

    Raises UnknownName, offering the nearest rule.
    """
    if name not in INITS:
        raise UnknownName(f"no initialisation {name!r}{nearest(name, INITS)} (there are {', '.join(INITS)})")
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        with torch.no_grad():
            INITS[name](module)


def _matrix(layer: nn.Module) -> torch.Tensor:
    """The weight seen as [out, in, kh, kw]; a connection table's kernels as [connections, 1, kh, kw]."""
    weight: torch.Tensor = layer.weight  # type: ignore[assignment]
    return weight.unsqueeze(1) if weight.dim() == 3 else weight


def _fan_in(layer: nn.Module) -> float:
    if isinstance(layer, TableConv2d):  # connections of one map on average, times the kernel
        return layer.weight.numel() / layer.shape[0]
    return nn.init._calculate_correct_fan(_matrix(layer), "fan_in")


def _zero_bias(layer: nn.Module) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
