"""Learning rates against torch's schedulers, and against what held before there were others than the cosine."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from convsmith.train import RECIPES, Recipe
from convsmith.train.schedule import THRESHOLD, Schedule

ALL = ("cosine", "linear", "steps", "exponential", "plateau", "constant")

recipes = st.builds(
    Recipe,
    epochs=st.integers(1, 12),
    lr=st.floats(1e-4, 10),
    warmup=st.floats(0, 0.9),
    schedule=st.sampled_from(ALL),
    milestones=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=3).map(lambda shares: tuple(sorted(shares))),
    factor=st.floats(0.1, 1),
    every=st.floats(0.1, 5),
)


def rates(recipe: Recipe, batches: int) -> list[float]:
    schedule = Schedule(recipe, batches)
    return [schedule.lr(step) for step in range(schedule.steps)]


def by_torch(make: Callable[[torch.optim.Optimizer], Any], lr: float, count: int, metrics: Any = None) -> list[float]:
    """What a torch scheduler makes of the rate before each of `count` steps."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler, found = make(optimiser), []
    for k in range(count):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step(*(() if metrics is None else (metrics[k],)))
    return found


def before(recipe: Recipe, step: int, steps: int) -> float:
    """The one schedule that there was, as it was."""
    warm = recipe.warmup * steps
    if step < warm:
        return recipe.lr * (step + 1) / (warm + 1)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1.0, steps - warm)))


@settings(deadline=None)
@given(st.floats(1e-4, 10), st.floats(0, 0.95), st.integers(1, 20), st.integers(1, 20))
def test_the_default_s_rates_are_bit_for_bit_what_they_were(
    lr: float, warmup: float, epochs: int, batches: int
) -> None:
    recipe = Recipe(epochs=epochs, lr=lr, warmup=warmup)
    assert rates(recipe, batches) == [before(recipe, step, epochs * batches) for step in range(epochs * batches)]


def test_the_learning_rate_climbs_linearly_and_falls_by_half_a_cosine_to_zero() -> None:
    found = rates(Recipe(epochs=10, lr=1.0, warmup=0.2), 10)
    assert found[:3] == pytest.approx([1 / 21, 2 / 21, 3 / 21])
    assert found[20] == max(found) == 1.0
    assert found[60] == pytest.approx(0.5)
    assert found[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 79 / 80)))


def test_without_warmup_the_first_step_has_the_peak_rate() -> None:
    for schedule in ALL:
        recipe = Recipe(epochs=1, lr=0.3, warmup=0, schedule=schedule, milestones=(0.5,))
        assert Schedule(recipe, 10).lr(0) == 0.3


def test_the_cosine_is_torch_s() -> None:
    theirs = by_torch(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=60), 0.4, 60)
    assert rates(Recipe(epochs=6, lr=0.4, warmup=0), 10) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_the_line_is_torch_s() -> None:
    theirs = by_torch(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=60), 0.4, 60)
    assert rates(Recipe(epochs=6, lr=0.4, warmup=0, schedule="linear"), 10) == pytest.approx(theirs, rel=1e-9)


def test_the_triangle_has_its_peak_where_the_warm_up_ends() -> None:
    found = rates(Recipe(epochs=10, lr=0.4, warmup=0.2, schedule="linear"), 10)
    assert found.index(max(found)) == 20
    assert max(found) == 0.4
    rise = [b - a for a, b in pairwise(found[:21])]
    assert rise == pytest.approx([0.4 / 21] * 20)
    fall = [a - b for a, b in pairwise(found[20:])]
    assert fall == pytest.approx([0.4 / 80] * 79)


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(1, 9), st.data())
def test_steps_are_torch_s_at_the_ends_of_whole_epochs(epochs: int, batches: int, data: st.DataObject) -> None:
    at = sorted(data.draw(st.sets(st.integers(1, epochs - 1), min_size=1, max_size=3)))
    shares = tuple(epoch / epochs for epoch in at)
    recipe = Recipe(epochs=epochs, lr=0.1, warmup=0, schedule="steps", milestones=shares, factor=0.2)
    theirs = by_torch(
        lambda o: lr_scheduler.MultiStepLR(o, [epoch * batches for epoch in at], 0.2), 0.1, epochs * batches
    )
    assert rates(recipe, batches) == pytest.approx(theirs)


