"""A recipe's optimiser: one object, whose whole state is `state_dict()`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from convsmith.train.muon import Muon
from convsmith.train.recipe import Recipe
from convsmith.train.rmsprop import RMSPropTF

Groups = list[dict[str, Any]]


def make_optimiser(
    net: nn.Module,
    recipe: Recipe,
    *,
    fused: bool = False,
    rates: Mapping[str, float] | None = None,
    anchored: Collection[str] = (),
) -> torch.optim.Optimizer:
    """The optimiser of a recipe over the network's named parameters.

    sgd         torch's; momentum without dampening, as in the papers
    rmsprop     torch's: the mean square begins at 0 and eps is added to its root
    rmsprop_tf  TensorFlow's: it begins at 1 and eps is inside; the figures of MobileNet and EfficientNet belong to it
    adamw       torch's, with betas (momentum, alpha)
    muon        `Muon` for convolutions but depthwise ones, SGD for all else

    `decay` "weights" spares what has one axis, which are biases and norms; "all" spares nothing. `fused` takes torch's
    fused kernels where this optimiser has them for this device and dtype; the results differ by rounding at most.

    `rates` are shares of the learning rate by parameter, each 1 if there are none; a group has its own as `share`, and
    who sets its `lr` multiplies by it. `anchored` parameters are pulled elsewhere, and do not decay.
    """
    groups = list(_groups(net, recipe, rates or {}, anchored))
    return MAKERS[recipe.optimiser](groups, recipe, fused)


def _groups(
    net: nn.Module, recipe: Recipe, rates: Mapping[str, float], anchored: Collection[str]
) -> Iterator[dict[str, Any]]:
    """What decays, then what does not; for muon, what it turns before both; the largest rates first. None is empty."""
    found: dict[tuple[bool, bool, float], list[tuple[str, Tensor]]] = {}
    for name, weight in net.named_parameters():
        if weight.requires_grad:
            turned = recipe.optimiser == "muon" and weight.ndim == 4 and weight.shape[1] > 1
            decays = (recipe.decay == "all" or weight.ndim > 1) and name not in anchored
            found.setdefault((turned, decays, rates.get(name, 1.0)), []).append((name, weight))
    for turned, decays, share in sorted(found, reverse=True):
        yield {
            "params": found[turned, decays, share],
            "weight_decay": recipe.weight_decay if decays else 0.0,
            **({"orthogonal": turned} if recipe.optimiser == "muon" else {}),
            **({"lr": recipe.lr * share, "share": share} if share != 1 else {}),
        }


def _sgd(groups: Groups, recipe: Recipe, fused: bool) -> torch.optim.Optimizer:
    settings = {"lr": recipe.lr, "momentum": recipe.momentum, "nesterov": _looks_ahead(recipe)}
    return _fused(torch.optim.SGD, groups, settings, fused)


def _rmsprop(groups: Groups, recipe: Recipe, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(groups, recipe.lr, recipe.alpha, recipe.eps, momentum=recipe.momentum)


def _rmsprop_tf(groups: Groups, recipe: Recipe, fused: bool) -> torch.optim.Optimizer:
    return RMSPropTF(groups, lr=recipe.lr, alpha=recipe.alpha, momentum=recipe.momentum, eps=recipe.eps)


def _adamw(groups: Groups, recipe: Recipe, fused: bool) -> torch.optim.Optimizer:
    settings = {"lr": recipe.lr, "betas": (recipe.momentum, recipe.alpha), "eps": recipe.eps}
    return _fused(torch.optim.AdamW, groups, settings, fused)


def _muon(groups: Groups, recipe: Recipe, fused: bool) -> torch.optim.Optimizer:
    return Muon(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=_looks_ahead(recipe))


MAKERS: dict[str, Callable[[Groups, Recipe, bool], torch.optim.Optimizer]] = {
    "sgd": _sgd, "rmsprop": _rmsprop, "rmsprop_tf": _rmsprop_tf, "adamw": _adamw, "muon": _muon,
}  # fmt: skip


def _looks_ahead(recipe: Recipe) -> bool:
    return recipe.nesterov and recipe.momentum > 0  # torch refuses the one without the other


def _fused(
    make: Callable[..., torch.optim.Optimizer], groups: Groups, settings: dict[str, Any], fused: bool
) -> torch.optim.Optimizer:
    if fused:
        try:
            return make([dict(group) for group in groups], **settings, fused=True)
        except RuntimeError:  # not on this device or for this dtype
            pass
    return make(groups, **settings)
