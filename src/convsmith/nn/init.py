"""Initial weights as the papers and the libraries draw them.

A `Rule` says what each kind of layer draws. One that begins with `TORCH` draws over what torch's layers draw when they
are made, as the libraries do: where layers are made and stand in the library's order, `build(name, seed=s)` has the
very numbers of the library's net after `torch.manual_seed(s)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt

import torch
from torch import nn

from convsmith.nn.layers import TableConv2d
from convsmith.nn.modules import Net
from convsmith.spec.errors import SpecError, UnknownName, nearest
from convsmith.spec.trace import INPUT, Graph

Draw = Callable[[nn.Module], object]
"""Draws one layer's weights; what it hands back is not read."""

Weighted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, TableConv2d)
Norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


def as_made(layer: nn.Module) -> None:
    """What the layer draws when it is made, its bias too: torch's U(-a, a), a = 1 / sqrt(fan_in)."""
    layer.reset_parameters()  # type: ignore[operator]


def normal(deviation: float, mean: float = 0.0) -> Draw:
    """N(mean, deviation^2)."""
    return lambda layer: nn.init.normal_(_matrix(layer), mean, deviation)


def truncated(deviation: float) -> Draw:
    """N(0, deviation^2), drawn again outside of [-2, 2]; ends that are no multiples of a deviation, and cut nothing."""
    return lambda layer: nn.init.trunc_normal_(_matrix(layer), std=deviation)


def he(mode: str) -> Draw:
    """N(0, 2 / fan): He et al. 2015, "Delving deep into rectifiers", Eq. 10 (fan_in) and Eq. 14 (fan_out)."""
    return lambda layer: nn.init.kaiming_normal_(_matrix(layer), mode=mode, nonlinearity="relu")  # type: ignore[arg-type]


def he_uniform(layer: nn.Module) -> None:
    """U(-a, a), a = sqrt(6 / fan_in): He's variance, drawn evenly."""
    nn.init.kaiming_uniform_(_matrix(layer), nonlinearity="relu")


