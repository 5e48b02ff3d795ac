"""Training shared weights: in every step the largest member, the smallest and some by chance (the sandwich rule), which
learn from the largest (in-place distillation; Yu & Huang 2019, sections 3.1 and 3.2).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from convsmith.data import Data
from convsmith.data.feed import Feed
from convsmith.search.costs import costs_of
from convsmith.search.searchers.feasible import Feasible
from convsmith.search.spaces import Genome
from convsmith.search.supernet.shared import Shared, looked_at
from convsmith.spec.errors import RunError, TrainingError
from convsmith.spec.files import write_whole
from convsmith.train import Interrupted, Recipe, Watch
from convsmith.train.keys import seed_step
from convsmith.train.schedule import Schedule

MEMBERS = 4
"""Of a step: the largest, the smallest, and the rest by chance."""
CLIP = 1.0
"""Norm that gradients are held to, as members pull in different directions."""


class Ends(NamedTuple):
    """The members of most and of fewest multiply-adds that were looked at."""

    largest: Genome
    smallest: Genome


def train_shared(
    path: Path, feasible: Feasible, data: Data, recipe: Recipe, epochs: int, *, seed: int, watch: Watch
) -> Shared:
    """Shared weights for the feasible members, trained for so many epochs, and kept at `path` after each; what is there
    is gone on with, to the same bits. `recipe` (settled) gives batch, augmentation, peak rate and decay; SGD with
    Nesterov momentum, a cosine with its warm-up. Raises TrainingError, RunError, Interrupted.
    """
    members = list(looked_at(feasible, seed))
    shared = Shared(members, seed)
    by_macs = sorted(members, key=lambda genome: costs_of(genome.graph)[2])
    ends = Ends(by_macs[-1], by_macs[0])
    optimiser = torch.optim.SGD(
        shared.parameters(), recipe.lr, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    batches = math.ceil(len(data.train) / recipe.batch)
    loop = _Loop(shared, ends, feasible, data, recipe, optimiser, Schedule(_schedule(recipe, epochs), batches), batches,
                 seed, watch)  # fmt: skip
    done = _restored(path, shared, optimiser)
    watch.start("supernet", epochs * batches, done * batches)
    try:
        for epoch in range(done, epochs):
            loop.epoch(epoch)
            _keep(path, shared, optimiser, epoch + 1)
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        watch.stop()
    return shared


def _schedule(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with the schedule of shared weights."""
    return replace(recipe, epochs=epochs, schedule="cosine", warmup=max(recipe.warmup, 0.05))


@dataclass
class _Loop:
    """What all epochs share."""

    shared: Shared
    ends: Ends
    feasible: Feasible
    data: Data
    recipe: Recipe
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    batches: int
    seed: int
    watch: Watch

    @cached_property
    def feed(self) -> Feed:
        """The training images, augmented."""
        side = self.data.side
        return self.data.feed(self.recipe.augment(side, side), self.recipe.canvas, torch.device("cpu"))

    def epoch(self, epoch: int) -> None:
        """One, from 0. Raises TrainingError."""
        parts = torch.tensor_split(self.feed.order(self.seed, epoch), self.batches)
        begun, seen = time.perf_counter(), 0
        for step, batch in enumerate(self.feed.batches(parts, seed=self.seed, epoch=epoch)):
            images = self.data.preprocess.normalise(batch.images)
            some = self.members(np.random.default_rng((self.seed, epoch, step)))
            for group in self.optimiser.param_groups:
                group["lr"] = self.schedule.lr(epoch * self.batches + step)
            seed_step(self.seed, epoch, step, 0)  # of dropout
            loss, top1 = step_of(self.shared, some, images, batch.labels)
            if not math.isfinite(loss):
                raise TrainingError(f"supernet: the loss is {loss} in epoch {epoch + 1}; lower the rate: --set lr=...")
            torch.nn.utils.clip_grad_norm_(self.shared.parameters(), CLIP)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            seen += len(batch.labels)
            self.watch.step(epoch + 1, loss, top1, seen / (time.perf_counter() - begun))

    def members(self, random: np.random.Generator) -> list[Genome]:
        """Of a step. Some that are drawn do not fit on the shared weights, as not all members were looked at: others
        are drawn."""
        drawn = filter(self.shared.fits, iter(lambda: self.feasible.draw(random), None))
        return [self.ends.largest, self.ends.smallest, *islice(drawn, MEMBERS - 2)]


def step_of(shared: Shared, members: list[Genome], images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Gradients of a step; loss and top-1 of the first, the largest member, which learns from labels and teaches."""
    teacher = None
    for genome in members:
        shared.net(genome).train()
        out = shared(genome, images)
        if teacher is None:
            loss = F.cross_entropy(out, labels)
            first = float(loss.detach()), float((out.argmax(1) == labels).float().mean())
            teacher = out.detach().softmax(1)
        else:
            loss = F.cross_entropy(out, teacher)
        loss.backward()  # type: ignore[no-untyped-call]
    return first


def _named(shared: Shared, optimiser: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
    for name, weight in shared.weights.items():
        yield name, weight, optimiser.state[weight]


def _keep(path: Path, shared: Shared, optimiser: torch.optim.Optimizer, epochs: int) -> None:
    tensors = {f"weight {name}": weight.detach() for name, weight, _ in _named(shared, optimiser)}
    for name, _, state in _named(shared, optimiser):
        if state.get("momentum_buffer") is not None:
            tensors[f"momentum {name}"] = state["momentum_buffer"]
    write_whole(path, save(tensors, {"epochs": str(epochs)}))


def _restored(path: Path, shared: Shared, optimiser: torch.optim.Optimizer) -> int:
    """Epochs that are there."""
    if not path.exists():
        return 0
    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            epochs = int(file.metadata()["epochs"])
        with torch.no_grad():
            for name, weight, state in _named(shared, optimiser):
                weight.copy_(tensors[f"weight {name}"])
                if f"momentum {name}" in tensors:
                    state["momentum_buffer"] = tensors[f"momentum {name}"]
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(
            f"{path} is broken, or of another search ({error}); remove it to train the supernet anew"
        ) from None
    return epochs
