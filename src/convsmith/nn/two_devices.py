"""AlexNet's two towers on two devices, as in 2012: each holds half of every layer's maps, and few layers communicate.

Krizhevsky, Sutskever & Hinton 2012, section 3.2: "The parallelization scheme that we employ essentially puts half of
the kernels (or neurons) on each GPU, with one additional trick: the GPUs communicate only in certain layers. This
means that, for example, the kernels of layer 3 take input from all kernel maps in layer 2. However, kernels in layer 4
take input only from those kernel maps in layer 3 which reside on the same GPU." Section 3.5 adds that the neurons of
the fully-connected layers see all of the layer before.

In `alexnet_2012` at 227 x 227 that is, in float32 bytes an image and both ways together (`crossings`):

    conv3  173,056    fc6  36,864    fc7  16,384    fc8  16,384

and, because the zoo's normalisation runs across both towers where the paper's stays inside of one, the two maps next to
the border each way: norm1 48,400 and norm2 11,664. conv2, conv4 and conv5 are grouped in the description: each device
holds one group, and nothing moves. Both devices are given the image; the logits are put together on the first.

Weights are split by output, so every number is the same sum as on one device. On the CPU, AlexNet's outputs are equal
to the bit with one thread. Elsewhere they are equal up to rounding: torch picks its kernels by size, and half of a
small layer may get another one; with more threads it rounds the power in local normalisation by how elements fall to
them.
Dropout draws a mask for each tower, so training has other random numbers than one device has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convsmith.nn import layers
from convsmith.nn.modules import Net
from convsmith.spec.errors import SpecError, WeightsError
from convsmith.spec.node import Layer
from convsmith.spec.nodes.activation import Activation, Softmax
from convsmith.spec.nodes.conv import Conv
from convsmith.spec.nodes.linear import Linear
from convsmith.spec.nodes.norm import LocalNorm
from convsmith.spec.nodes.pool import AvgPool, Pool, PoolTo
from convsmith.spec.nodes.regularise import Dropout
from convsmith.spec.nodes.shape import FlattenLayer
from convsmith.spec.trace import INPUT, Graph, Row

OWN = (Activation, Pool, AvgPool, PoolTo, FlattenLayer, Dropout)
"""Layers that work map by map, or element by element."""

Halves = tuple[Tensor, Tensor]
"""An activation's first maps on the first device and the others on the second; the image itself on both."""


class Crossing(NamedTuple):
    """A layer before which the devices communicate: its path and the float32 bytes an image, both ways together."""

    path: str
    bytes: int


def crossings(graph: Graph) -> tuple[Crossing, ...]:
    """The layers that read what the other device holds. Raises SpecError for a network without two towers."""
    found = []
    for row in _checked(graph).rows:
        (sig,) = graph.sigs(row)
        if _reads_all(row):
            found.append(Crossing(row.path, 4 * sig.elements))
        elif isinstance(row.node, LocalNorm) and row.node.size > 1:
            found.append(Crossing(row.path, 4 * (row.node.size - 1) * sig.rows * sig.cols))
    return tuple(found)


