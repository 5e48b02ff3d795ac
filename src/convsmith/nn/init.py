"""Initial weights as the papers and the libraries draw them.

A `Rule` says what each kind of layer draws. One that begins with `TORCH` draws over what torch's layers draw when they
are made, as the libraries do: where layers are made and stand in the library's order, `build(name, seed=s)` has the
very numbers of the library's net after `torch.manual_seed(s)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from convsmith.nn.draws import (
    Draw,
    as_made,
    fill_bias,
    glorot,
    he,
    he_grouped,
    he_uniform,
    identity,
    lecun,
    normal,
    per_output,
    per_output_sigmoid,
    truncated,
    with_bias,
    zeros,
)
from convsmith.nn.layers import TableConv2d
from convsmith.nn.modules import Net
from convsmith.spec.errors import SpecError, UnknownName, nearest
from convsmith.spec.trace import INPUT, Graph

Weighted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, TableConv2d)
Norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


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
                    fill_bias(layer, 0.0)
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
    # Jordan 2024, section 3.3 (arXiv:2404.00498)
    "airbench": Rule(TORCH, conv=identity),
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
