"""Batch normalisation folded into the layer before it, where that is exact.

In evaluation a norm is y * s + t per channel, with s = weight / sqrt(var + eps) and t = bias - mean * s; behind
W x + b that is (s W) x + (s b + t), one layer (Jacob et al. 2018, "Quantization and training", section 3.2).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convsmith.nn.modules import Net
from convsmith.nn.rewrite.rebuilt import rebuilt
from convsmith.spec.combinators import Identity
from convsmith.spec.edit import mapped
from convsmith.spec.errors import SpecError
from convsmith.spec.node import Leaf, Node
from convsmith.spec.nodes.conv import Conv, ConvTranspose, TableConv
from convsmith.spec.nodes.linear import Linear
from convsmith.spec.nodes.norm import Norm
from convsmith.spec.nodes.tiled import TiledConv
from convsmith.spec.trace import INPUT, Graph, Row

FOLDING = (Conv, ConvTranspose, TableConv, TiledConv, Linear)

State = dict[str, Tensor]


def fold(net: Net, *, partly: bool = False) -> Net:
    """The same function in evaluation with each batch norm folded into the convolution or linear layer before it.

    Exact up to rounding. A norm can be folded only if it reads such a layer directly and nothing else reads that: not
    behind a sum or a concatenation, as pre-activation nets have it. Such a net is refused; with `partly` what cannot be
    folded stays as it is (`unfoldable` says which norms, and why).
    The result is for evaluation, or for training without normalisation: the folded norms are gone.

    Raises SpecError for a net in training, for one without any norm that can be folded, and as said above.
    """
    if any(module.training for module in net.modules()):
        raise SpecError(
            f"{net.network.name} is in training, where batch norm uses each batch's own statistics; call net.eval() "
            "before folding"
        )
    into, reasons = _plan(net.graph)
    if not into:
        why = f" ({_some(reasons)})" if reasons else ": it has none"
        raise SpecError(f"{net.network.name}: no batch norm can be folded{why}")
    if reasons and not partly:
        raise SpecError(
            f"{net.network.name}: {len(reasons)} of {len(reasons) + len(into)} batch norms cannot be folded "
            f"({_some(reasons)}); fold(net, partly=True) leaves them as they are"
        )
    gone = {net.graph.rows[norm].path for norm in into}
    filled = {net.graph.rows[layer].path for layer in into.values()}

    def change(path: str, node: Node) -> Node:
        if isinstance(node, Norm) and path in gone:
            return Identity
        if isinstance(node, Conv | ConvTranspose | TiledConv | Linear) and path in filled and not node.bias:
            return replace(node, bias=True)
        return node

    network = replace(net.network, body=mapped(net.network.body, change), provenance="own")
    state = net.state_dict()
    for norm, layer in into.items():
        _merge(state, net.graph.rows[norm], net.graph.rows[layer])
    return rebuilt(net, network, state)


def unfoldable(graph: Graph) -> dict[str, str]:
    """The batch norms that `fold` leaves as they are, by path, and for each the reason."""
    return _plan(graph)[1]


def _plan(graph: Graph) -> tuple[dict[int, int], dict[str, str]]:
    """Norm row -> the row that it is folded into, and the reasons of the others by path."""
    readers: dict[int, list[int]] = {}
    for index, row in enumerate(graph.rows):
        for source in row.inputs:
            readers.setdefault(source, []).append(index)
    ends = {graph.output, *(row for _, row in graph.taps)}
    into: dict[int, int] = {}
    reasons: dict[str, str] = {}
    for index, row in enumerate(graph.rows):
        if not isinstance(row.node, Norm):
            continue
        before = row.inputs[0]
        layer = into.get(before, before)  # behind a folded norm stands the layer that took it in
        if layer == INPUT:
            reasons[row.path] = "it reads the image"
        elif not isinstance(graph.rows[layer].node, FOLDING):
            reasons[row.path] = f"it follows {graph.rows[layer].path} ({graph.rows[layer].kind})"
        elif before in ends:
            reasons[row.path] = f"{graph.rows[before].path} is an output as well"
        elif len(readers[before]) > 1:
            other = next(graph.rows[i].path for i in readers[before] if i != index)
            reasons[row.path] = f"{graph.rows[before].path} is read by {other} as well"
        else:
            into[index] = layer
    return into, reasons


def _merge(state: State, norm: Row, layer: Row) -> None:
    """Fold the norm's tensors into the layer's, in double precision on the CPU."""
    own: State = {}
    for w in norm.facts.weights:
        tensor = state.pop(w.key(norm.path))
        own[w.name] = tensor.cpu().double()
    assert isinstance(norm.node, Norm)
    scale = torch.rsqrt(own["running_var"] + norm.node.eps) * own.get("weight", 1.0)
    shift = own.get("bias", 0.0) - own["running_mean"] * scale
    key, biased = f"{layer.path}.weight", f"{layer.path}.bias"
    old = state[key]
    times, plus = _of_rows(scale, layer.node), _of_rows(shift, layer.node)
    bias = state[biased].cpu().double() * times if biased in state else 0.0
    state[key] = _scaled(old.cpu().double(), scale, layer.node).to(old)
    state[biased] = (plus + bias).to(old)


def _of_rows(values: Tensor, node: Leaf) -> Tensor:
    """One value a bias: each channel's, for each of the alternating kernels of a tiled convolution."""
    return values.repeat(node.period**2) if isinstance(node, TiledConv) else values


def _scaled(weight: Tensor, scale: Tensor, node: Leaf) -> Tensor:
    """The layer's weight with each output channel multiplied by its scale."""
    if isinstance(node, ConvTranspose):  # [in, out / groups, kh, kw], a group's inputs side by side
        groups = node.groups
        assert isinstance(groups, int)  # the trace resolves relative widths
        grouped = weight.view(groups, -1, *weight.shape[1:]) * scale.view(groups, 1, -1, 1, 1)
        return grouped.view(weight.shape)
    if isinstance(node, TableConv):  # [connections, kh, kw], those of one output map side by side
        scale = scale.repeat_interleave(torch.tensor([len(maps) for maps in node.table]))
    return weight * _of_rows(scale, node).view(-1, *(1,) * (weight.dim() - 1))


def _some(reasons: dict[str, str]) -> str:
    said = [f"{path}: {reason}" for path, reason in list(reasons.items())[:3]]
    return "; ".join(said) + ("; ..." if len(reasons) > 3 else "")
