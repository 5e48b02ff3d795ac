"""One training step: images in, weights moved."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convsmith.data import Preprocess
from convsmith.data.augment import Mix
from convsmith.train.execution import Execution
from convsmith.train.keys import seed_step
from convsmith.train.loss import loss_of
from convsmith.train.recipe import Recipe
from convsmith.train.runtime import Runtime
from convsmith.train.state import State
from convsmith.train.transfer import Freezer


@dataclass
class Stepper:
    """What a step needs; `model` is the network as it is to be called in training (compiled, wrapped for DDP)."""

    state: State
    model: nn.Module
    recipe: Recipe
    preprocess: Preprocess
    execution: Execution
    runtime: Runtime
    seed: int
    freezer: Freezer
    judged: nn.Module | None = None
    """What is validated, if not the whole network."""
    weights: Tensor | None = None
    """Of the classes in the loss, float32 (classes,), on the device."""

    @property
    def device(self) -> torch.device:
        """Where it steps."""
        return torch.device(self.execution.device)

    @property
    def neighbour(self) -> bool:
        """Whether a part of a batch needs the image before its first: mixing is with the one before, in the batch."""
        return self.runtime.size > 1 and bool(self.recipe.mixup or self.recipe.cutmix)

    def part(self, index: Tensor) -> Tensor:
        """This process's part of a global batch, int64 (N,), led by the neighbour's index if that is needed."""
        part = self.runtime.split(index)
        return torch.cat([self.runtime.split(index.roll(1))[:1], part]) if self.neighbour else part

    def forward(self, images: Tensor, labels: Tensor, *, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Mean loss and number of right answers of a `part`: images 0..255 (N, C, S, S), labels int64 (N,)."""
        recipe = self.recipe
        images, labels = self.execution.images(images), labels.to(self.device)
        others = None
        if self.neighbour:
            others, images, labels = (images[:-1].clone(), labels[:-1]), images[1:], labels[1:]  # Mix writes into them
        mix, classes = Mix(recipe.mixup, recipe.cutmix), len(self.state.classes)
        images, targets = mix(images, labels, classes, seed=self.seed, epoch=epoch, step=step, others=others)
        seed_step(self.seed, epoch, step, self.runtime.rank)
        with self.execution.autocast():
            out = self.model(self.preprocess.normalise(images))
        loss, logits = loss_of(out, targets, recipe.label_smoothing, recipe.aux, self.weights)
        return loss, (logits.argmax(1) == labels).sum()

    def update(self, loss: Tensor, share: float, lr: float) -> None:
        """Backward, clip, step, average; `share` is this process's part of the global batch.

        Gradients are averaged over processes, so each one's loss counts by its images: the result is the gradient of
        the global batch's mean, also where parts are unequal.
        """
        state, optimiser, scaler = self.state, self.state.optimiser, self.state.scaler
        for group in optimiser.param_groups:
            group["lr"] = lr * group.get("share", 1.0)
        optimiser.zero_grad(set_to_none=True)
        weight = share * self.runtime.size
        scaler.scale(loss if weight == 1 else loss * weight).backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip or state.anchor is not None:
            scaler.unscale_(optimiser)
        if state.anchor is not None:
            state.anchor.pull(state.net)
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(state.net.parameters(), self.recipe.clip)
        scaler.step(optimiser)
        scaler.update()
        if state.ema is not None:
            state.ema.update(state.net)
