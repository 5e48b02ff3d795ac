"""Signals forwards and gradients backwards, layer by layer: where a deep net loses or inflates them.

Of each convolution and linear layer: the responses (after the normalisation that directly follows, before the
non-linearity and any addition, as in He et al. 2015, figure 7), the share of zeros that its activation lets through,
and the gradient of the loss. In training mode, so that batch norm normalises by the batch, as it does where gradients
matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.nn.look.tally import Depth, Tally
from convsmith.nn.look.walk import own_draws, training_copy, walk
from convsmith.nn.modules import Net
from convsmith.spec.errors import SpecError
from convsmith.spec.graph import Graph

Loss = Callable[[Any, Tensor], Tensor]
"""Of the network's output in training (logits, or a dict where there are auxiliary heads) and labels."""


def by_depth(
    net: Net, batches: Iterable[tuple[Tensor, Tensor]], *, loss: Loss | None = None, seed: int = 0
) -> tuple[Depth, ...]:
    """Statistics of one or several batches (images as the network takes them, labels int64), without a step.

    All is done on a copy: weights, buffers (running statistics), gradients and modes of the net stay bit for bit, and
    dropout draws by `seed` without moving torch's generators. `loss` is by default the cross entropy of the main
    logits, mean over the batch. Raises SpecError without batches, and for a network without such layers.
    """
    copy, loss = training_copy(net).requires_grad_(), loss or _cross_entropy
    layers = _layers(copy.graph)
    if not layers:
        raise SpecError(f"{net.graph.name or 'this network'} has no convolution or linear layer")
    own: dict[str, Tensor] = dict(copy.named_parameters())
    weights = {i: own[key] for i in layers if (key := f"{copy.graph.rows[i].path}.weight") in own}
    tallies = {i: Tally() for i in layers}
    for count, (images, labels) in enumerate(batches):
        with own_draws(seed + count, images), torch.inference_mode(False), torch.enable_grad():
            _one(copy, images, labels, loss, weights, tallies)
    if not tallies[layers[0]].batches:
        raise SpecError("statistics by depth want one batch of images or more, got none")
    rows = copy.graph.rows
    made = enumerate(((i, weights.get(i)) for i in layers), 1)
    return tuple(tallies[i].row(rows[i].path, at, rows[i].kind, weight) for at, (i, weight) in made)


def first_to_last(rows: Sequence[Depth]) -> float:
    """RMS of the gradient by the first layer's outputs over that by the last's before the classifier; 1 is level.

    Raises SpecError for fewer than three layers, and where no gradient arrives at all.
    """
    if len(rows) < 3 or not rows[-2].output_grad_rms:
        raise SpecError("the gradient's way wants three layers and a gradient that reaches the last but one")
    return rows[0].output_grad_rms / rows[-2].output_grad_rms


def _one(
    net: Net, images: Tensor, labels: Tensor, loss: Loss, weights: dict[int, Tensor], tallies: dict[int, Tally]
) -> None:
    responses, activated = _after(net.graph, list(tallies))

    def see(i: int, value: Tensor) -> Tensor:
        for layer in responses.get(i, ()):
            tallies[layer].response(value.detach())
        for layer in activated.get(i, ()):
            tallies[layer].zero(value.detach())
        if i in tallies and value.requires_grad:
            value.register_hook(tallies[i].output)  # type: ignore[no-untyped-call]
        return value

    found = loss(walk(net, images, see), labels)
    gradients = torch.autograd.grad(found, list(weights.values()), allow_unused=True)
    for i, gradient in zip(weights, gradients, strict=True):
        tallies[i].weight += 0.0 if gradient is None else float(gradient.double().square().sum())
    for tally in tallies.values():
        tally.batches += 1


def _layers(graph: Graph) -> list[int]:
    kinds = ("convolution", "linear")
    return [i for i, row in enumerate(graph.rows) if row.category in kinds and row.tap is None]


def _after(graph: Graph, layers: list[int]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Row -> the layers whose responses it holds, and row -> the layers whose activation it is."""
    readers: dict[int, list[int]] = {}
    for i, row in enumerate(graph.rows):
        for source in row.inputs:
            readers.setdefault(source, []).append(i)

    def follower(i: int, category: str) -> int | None:
        after = readers.get(i, [])
        return after[0] if len(after) == 1 and graph.rows[after[0]].category == category else None

    responses: dict[int, list[int]] = {}
    activated: dict[int, list[int]] = {}
    for layer in layers:
        at = layer
        while (norm := follower(at, "normalisation")) is not None:
            at = norm
        responses.setdefault(at, []).append(layer)
        if (active := follower(at, "activation")) is not None:
            activated.setdefault(active, []).append(layer)
    return responses, activated


def _cross_entropy(out: Any, labels: Tensor) -> Tensor:
    return F.cross_entropy(out["logits"] if isinstance(out, dict) else out, labels)
