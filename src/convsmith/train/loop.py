"""The training loop, over torch alone (docs/decisions/002-torch-alone.md says why).

Everything random is keyed: the order of an epoch by (seed, epoch), augmentation by (seed, epoch, image). So a training
that goes on from its checkpoint, even from the middle of an epoch, is the training that was never interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.data import Data
from convsmith.nn import Net
from convsmith.spec.errors import TrainingError
from convsmith.train import checkpoint
from convsmith.train.checkpoint import Position
from convsmith.train.evaluate import loss_and_top1
from convsmith.train.recipe import Recipe
from convsmith.train.run import Run
from convsmith.train.watch import Interrupts, Silent, Watch

AUX_WEIGHT = 0.3
"""Weight of each auxiliary head's loss (Szegedy et al. 2014, section 5)."""


class Interrupted(Exception):
    """Training was stopped on request; the checkpoint holds all that was done."""


@dataclass(frozen=True)
class Job:
    """One training: what, on what, how."""

    net: Net
    data: Data
    recipe: Recipe
    seed: int
    title: str = "train"

    @property
    def batches(self) -> int:
        """Steps an epoch."""
        return math.ceil(len(self.data.train) / self.recipe.batch)

    @property
    def steps(self) -> int:
        """Steps in all."""
        assert self.recipe.epochs is not None  # settled before a job is made
        return self.batches * self.recipe.epochs


def train(
    net: Net,
    data: Data,
    recipe: Recipe,
    *,
    seed: int = 0,
    run: Run | None = None,
    watch: Watch | None = None,
    title: str = "train",
) -> list[dict[str, Any]]:
    """Train to the recipe's end, in place; with a run, log each epoch and go on from the run's checkpoint if it has
    one.

    Returns a record an epoch: epoch, step, lr, train_loss, train_top1, val_loss, val_top1, images_per_s, seconds.
    Raises TrainingError if the loss is no number, RunError for a broken checkpoint, Interrupted on Ctrl-C (with a run;
    the state is saved first).
    """
    job = Job(net, data, recipe.settled(len(data.train), data.flip), seed, title)
    optimiser = make_optimiser(net, job.recipe)
    at = Position()
    torch.manual_seed(seed)
    if run is not None and run.has("checkpoint.safetensors"):
        at = checkpoint.read(run.path("checkpoint.safetensors"), net, optimiser)
        run.rewrite_log(at.history)
    watch = watch or Silent()
    watch.start(title, job.steps, at.epoch * job.batches + at.step)
    try:
        with Interrupts() as interrupts:
            for record in _epochs(job, optimiser, at, watch, interrupts, run):
                if run is not None:
                    run.log(record)
                watch.epoch(record)
    finally:
        watch.stop()
    net.eval()
    return at.history


def _epochs(
    job: Job, optimiser: torch.optim.Optimizer, at: Position, watch: Watch, interrupts: Interrupts, run: Run | None
) -> Iterator[dict[str, Any]]:
    path = run.path("checkpoint.safetensors") if run is not None else None
    assert job.recipe.epochs is not None
    while at.epoch < job.recipe.epochs:
        for _ in _steps(job, optimiser, at, watch):
            if interrupts.asked:
                _stop(path, job.net, optimiser, at)
        record = _record(job, at)
        fresh = Position(epoch=at.epoch + 1, history=[*at.history, record])
        vars(at).update(vars(fresh))
        if path is not None:
            checkpoint.write(path, job.net, optimiser, at)
        yield record


def _steps(job: Job, optimiser: torch.optim.Optimizer, at: Position, watch: Watch) -> Iterator[None]:
    """The rest of the current epoch, one step at a time; `at` is whole whenever control is handed out."""
    train, recipe = job.data.train, job.recipe
    augment = recipe.augment(job.data.side)
    batches = torch.tensor_split(order(len(train), job.seed, at.epoch), job.batches)
    job.net.train()
    for index in batches[at.step :]:
        begun = time.perf_counter()
        lr = recipe.lr_at(at.epoch * job.batches + at.step, job.steps)
        for group in optimiser.param_groups:
            group["lr"] = lr
        images = augment(train.images[index], index, seed=job.seed, epoch=at.epoch)
        labels = train.labels[index]
        loss, logits = loss_of(job.net(job.data.preprocess.normalise(images)), labels, recipe.label_smoothing)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(_no_number(job, at, lr, value))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        at.step += 1
        at.seen += len(index)
        at.loss_sum += value * len(index)
        at.correct += int((logits.argmax(1) == labels).sum())
        at.seconds += time.perf_counter() - begun
        watch.step(at.epoch + 1, at.loss_sum / at.seen, at.correct / at.seen, at.seen / at.seconds)
        yield


def loss_of(out: Tensor | dict[str, Tensor], labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Cross entropy, with auxiliary heads at `AUX_WEIGHT`; and the main logits."""
    heads = out if isinstance(out, dict) else {"logits": out}
    losses = {name: F.cross_entropy(logits, labels, label_smoothing=smoothing) for name, logits in heads.items()}
    main = losses.pop("logits")
    return main + AUX_WEIGHT * sum(losses.values(), start=torch.zeros(())), heads["logits"].detach()


def _record(job: Job, at: Position) -> dict[str, Any]:
    loss, top1 = loss_and_top1(job.net, job.data.val, job.data.preprocess)
    done = (at.epoch + 1) * job.batches
    return {
        "epoch": at.epoch + 1,
        "step": done,
        "lr": job.recipe.lr_at(done - 1, job.steps),
        "train_loss": at.loss_sum / at.seen,
        "train_top1": at.correct / at.seen,
        "val_loss": loss,
        "val_top1": top1,
        "images_per_s": at.seen / at.seconds,
        "seconds": at.seconds,
    }


def _stop(path: Path | None, net: nn.Module, optimiser: torch.optim.Optimizer, at: Position) -> None:
    if path is None:
        raise KeyboardInterrupt
    checkpoint.write(path, net, optimiser, at)
    raise Interrupted


def _no_number(job: Job, at: Position, lr: float, value: float) -> str:
    step = at.epoch * job.batches + at.step + 1
    lower = f"most likely the learning rate is too high, try --set lr={job.recipe.lr / 10:g}"
    bad = [name for name, p in job.net.named_parameters() if not torch.isfinite(p).all()]
    if step == 1:
        cause = "the very first loss is no number, so look at the images and the initial weights"
    elif bad:
        cause = f"weights have overflowed, first in {bad[0]}: {lower}"
    else:
        cause = lower
    return f"loss became {value} at step {step} (epoch {at.epoch + 1}, learning rate {lr:.3g}): {cause}"


def order(images: int, seed: int, epoch: int) -> Tensor:
    """The order of an epoch: a permutation of 0 .. images - 1 that depends on (seed, epoch) alone."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(images, generator=generator)


def make_optimiser(net: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD with Nesterov momentum; weight decay spares biases and normalisation."""
    weights = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    nesterov = recipe.momentum > 0
    return torch.optim.SGD(
        [g for g in groups if g["params"]], lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov
    )


def shortened(recipe: Recipe, epochs: int) -> Recipe:
    """The same recipe with its whole schedule in fewer epochs."""
    return replace(recipe, epochs=epochs)
