"""Grad-CAM: where in the image a layer found what speaks for a class.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", equations 1
and 2: a_k = mean over positions of dy / dA_k, map = ReLU(sum over k of a_k A_k), where A is the layer's output and y
the class's score before the softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.nn.look.layer import channels_first, map_row
from convsmith.nn.look.walk import walk
from convsmith.nn.modes import evaluating
from convsmith.nn.modules import Net
from convsmith.spec.errors import SpecError


@dataclass(frozen=True, eq=False)
class Cam:
    """maps: float (N, h, w), 0 and more, in units of the score; classes: int64 (N,), whose score; layer: its path.

    A map of zeros says that nothing which the layer found speaks for the class.
    """

    maps: Tensor
    classes: Tensor
    layer: str

    def scaled(self, size: tuple[int, int]) -> Tensor:
        """(N, *size), bilinear, each map divided by its own largest value: 0..1; a map of zeros stays one."""
        grown = F.interpolate(self.maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
        top = grown.amax((1, 2), keepdim=True)
        return torch.where(top > 0, grown / top.clamp_min(torch.finfo(grown.dtype).tiny), 0)


def grad_cam(net: Net, images: Tensor, *, layer: str | None = None, classes: Tensor | int | None = None) -> Cam:
    """Maps of a batch, in evaluation mode; the network, its gradients and its mode stay as they are.

    images   as the network takes them (normalised), float (N, C, H, W)
    layer    a path of the graph, a join's (`layer1.0.add`) or a module's (`layer4`) too; by default see `last_map`
    classes  one for all images, or int64 (N,), one for each; None: the predicted one

    Raises UnknownName for another path, offering the nearest; SpecError for a layer without a spatial map and for a
    class that the network does not have.
    """
    index = map_row(net.graph, layer)
    row = net.graph.rows[index]
    kept: dict[str, Tensor] = {}

    def see(i: int, value: Tensor) -> Tensor:
        if i == index:
            value = kept["value"] = value.detach().requires_grad_()
            torch.set_grad_enabled(True)  # what lies before needs no gradient
        return value

    with evaluating(net), torch.inference_mode(False), torch.no_grad():
        logits = walk(net, images.clone() if images.is_inference() else images, see)
        assert isinstance(logits, Tensor)  # in evaluation there are no auxiliary heads
        chosen = _classes(logits, classes)
        gradient = _gradient(logits, chosen, kept["value"], row.path)
    value, gradient = (channels_first(x, row) for x in (kept["value"].detach(), gradient))
    return Cam(_map(value, gradient), chosen, row.path)


def grad_cam_of(module: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor | int | None = None) -> Cam:
    """The same of any module (images -> logits) and one of its layers, whose output is (N, K, h, w).

    Raises SpecError if the layer does not run, has no spatial map, or has no say in the logits.
    """
    name = next((path for path, part in module.named_modules() if part is layer), type(layer).__name__)
    kept: dict[str, Tensor] = {}

    def keep(_: nn.Module, __: Any, made: Tensor) -> Tensor:
        kept["value"] = made.detach().requires_grad_()
        return kept["value"].clone()  # a layer that works in place cannot change what is kept

    handle = layer.register_forward_hook(keep)
    try:
        with evaluating(module), torch.inference_mode(False), torch.enable_grad():
            logits = module(images.clone() if images.is_inference() else images)
            if "value" not in kept:
                raise SpecError(f"{name}: this layer does not run on the way to the logits")
            if kept["value"].dim() != 4 or kept["value"][0, 0].numel() < 2:
                raise SpecError(f"{name}: its output {tuple(kept['value'].shape)[1:]} is no spatial map")
            chosen = _classes(logits, classes)
            gradient = _gradient(logits, chosen, kept["value"], name)
    finally:
        handle.remove()
    return Cam(_map(kept["value"].detach(), gradient), chosen, name)


def _classes(logits: Tensor, classes: Tensor | int | None) -> Tensor:
    if classes is None:
        return logits.detach().argmax(1)
    many, known = logits.shape
    chosen = torch.as_tensor(classes, dtype=torch.int64, device=logits.device).expand(many)
    if not bool(((chosen >= 0) & (chosen < known)).all()):
        wrong = next(int(i) for i in chosen if not 0 <= i < known)
        raise SpecError(f"class {wrong} is none of the network's, which are numbered 0 to {known - 1}")
    return chosen


def _gradient(logits: Tensor, classes: Tensor, value: Tensor, name: str) -> Tensor:
    """Of each image's own score; images of a batch do not touch each other in evaluation."""
    score = logits.gather(1, classes[:, None]).sum()
    found = None
    if score.requires_grad:
        (found,) = torch.autograd.grad(score, [value], allow_unused=True)
    if found is None:
        raise SpecError(f"{name}: nothing leads from this layer to the logits, so it says nothing of a class")
    return found


def _map(value: Tensor, gradient: Tensor) -> Tensor:
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * value).sum(1).relu()
