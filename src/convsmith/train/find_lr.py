"""Which learning rate a network takes: a few steps of training while the rate grows, on a copy that is thrown away.

Smith 2017, "Cyclical learning rates for training neural networks" (arXiv:1506.01186, section 3.3), proposes the range
test: let the rate rise during a short run and see where learning begins and where it ends. There the rate rises
linearly over epochs; here exponentially over steps, as fast.ai does, so that seven orders of magnitude fit.

No trace is left: the network and its optimiser are copied and never touched, so that nothing has to be put back, not
even after a kill; the random streams, which cannot be copied, are restored (`same_randomness`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from convsmith.data import Data
from convsmith.data.augment import Mix
from convsmith.nn import Net
from convsmith.spec.errors import DataError, SpecError, TrainingError
from convsmith.spec.signature import positive_size
from convsmith.train.imbalance import balanced_draw, class_weights
from convsmith.train.keys import order, seed_step
from convsmith.train.loss import loss_of
from convsmith.train.lr_curve import STOP, descended, smooth
from convsmith.train.prepare import begun, optimiser_of
from convsmith.train.randomness import same_randomness
from convsmith.train.recipe import Recipe

Progress = Callable[[int, int, float, float], None]
"""Called as progress(done, steps, lr, loss) after each step."""

FEWEST = 10
"""Steps below which a curve has no shape."""


@dataclass(frozen=True)
class LrCurve:
    """The loss of each step's batch before the step, and what it says; all tuples have one entry a step.

    lrs         the learning rates, growing by a constant factor; fewer than asked where the loss diverged
    losses      training loss by the recipe, in nats
    smoothed    the same without the noise of batches (`smooth`)
    suggestion  a peak for the recipe, where most of the descent is done (`descended`); None where there is none
    stopped     whether the loss diverged before the highest rate was reached
    """

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    stopped: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def find_lr(
    net: Net,
    data: Data,
    recipe: Recipe,
    *,
    seed: int = 0,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    optimiser: torch.optim.Optimizer | None = None,
    progress: Progress | None = None,
) -> LrCurve:
    """Train a copy of `net` for `steps` batches while the rate grows from `lowest` to `highest`, or until it diverges.

    Batches, augmentation, mixing, dropout, loss and optimiser are those of the recipe's own training with this seed, in
    float32 and at the full side from the first step on; `data` must be at the network's side. With an `optimiser` (of
    this net, in the middle of a training) a copy of it goes on from its momentum. Parameter groups keep the ratios of
    their rates.

    Raises SpecError for a range or a number of steps that make no curve, DataError where the images do not fill a batch
    or have one class, TrainingError if the very first loss is no number.
    """
    _check(data, recipe, lowest, highest, steps)
    recipe = recipe.settled(len(data.train), data.flip)
    with same_randomness(), torch.inference_mode(False), torch.enable_grad():
        known = {id(net.network): net.network, id(net.graph): net.graph}  # values: no need to copy them
        trial, steered = copy.deepcopy((net, optimiser), known)
        trial.train()
        if steered is None:
            freezer = begun(trial, data, recipe)
            steered = optimiser_of(trial, recipe, freezer)
            freezer.begin(0)
        rates = [lowest * (highest / lowest) ** (step / (steps - 1)) for step in range(steps)]
        weights = class_weights(recipe, data.train.labels, data.classes)
        if weights is not None:
            weights = weights.to(next(trial.parameters()).device)
        losses = list(_losses(trial, steered, _batches(net, data, recipe, seed), rates, recipe, progress, weights))
    smoothed = smooth(losses)
    found = descended(rates[: len(losses)], losses, smoothed, _chance(net, data, recipe))
    return LrCurve(tuple(rates[: len(losses)]), tuple(losses), tuple(smoothed), found, len(losses) < steps)


def _losses(
    net: Net,
    optimiser: torch.optim.Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    rates: list[float],
    recipe: Recipe,
    progress: Progress | None,
    weights: Tensor | None,
) -> Iterator[float]:
    """The loss of each step, up to the highest rate or the step before the loss diverged."""
    first = optimiser.param_groups[0]["lr"]
    ratios = [group["lr"] / first if first else 1.0 for group in optimiser.param_groups]
    average, weight, best = 0.0, 0.0, math.inf
    for step, (lr, (images, targets)) in enumerate(zip(rates, batches, strict=False)):
        loss, _ = loss_of(net(images), targets, recipe.label_smoothing, recipe.aux, weights)
        value = loss.item()
        if not math.isfinite(value):
            if step == 0:
                raise TrainingError(
                    f"the very first loss is {value}, before any step: look at the images and the initial weights"
                )
            return
        average, weight = 0.9 * average + 0.1 * value, 0.9 * weight + 0.1
        best = min(best, average / weight)
        if average / weight > STOP * best:
            return
        yield value
        for group, ratio in zip(optimiser.param_groups, ratios, strict=True):
            group["lr"] = lr * ratio
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
        optimiser.step()
        if progress is not None:
            progress(step + 1, len(rates), lr, value)


def _batches(net: Net, data: Data, recipe: Recipe, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of a training with this seed, epoch after epoch without end; torch's stream is that of each step."""
    device = next(net.parameters()).device
    augment, mix, train, epoch = recipe.augment(data.side), Mix(recipe.mixup, recipe.cutmix), data.train, 0
    while True:
        every = order(len(train), seed, epoch)
        if recipe.sampling == "balanced":
            every = balanced_draw(train.labels, len(data.classes), seed=seed, epoch=epoch)[every]
        for step, keys in enumerate(torch.tensor_split(every, math.ceil(len(train) / recipe.batch))):
            index = keys % len(train)
            images = augment(train.images[index], keys, seed=seed, epoch=epoch).to(device)
            labels = train.labels[index].to(device)
            images, targets = mix(images, labels, len(data.classes), seed=seed, epoch=epoch, step=step)
            seed_step(seed, epoch, step, 0)
            yield data.preprocess.normalise(images), targets
        epoch += 1


def _chance(net: Net, data: Data, recipe: Recipe) -> float:
    """The loss of logits that are all alike, whatever the targets; auxiliary heads add their share."""
    return math.log(len(data.classes)) * (1 + recipe.aux * len(net.graph.taps))


def _check(data: Data, recipe: Recipe, lowest: float, highest: float, steps: int) -> None:
    if not 0 < lowest < highest < math.inf:
        raise SpecError(f"find-lr: rates must grow from above 0 to a finite end, got {lowest:g} to {highest:g}")
    if positive_size("find-lr: steps", steps) < FEWEST:
        raise SpecError(f"find-lr: {steps} steps make no curve, take {FEWEST} or more (100 are usual)")
    if data.outside is not None:
        raise DataError(
            f"{data.name} does not stay in memory, and find-lr looks at its training images; give it as many as fit"
        )
    if len(data.classes) < 2:
        raise DataError(f"{data.name} has one class: its loss is the same at every learning rate; add another class")
    if len(data.train) < recipe.batch:
        raise DataError(
            f"{data.name} has {len(data.train)} training images, less than a batch of {recipe.batch}; "
            f"take a smaller one, such as --set batch={max(1, len(data.train) // 4)}"
        )