def test_the_papers_fall_where_they_say() -> None:
    wide = Schedule(RECIPES["wrn_2016"], 391)
    for epoch, k in ((60, 1), (120, 2), (160, 3)):
        assert wide.lr(epoch * 391 - 1) == pytest.approx(0.1 * 0.2 ** (k - 1))
        assert wide.lr(epoch * 391) == pytest.approx(0.1 * 0.2**k)
    cifar = Schedule(RECIPES["resnet_cifar"], 352)
    assert cifar.steps == pytest.approx(64_000, rel=2e-3)
    assert [cifar.lr(step) for step in (31_000, 33_000, 47_000, 49_000)] == pytest.approx([0.1, 0.01, 0.01, 0.001])
    efficient = Schedule(RECIPES["efficientnet_2019"], 313)
    assert efficient.lr(0) == pytest.approx(0.256 / (5 * 313 + 1))
    assert efficient.lr(24 * 313) == pytest.approx(0.256 * 0.97**10)
    assert efficient.lr(24 * 313 - 1) == pytest.approx(0.256 * 0.97**9)
    inception = Schedule(RECIPES["googlenet_2014"], 40_036)
    assert inception.lr(8 * 40_036 - 1) == 0.01
    assert inception.lr(8 * 40_036) == pytest.approx(0.01 * 0.96)


def test_the_exponential_is_torch_s_by_epochs() -> None:
    theirs = by_torch(lambda o: lr_scheduler.ExponentialLR(o, 0.98), 0.045, 12)
    found = rates(Recipe(epochs=12, lr=0.045, warmup=0, schedule="exponential", factor=0.98), 7)
    assert found == pytest.approx([rate for rate in theirs for _ in range(7)])


errors = st.lists(st.integers(0, 40), min_size=1, max_size=60)  # in units of half the threshold, so that ends meet


@settings(deadline=None, max_examples=200)
@given(errors, st.integers(0, 4))
def test_the_plateau_is_torch_s(halves: list[int], patience: int) -> None:
    found, metrics = [], [1 - (1 - half * THRESHOLD * 0.501) for half in halves]
    recipe = Recipe(epochs=len(halves), lr=1.0, warmup=0, schedule="plateau", factor=0.5, patience=patience)
    schedule = Schedule(recipe, 1)
    for epoch, half in enumerate(halves):
        found.append(schedule.lr(epoch))
        schedule.epoch_ended({"val_top1": 1 - half * THRESHOLD * 0.501})
    settings = {"patience": patience, "threshold": THRESHOLD, "threshold_mode": "abs", "eps": 0.0}
    make = lambda o: lr_scheduler.ReduceLROnPlateau(o, "min", 0.5, **settings)  # type: ignore[arg-type]
    assert found == by_torch(make, 1.0, len(halves), metrics)


def test_the_plateau_ignores_epochs_without_validation_and_improvements_below_the_threshold() -> None:
    schedule = Schedule(Recipe(epochs=9, warmup=0, schedule="plateau", patience=1), 4)
    for top1, falls in ((0.5, 0), (None, 0), (0.5 + THRESHOLD / 2, 0), (0.5, 1), (0.6, 1), (0.6, 1), (0.55, 2)):
        schedule.epoch_ended({} if top1 is None else {"val_top1": top1})
        assert schedule.falls == falls
    schedule.epoch_ended({"val_top1": None})
    assert schedule.state() == {"best": pytest.approx(0.4), "bad": 0, "falls": 2}


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(0, 3), st.data())
def test_a_schedule_that_goes_on_from_its_state_is_the_one_that_never_stopped(
    top1: list[float], patience: int, data: st.DataObject
) -> None:
    recipe = Recipe(epochs=len(top1), schedule="plateau", patience=patience)
    whole, cut = Schedule(recipe, 3), data.draw(st.integers(0, len(top1)))
    first, second = Schedule(recipe, 3), Schedule(recipe, 3)
    for value in top1[:cut]:
        whole.epoch_ended({"val_top1": value})
        first.epoch_ended({"val_top1": value})
    second.load(json.loads(json.dumps(first.state())))
    for value in top1[cut:]:
        whole.epoch_ended({"val_top1": value})
        second.epoch_ended({"val_top1": value})
        assert [second.lr(step) for step in range(whole.steps)] == [whole.lr(step) for step in range(whole.steps)]
    assert second.state() == whole.state()


@settings(deadline=None)
@given(recipes, st.integers(1, 15))
def test_every_schedule_climbs_from_above_zero_and_never_rises_again(recipe: Recipe, batches: int) -> None:
    found = rates(recipe, batches)
    warm = math.ceil(recipe.warmup * len(found))
    assert all(0 <= rate <= recipe.lr * (1 + 1e-12) for rate in found)
    assert found[0] > 0 or len(found) == 1
    assert all(a < b for a, b in pairwise(found[:warm]))
    assert all(a >= b for a, b in pairwise(found[warm:]))


@settings(deadline=None)
@given(recipes.filter(lambda recipe: recipe.schedule != "plateau"), st.floats(0, 1))
def test_only_the_plateau_has_a_past(recipe: Recipe, top1: float) -> None:
    schedule = Schedule(recipe, 3)
    for _ in range(9):
        schedule.epoch_ended({"val_top1": top1})
    assert schedule.state() == Schedule(recipe, 3).state()