class TwoDevices(nn.Module):
    """A chain of layers in two halves, without weights yet: use `two_devices`, or `load_whole_state`.

    (N, C, H, W) on any device -> logits (N, classes) on the first device. Raises SpecError for a network that is no
    chain, has a layer that cannot be halved, or an odd number of groups.
    """

    def __init__(self, graph: Graph, devices: tuple[str | torch.device, str | torch.device]) -> None:
        super().__init__()
        self.graph, self.devices = _checked(graph), (torch.device(devices[0]), torch.device(devices[1]))
        self.towers = nn.ModuleList(
            nn.ModuleList(_half(graph, row, tower, device) for row in graph.rows)
            for tower, device in enumerate(self.devices)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits on the first device."""
        first, second = x.to(self.devices[0]), x.to(self.devices[1])
        for row, one, other in zip(self.graph.rows, *self.towers, strict=True):
            if _reads_all(row):
                first, second = self._whole(first, second)
                first, second = one(first), other(second)
            elif isinstance(row.node, LocalNorm):
                first, second = self._normalised(row.node.size, one, first, second)
            else:
                first, second = one(first), other(second)
        return torch.cat([first, second.to(self.devices[0])], 1)

    def _whole(self, first: Tensor, second: Tensor) -> Halves:
        """All maps on both devices."""
        return (
            torch.cat([first, second.to(self.devices[0])], 1),
            torch.cat([first.to(self.devices[1]), second], 1),
        )

    def _normalised(self, size: int, norm: nn.Module, first: Tensor, second: Tensor) -> Halves:
        """Each half with the maps of the other that its window reaches: `size` // 2 before a map, the rest after it."""
        before, after, count = size // 2, (size - 1) // 2, first.shape[1]
        there = second[:, :after].to(self.devices[0])
        here = first[:, max(0, count - before) :].to(self.devices[1])
        return (
            norm(torch.cat([first, there], 1))[:, :count],
            norm(torch.cat([here, second], 1))[:, here.shape[1] :],
        )

    def whole_state(self) -> dict[str, Tensor]:
        """The tensors under the keys and in the shapes of the one-device network, on the CPU."""
        return {key: torch.cat([half.detach().cpu() for half in halves]) for key, halves in self._tensors()}

    def load_whole_state(self, state: Mapping[str, Tensor]) -> None:
        """Fill both halves from a state of the one-device network. Raises WeightsError, naming keys, if it is none."""
        wanted = self.graph.weights
        wrong = [key for key in wanted if key not in state or tuple(state[key].shape) != wanted[key]]
        wrong += [key for key in state if key not in wanted]
        if wrong:
            raise WeightsError(f"{self.graph.name or 'the network'} has not these tensors, or in other shapes: {wrong}")
        with torch.no_grad():
            for key, halves in self._tensors():
                halves[0].copy_(state[key][: len(halves[0])])
                halves[1].copy_(state[key][len(halves[0]) :])

    def _tensors(self) -> Iterator[tuple[str, Halves]]:
        for row, one, other in zip(self.graph.rows, *self.towers, strict=True):
            for weight in row.facts.weights:
                yield weight.key(row.path), (getattr(one, weight.name), getattr(other, weight.name))


def two_devices(net: Net, devices: tuple[str | torch.device, str | torch.device]) -> TwoDevices:
    """A copy of a built network in two halves, in its mode; `devices` such as ("cuda:0", "cuda:1") or ("cpu", "cpu").

    Raises SpecError as `TwoDevices` does.
    """
    made = TwoDevices(net.graph, devices)
    made.load_whole_state(net.state_dict())
    return made.train(net.training)


def _checked(graph: Graph) -> Graph:
    name = graph.name or "the network"
    if any(row.inputs != (index - 1,) for index, row in enumerate(graph.rows)):
        raise SpecError(f"{name} is no chain of layers, so it has not two towers; take alexnet_2012")
    for row in graph.rows:
        if not isinstance(row.node, (Conv, Linear, LocalNorm, *OWN)) or row.node == Softmax:
            raise SpecError(f"{row.path}: a layer of kind {row.kind} cannot be halved; take alexnet_2012")
        if row.inputs == (INPUT,) and not isinstance(row.node, Conv):
            raise SpecError(f"{row.path}: two towers begin with a convolution of the image, {name} with {row.kind}")
        if isinstance(row.node, Conv | Linear) and row.out.channels < 2:
            raise SpecError(f"{row.path}: a single output cannot be halved; take a wider layer")
        grouped = isinstance(row.node, Conv) and row.node.groups != 1
        if grouped and (_groups(row) % 2 or row.inputs == (INPUT,)):
            raise SpecError(f"{row.path}: {_groups(row)} groups do not divide between two towers that share an image")
    return graph


def _reads_all(row: Row) -> bool:
    """Whether a layer reads all maps of the layer before; both devices have the image as it is."""
    if isinstance(row.node, Conv):
        return row.node.groups == 1 and row.inputs != (INPUT,)
    return isinstance(row.node, Linear)


def _groups(row: Row) -> int:
    assert isinstance(row.node, Conv)
    assert isinstance(row.node.groups, int)  # the trace resolves relative widths
    return row.node.groups


def _half(graph: Graph, row: Row, tower: int, device: torch.device) -> nn.Module:
    """The layer of one tower: half of the outputs (the first has one more of an odd number), or half of the groups.

    Its parameters are empty: no random number is drawn.
    """
    assert isinstance(row.node, Layer)
    recipe = row.node.torch(graph.sigs(row)[0])
    arguments: dict[str, Any] = dict(recipe.arguments)
    for name in ("out_channels", "out_features"):
        if name in arguments:
            arguments[name] = (arguments[name] + 1 - tower) // 2
    if arguments.get("groups", 1) > 1:
        arguments |= {"groups": arguments["groups"] // 2, "in_channels": arguments["in_channels"] // 2}
    make = getattr(layers, recipe.name, None) or getattr(nn, recipe.name)
    with torch.device("meta"):
        made: nn.Module = make(**arguments)
    for name, parameter in list(made.named_parameters(recurse=False)):
        setattr(made, name, nn.Parameter(torch.empty(parameter.shape, device=device)))
    return made