def he_grouped(layer: nn.Module) -> None:
    """N(0, 2 / fan), fan = k * k * out / groups: what one input goes to. Torch's fan_out has all groups' outputs."""
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)  # a rule's `conv`
    rows, cols = layer.kernel_size
    nn.init.normal_(layer.weight, 0, sqrt(2 / (rows * cols * layer.out_channels // layer.groups)))


def glorot(layer: nn.Module) -> None:
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010, Eq. 16."""
    nn.init.xavier_uniform_(_matrix(layer))


def lecun(layer: nn.Module) -> None:
    """U(-2.4 / F, 2.4 / F) with F the fan-in of a unit: LeCun et al. 1998, appendix A."""
    end = 2.4 / _fan_in(layer)
    nn.init.uniform_(_matrix(layer), -end, end)


def per_output(layer: nn.Module) -> None:
    """U(-a, a), a = 1 / sqrt(outputs), for linear layers."""
    end = 1.0 / sqrt(len(_matrix(layer)))
    nn.init.uniform_(_matrix(layer), -end, end)


def per_output_sigmoid(layer: nn.Module) -> None:
    """U(-a, a), a = sqrt(3 / outputs): variance 1 / fan_out, for linear layers."""
    nn.init.kaiming_uniform_(_matrix(layer), mode="fan_out", nonlinearity="sigmoid")


def with_bias(draw: Draw, value: float) -> Draw:
    """`draw`, and each bias `value`."""

    def both(layer: nn.Module) -> None:
        draw(layer)
        _fill_bias(layer, value)

    return both


def zeros(layer: nn.Module) -> None:
    """0."""
    nn.init.zeros_(_matrix(layer))


@dataclass(frozen=True)
class Rule:
    """What the layers of a network draw, in the order of its modules; a kind without a draw keeps what it has.

    start        the rule whose numbers this one draws over
    conv         convolutions and transposed ones; `table` those along a connection table
    linear       linear layers
    norm         normalisations, which begin with weights of 1 and biases of 0
    last         the last of all convolutions and linear layers
    named        the layers whose path ends so, before all of the above
    last_norm    the normalisation at the end of each residual's body (needs the graph of a built network)
    zero_biases  whether biases of convolutions and linear layers become 0 (before the draw)

    Coefficients (`Scale`, `LayerScale`) keep their start.
    """

    start: Rule | None = None
    conv: Draw | None = None
    table: Draw | None = None
    linear: Draw | None = None
    norm: Draw | None = None
    last: Draw | None = None
    named: Mapping[str, Draw] = field(default_factory=dict)
    last_norm: Draw | None = None
    zero_biases: bool = True

    def __call__(self, module: nn.Module) -> None:
        """Draw. Raises SpecError where `last_norm` is asked of a module without a graph."""
        if self.start is not None:
            self.start(module)
        last = [layer for layer in module.modules() if isinstance(layer, Weighted)][-1:]
        for path, layer in module.named_modules():
            if isinstance(layer, Norms):
                layer.reset_parameters()
                _draw(self.norm, layer)
            elif isinstance(layer, Weighted):
                if self.zero_biases:
                    _fill_bias(layer, 0.0)
                _draw(self._of(path, layer, layer in last), layer)
        if self.last_norm is not None:
            for path in ends_of_residuals(_graph(module)):
                _draw(self.last_norm, module.get_submodule(path))

    def _of(self, path: str, layer: nn.Module, last: bool) -> Draw | None:
        for end, draw in self.named.items():
            if f".{path}".endswith(f".{end}"):
                return draw
        if last and self.last is not None:
            return self.last
        if isinstance(layer, TableConv2d):
            return self.table
        return self.linear if isinstance(layer, nn.Linear) else self.conv


def everywhere(draw: Draw, named: Mapping[str, Draw] | None = None) -> Rule:
    """One draw for convolutions and linear layers of every kind, biases 0."""
    return Rule(conv=draw, table=draw, linear=draw, named=named or {})


TORCH = everywhere(as_made)
HE_FAN_OUT = Rule(conv=he("fan_out"), table=as_made, linear=as_made)

INITS: dict[str, Rule] = {
    "torch": TORCH,
    # torchvision's ResNets: the linear layer has torch's start
    "he_fan_out": HE_FAN_OUT,
    "he_fan_in": Rule(conv=he("fan_in"), table=as_made, linear=he("fan_in")),
    "xavier": everywhere(glorot),
    "lenet_1998": everywhere(lecun),
    # Krizhevsky et al. 2012, section 5: biases of 1 in conv2, conv4, conv5 and the hidden linear layers
    "alexnet_2012": everywhere(
        normal(0.01),
        named=dict.fromkeys(("conv2", "conv4", "conv5", "fc6", "fc7"), with_bias(normal(0.01), 1.0)),
    ),
    # Simonyan & Zisserman 2015, section 3.1 (they grew deep nets from a trained net A)
    "vgg_2014": everywhere(normal(0.01)),
    # torchvision's VGG, MobileNet v2 and v3
    "vgg_torchvision": Rule(HE_FAN_OUT, linear=normal(0.01)),
    # torchvision's GoogLeNet; biases of linear layers have torch's start
    "googlenet": Rule(TORCH, conv=truncated(0.01), linear=truncated(0.01), zero_biases=False),
    # torchvision's Inception v3; it means 0.01 for the auxiliary head's 5x5 too, but puts that where nothing reads it
    "inception_v3": Rule(
        TORCH, conv=truncated(0.1), linear=truncated(0.1), named={"AuxLogits.fc": truncated(0.001)}, zero_biases=False
    ),
    # torchvision's SqueezeNet
    "squeezenet": Rule(TORCH, conv=he_uniform, last=normal(0.01)),
    # torchvision's DenseNet: the linear layer's weights have torch's start
    "densenet": Rule(TORCH, conv=he("fan_in")),
    # torchvision's MnasNet
    "mnasnet": Rule(TORCH, conv=he("fan_out"), linear=per_output_sigmoid),
    # torchvision's EfficientNet, versions 1 and 2
    "efficientnet": Rule(TORCH, conv=he("fan_out"), linear=per_output),
    # timm's EfficientNet and its kin, after the authors' release
    "efficientnet_timm": Rule(TORCH, conv=he_grouped, linear=per_output),
    # timm's ResNet, ResNeXt and SENet: each residual ends at 0 (Goyal et al. 2017, arXiv:1706.02677, section 5.1);
    # biases and the linear layer have torch's start
    "resnet_timm": Rule(TORCH, conv=he("fan_out"), last_norm=zeros, zero_biases=False),
    # timm's ResNet v2, whose classifier is a 1x1 convolution
    "resnetv2_timm": Rule(TORCH, conv=he("fan_out"), linear=normal(0.01), last=normal(0.01)),
    # torchvision's RegNet; biases of squeeze-excite have torch's start
    "regnet": Rule(TORCH, conv=he("fan_out"), linear=with_bias(normal(0.01), 0.0), zero_biases=False),
    # Radford et al. 2016, section 4 (arXiv:1511.06434); the normalisations are those of PyTorch's example
    "dcgan": Rule(TORCH, conv=normal(0.02), linear=normal(0.02), norm=normal(0.02, mean=1.0)),
    # Liu et al. 2022 (arXiv:2201.03545), the authors' code and torchvision
    "convnext": Rule(TORCH, conv=truncated(0.02), linear=truncated(0.02)),
}


def initialise(module: nn.Module, name: str, seed: int | None = None) -> None:
    """Draw the weights by the named rule; with a seed the same ones each time, and torch's global stream is left alone.

    Normalisations begin anew, their statistics included.
    Raises UnknownName, offering the nearest rule; SpecError where the rule needs a graph that the module has not.
    """
    if name not in INITS:
        raise UnknownName(f"no initialisation {name!r}{nearest(name, INITS)} (there are {', '.join(INITS)})")
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        with torch.no_grad():
            INITS[name](module)


def ends_of_residuals(graph: Graph) -> Iterator[str]:
    """Paths of the normalisations that the bodies of residuals end with, but for a gate and stochastic depth."""
    for row in graph.rows:
        if row.kind != "add":
            continue
        body = row.inputs[0]  # `Residual` adds the shortcut to it, `Gate` multiplies it by the gate
        while body != INPUT and graph.rows[body].kind in ("mul", "drop_path"):
            body = graph.rows[body].inputs[0]
        if body != INPUT and graph.rows[body].kind == "norm":
            yield graph.rows[body].path


def _graph(module: nn.Module) -> Graph:
    if not isinstance(module, Net):
        raise SpecError(
            f"{type(module).__name__} has no graph that shows where its residuals end; take a network that `build` "
            "made, or another initialisation"
        )
    return module.graph


def _draw(draw: Draw | None, layer: nn.Module) -> None:
    if draw is not None and layer.weight is not None:  # a normalisation may have none
        draw(layer)


def _matrix(layer: nn.Module) -> torch.Tensor:
    """The weight seen as [out, in, kh, kw]; a connection table's kernels as [connections, 1, kh, kw]."""
    weight: torch.Tensor = layer.weight  # type: ignore[assignment]
    return weight.unsqueeze(1) if weight.dim() == 3 else weight


def _fan_in(layer: nn.Module) -> float:
    if isinstance(layer, TableConv2d):  # connections of one map on average, times the kernel
        return layer.weight.numel() / layer.shape[0]
    return nn.init._calculate_correct_fan(_matrix(layer), "fan_in")


def _fill_bias(layer: nn.Module, value: float) -> None:
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)  # type: ignore[arg-type]
