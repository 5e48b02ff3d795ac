"""From a description to an ordinary `nn.Module` with the ecosystem's parameter names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn

from convsmith.nn import layers
from convsmith.nn.init import initialise
from convsmith.nn.modules import Block, Children, Net
from convsmith.nn.program import Part, parts_of, program_of
from convsmith.nn.weights import load
from convsmith.spec.errors import SpecError
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.signature import Pair
from convsmith.spec.trace import INPUT, Graph, trace
from convsmith.zoo.asked import asked

TAKEN = frozenset([*dir(nn.Module()), *dir(nn.Sequential()), *dir(Net), "program", "evaluation", "network", "graph"])
"""Names that no child of a module can have."""


def build(
    network: Network | Node | str,
    *,
    weights: str | Path | None = None,
    classes: int | None = None,
    channels: int | None = None,
    side: int | Pair | None = None,
    init: str | None = None,
    seed: int | None = None,
    device: str | torch.device | None = None,
) -> Net:
    """A module for a network of the zoo (by name), a description, or a bare node (which needs `side`).

    weights   a .safetensors or .pth file, `torchvision:IMAGENET1K_V2`, `timm:resnet50.a1_in1k` or `package:NAME`, with
              `@sha256:HEX` to demand a hash; every tensor must find its place (see `nn.weights`)
    classes   another number of classes: with weights, the head starts anew and all else is loaded
    channels  another number of input channels: with weights, the first convolution is adapted (see `nn.weights`)
    init      one of `convsmith.nn.init.INITS`, by default what the paper used; `seed` makes it repeatable

    Raises UnknownName, SpecError, ShapeError, WeightsError.
    >>> build("resnet18", classes=10).layer1[0].conv1.weight.shape
    torch.Size([64, 64, 3, 3])
    """
    network = asked(network, classes=classes, channels=channels, side=side)
    with torch.random.fork_rng(enabled=seed is not None):  # layers draw when they are made; initialise draws again
        net = module_of(trace(network), network, device)
    if net.graph.weights and torch.device(device or "cpu").type != "meta":
        initialise(net, init or network.init, seed)
    if weights is not None:
        load(net, weights, new_head=classes is not None, adapt=channels is not None)
    return net


def module_of(graph: Graph, network: Network, device: str | torch.device | None = None) -> Net:
    """The module tree of a graph, with torch's default initial weights."""
    outputs = (graph.output, *(row for _, row in graph.taps))
    with torch.device(device) if device is not None else nullcontext():
        parts = parts_of(graph, "", range(len(graph.rows)), frozenset(outputs))
        children = _children(graph, parts, "")
        return Net(children, program_of(graph, parts, (INPUT,), outputs), network, graph)


def _child(graph: Graph, part: Part, prefix: str) -> nn.Module | nn.Parameter:
    if part.is_row:
        row = graph.rows[part.rows[0]]
        recipe = row.node.torch(graph.sigs(row)[0])  # type: ignore[attr-defined]
        make = getattr(layers, recipe.name, None) or getattr(nn, recipe.name)
        return make(**recipe.arguments)  # type: ignore[no-any-return]
    path = f"{prefix}.{part.name}" if prefix else part.name
    parts = parts_of(graph, path, part.rows, frozenset(part.makes))
    children = _children(graph, parts, path)
    program = program_of(graph, parts, part.reads, part.makes)
    modules = {name: child for name, child in children.items() if isinstance(child, nn.Module)}
    if program.chain and len(modules) == len(children) and _indexable(list(children)):
        return nn.Sequential(OrderedDict(modules))
    main = tuple(slot for row, slot in zip(part.makes, program.outputs, strict=True) if graph.rows[row].tap is None)
    return Block(children, program, main or program.outputs)


def _children(graph: Graph, parts: Sequence[Part], path: str) -> Children:
    for part in parts:
        if part.name in TAKEN:
            raise SpecError(f"{path or 'network'}: torch's modules use the name {part.name!r}; choose another")
    return {part.name: _child(graph, part, path) for part in parts if not _is_join(graph, part)}


def _is_join(graph: Graph, part: Part) -> bool:
    return part.is_row and graph.rows[part.rows[0]].node.category == "join"


def _indexable(names: Sequence[str]) -> bool:
    """Whether `nn.Sequential` would number the children as their names do."""
    return all(name == str(position) for position, name in enumerate(names)) or not any(n.isdigit() for n in names)
