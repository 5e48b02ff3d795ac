"""What to tell when a training cannot begin or go on."""

from __future__ import annotations

import torch
from torch import nn

from convsmith.spec.errors import TrainingError
from convsmith.train.recipe import Recipe
from convsmith.train.runtime import Runtime


def no_number(net: nn.Module, recipe: Recipe, value: float, *, step: int, epoch: int, lr: float) -> TrainingError:
    """The loss of step 1, 2, ... was `value`; the likely cause, and what to try."""
    lower = f"most likely the learning rate is too high, try --set lr={recipe.lr / 10:g}"
    bad = [name for name, p in net.named_parameters() if not torch.isfinite(p).all()]
    if step == 1:
        cause = "the very first loss is no number, so look at the images and the initial weights"
    elif bad:
        cause = f"weights have overflowed, first in {bad[0]}: {lower}"
    else:
        cause = lower
    return TrainingError(f"loss became {value} at step {step} (epoch {epoch}, learning rate {lr:.3g}): {cause}")


def check_parts(net: nn.Module, images: int, batches: int, runtime: Runtime, sync_norm: bool) -> None:
    """Raise TrainingError if a step has too few images for every process to have its part."""
    if runtime.size == 1:
        return
    alone = any(isinstance(module, nn.BatchNorm2d) for module in net.modules()) and not sync_norm
    fewest, least = images // batches // runtime.size, 2 if alone else 1
    if fewest < least:
        norm = ", and batch normalisation takes two (or --sync-norm)" if alone and fewest == 1 else ""
        raise TrainingError(
            f"a step has {images // batches} images, too few for {runtime.size} processes{norm}: "
            f"start fewer, or say --set batch={least * runtime.size} or more"
        )


def check_thaw(recipe: Recipe, runtime: Runtime) -> None:
    """Raise TrainingError where several processes would average gradients of what has not thawed."""
    if recipe.gradual and runtime.size > 1:
        raise TrainingError(
            "gradual unfreezing works in one process: start without torchrun, or say --set gradual=0 with "
            "--set trains=last:2"
        )
