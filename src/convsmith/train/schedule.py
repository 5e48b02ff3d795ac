"""The learning rate at every step.

With T steps in all, w = warmup · T of them to warm up, b batches an epoch, and steps s counted from 0, the peak is
multiplied, while s < w, by (s + 1) / (w + 1), so that the first step already moves (Goyal et al. 2017, section 2.2,
begin at 0). From then on, by the recipe's schedule:

cosine       (1 + cos(π (s - w) / (T - w))) / 2                        Loshchilov & Hutter 2016, eq. 5, one cycle
linear       1 - (s - w) / (T - w)                                     the "triangle" of Page 2018, with the warm-up
steps        factor ^ (milestones m with s >= m T)                     He et al. 2015, section 4.2
exponential  factor ^ floor(s / (every · b))                           stairs, as Szegedy et al. 2014, section 6; what
                                                                       TensorFlow calls exponential decay, staircase
plateau      factor ^ (falls so far)                                   Krizhevsky et al. 2012, section 5
constant     1

Falls of the plateau: the validation error (1 - top-1, 0..1) of an epoch is better if it is lower than the best one so
far by more than `THRESHOLD`. After more than `patience` epochs in a row that are no better, the rate falls and the
count begins anew. It is what torch's ReduceLROnPlateau does with threshold_mode "abs"; the papers did it by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, floor, pi
from typing import Any

from convsmith.train.recipe import Recipe

THRESHOLD = 1e-4
"""A validation error that is lower by less than this, a hundredth of a per cent, is no better."""


class Schedule:
    """The learning rates of one training by a settled recipe (`epochs` is a number), of `batches` steps an epoch.

    All but plateau are functions of the step alone. The plateau's state goes with a checkpoint: `state` and `load`.
    """

    def __init__(self, recipe: Recipe, batches: int) -> None:
        assert recipe.epochs is not None  # settled before a training begins
        self.recipe, self.batches, self.steps = recipe, batches, batches * recipe.epochs
        self.best: float | None = None
        self.bad = 0
        self.falls = 0

    def lr(self, step: int) -> float:
        """Learning rate of step 0 .. steps - 1."""
        recipe, warm = self.recipe, self.recipe.warmup * self.steps
        if step < warm:
            return recipe.lr * (step + 1) / (warm + 1)
        after, rest = step - warm, max(1.0, self.steps - warm)
        match recipe.schedule:
            case "cosine":
                return recipe.lr * 0.5 * (1 + cos(pi * after / rest))
            case "linear":
                return recipe.lr * (1 - after / rest)
            case "steps":
                return recipe.lr * recipe.factor ** sum(step >= round(m * self.steps) for m in recipe.milestones)
            case "exponential":  # the summand keeps 24 / 2.4 epochs from being 9.999
                return recipe.lr * recipe.factor ** floor(step / (recipe.every * self.batches) + 1e-9)
            case "plateau":
                return recipe.lr * recipe.factor**self.falls
            case _:
                return recipe.lr

    def epoch_ended(self, record: Mapping[str, Any]) -> None:
        """Take note of an epoch's `val_top1` (0..1); one without it, or with None, counts neither way."""
        top1 = record.get("val_top1")
        if self.recipe.schedule != "plateau" or top1 is None:
            return
        error = 1 - float(top1)
        if self.best is None or error < self.best - THRESHOLD:
            self.best, self.bad = error, 0
            return
        self.bad += 1
        if self.bad > self.recipe.patience:
            self.falls, self.bad = self.falls + 1, 0

    def state(self) -> dict[str, Any]:
        """What the steps and epochs so far have left behind, as plain data."""
        return {"best": self.best, "bad": self.bad, "falls": self.falls}

    def load(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state`."""
        self.best, self.bad, self.falls = state["best"], state["bad"], state["falls"]
