"""The training loop, over torch alone (docs/decisions: 002-torch-alone.md and 008-one-runtime.md say why).

Everything random is keyed: the order of an epoch by (seed, epoch), augmentation by (seed, epoch, image), mixing by
(seed, epoch, step), dropout by (seed, epoch, step, process). So a training that goes on from its checkpoint, even from
the middle of an epoch, is the training that was never interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from convsmith.data import Data
from convsmith.data.feed import Feed
from convsmith.nn import Net
from convsmith.train import faults
from convsmith.train.evaluate import loss_and_top1
from convsmith.train.features import FEATURES, cacheable, cached
from convsmith.train.imbalance import epoch_order
from convsmith.train.keys import order
from convsmith.train.loss import loss_of
from convsmith.train.optimiser import make_optimiser
from convsmith.train.position import Position
from convsmith.train.prepare import on_features, prepared, released
from convsmith.train.recipe import Recipe
from convsmith.train.run import Run
from convsmith.train.runtime import Runtime, Solo
from convsmith.train.saving import Saver
from convsmith.train.setup import Setup
from convsmith.train.sides import side_at
from convsmith.train.step import Stepper
from convsmith.train.tally import Tally
from convsmith.train.watch import Interrupts, Silent, Watch

__all__ = ["Interrupted", "loss_of", "make_optimiser", "order", "shortened", "train"]

LOOK = 20
"""Steps on a GPU from one look at the loss, Ctrl-C and the clock to the next: a look waits for the device."""


class Interrupted(Exception):
    """Training was stopped on request; the checkpoint holds all that was done."""


def train(
    net: Net,
    data: Data,
    recipe: Recipe,
    *,
    seed: int = 0,
    run: Run | None = None,
    watch: Watch | None = None,
    title: str = "train",
    setup: Setup | None = None,
    runtime: Runtime | None = None,
) -> list[dict[str, Any]]:
    """Train to the recipe's end, in place; with a run, log each epoch and go on from the run's checkpoint if it has
    one. With a moving average, the network ends with the averaged weights.

    Returns a record an epoch: epoch, step, lr, train_loss, train_top1, val_loss, val_top1, images_per_s, seconds.
    Raises TrainingError if the loss is no number, RunError for a broken checkpoint or a full disk, Interrupted on
    Ctrl-C (with a run; the state is saved first).
    """
    setup, runtime, watch = setup or Setup(), runtime or Solo(), watch or Silent()
    recipe = recipe.settled(len(data.train), data.flip)
    stepper = prepared(net, data, recipe, setup, runtime, seed=seed)
    saver = Saver(run, stepper.state, runtime, setup.every, setup.sharded)
    at = saver.restore(watch)
    if cacheable(net, data, recipe, runtime):
        begun = time.perf_counter()
        data = cached(net, data, stepper.execution, watch)
        if run is not None and runtime.main:
            spent = run.about.get(FEATURES, 0.0) + time.perf_counter() - begun
            run.update(**{FEATURES: round(spent, 2)})
        stepper = on_features(stepper, net, data)
    loop = Loop(stepper, data, saver, at, watch)
    watch.start(title, loop.steps, at.epoch * loop.batches + at.step)
    try:
        with Interrupts() as interrupts:
            for record in loop.epochs(interrupts):
                if run is not None and runtime.main:
                    run.log(record)
                watch.epoch(record)
    finally:
        watch.stop()
    released(stepper)
    return at.history


@dataclass
class Loop:
    """A training on its way; `at` is whole whenever control is handed out."""

    stepper: Stepper
    data: Data
    saver: Saver
    at: Position
    watch: Watch
    _fed: tuple[int, Feed] | None = None

    @property
    def batches(self) -> int:
        """Steps an epoch."""
        return math.ceil(len(self.data.train) / self.stepper.recipe.batch)

    @property
    def steps(self) -> int:
        """Steps in all."""
        assert self.stepper.recipe.epochs is not None  # settled
        return self.batches * self.stepper.recipe.epochs

    def epochs(self, interrupts: Interrupts) -> Iterator[dict[str, Any]]:
        """The rest of the training, a record an epoch, which the checkpoint knows before anyone else does."""
        while self.at.epoch * self.batches < self.steps:
            for stop in self._epoch(interrupts):
                if stop:
                    self._stop()
            record = self._record()
            self.at.ended(record)
            self.stepper.state.schedule.epoch_ended(record)
            self.saver.write(self.at)
            yield record

    def _epoch(self, interrupts: Interrupts) -> Iterator[bool]:
        """The rest of the epoch, a step at a time; whether a stop was asked for."""
        at, stepper, runtime = self.at, self.stepper, self.stepper.runtime
        feed = self._feed(side_at(stepper.recipe, self.data.side, at.epoch))
        sampling, classes = stepper.recipe.sampling, len(self.data.classes)
        every = epoch_order(feed, sampling, classes, seed=stepper.seed, epoch=at.epoch)
        whole = torch.tensor_split(every, self.batches)[at.step :]
        parts = [stepper.part(index) for index in whole]
        tally = Tally(at, stepper.device, runtime)
        means, begun = (0.0, 0.0), time.perf_counter()
        stepper.model.train()
        stepper.freezer.begin(at.epoch)
        for index, batch in zip(whole, feed.batches(parts, seed=stepper.seed, epoch=at.epoch), strict=True):
            step = at.epoch * self.batches + at.step
            lr = stepper.state.schedule.lr(step)
            loss, right = stepper.forward(batch.images, batch.labels, epoch=at.epoch, step=at.step)
            look = self._looks(at.step)
            tally.watch(loss, step)
            if look and runtime.any(tally.faulty)[0]:
                self._fail(tally, lr)
            mine = len(batch.labels) - stepper.neighbour
            stepper.update(loss, mine / len(index), lr)
            tally.add(loss, right, mine)
            at.step += 1
            if look:
                means = tally.means()
            due = self.saver.step()
            at.seconds += time.perf_counter() - begun
            self.watch.step(at.epoch + 1, *means, tally.seen / at.seconds)
            if look:
                stop, save = runtime.any(interrupts.asked, due)
                if stop or save:
                    tally.into(at)
                if save and not stop:
                    self.saver.write(at)
                yield stop
            begun = time.perf_counter()
        tally.into(at)
        at.seconds += time.perf_counter() - begun

    def _feed(self, side: int) -> Feed:
        """Training images at this side; the same feed as before while the side stays."""
        if self._fed is None or self._fed[0] != side:
            recipe = self.stepper.recipe
            augment = recipe.augment(side, self.data.side)
            self._fed = side, self.data.feed(augment, recipe.canvas, self.stepper.device)
        return self._fed[1]

    def _looks(self, step: int) -> bool:
        """Whether to look after this step, 0, 1, ...; always at the CPU's, and at the last of an epoch."""
        often = min(LOOK, self.saver.every.steps or LOOK) if self.stepper.device.type != "cpu" else 1
        return (step + 1) % often == 0 or step + 1 == self.batches

    def _fail(self, tally: Tally, lr: float) -> None:
        value, step = float(tally.fault), int(tally.fault_step)
        if step < 0:  # another process's loss; its own message is the one that is read
            value, step = float("nan"), self.at.epoch * self.batches + self.at.step
        net, recipe = self.stepper.state.net, self.stepper.recipe
        raise faults.no_number(net, recipe, value, step=step + 1, epoch=self.at.epoch + 1, lr=lr)

    def _stop(self) -> None:
        if self.saver.run is None:
            raise KeyboardInterrupt
        self.saver.write(self.at)
        raise Interrupted

    def _record(self) -> dict[str, Any]:
        stepper, state, at = self.stepper, self.stepper.state, self.at
        stepper.runtime.align(state.net)
        with state.ema.applied(state.net) if state.ema is not None else nullcontext():
            loss, top1 = loss_and_top1(
                stepper.judged or state.net, self.data.val, self.data.preprocess, stepper.runtime, stepper.execution
            )
        done = (at.epoch + 1) * self.batches
        return {
            "epoch": at.epoch + 1,
            "step": done,
            "lr": state.schedule.lr(done - 1),
            "train_loss": at.loss_sum / at.seen,
            "train_top1": at.correct / at.seen,
            "val_loss": loss,
            "val_top1": top1,
            "images_per_s": at.seen / at.seconds,
            "seconds": at.seconds,
        }


def shortened(recipe: Recipe, epochs: int) -> Recipe:
    """The same recipe with its whole schedule in fewer epochs."""
    return replace(recipe, epochs=epochs)
