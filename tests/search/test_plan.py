from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from convsmith import cost, trace
from convsmith.data import Data, load
from convsmith.search import Budget, epochs_in, hurried, make_plan, stored_plan
from convsmith.search import plan as plan_module
from convsmith.search.race import LARGEST
from convsmith.search.target import Target
from convsmith.spec import Network
from convsmith.spec.errors import BudgetError, RunError
from convsmith.train import Recipe, Run


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def paced(per_mac: float) -> Callable[..., float]:
    """A machine whose training takes so many seconds a forward MAC."""
    return lambda network, images, recipe, *_: per_mac * cost(trace(network)).macs * images * (recipe.epochs or 0)


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of known speed: a step of 64 images of a million MACs takes 10 ms."""
    monkeypatch.setattr(plan_module, "training_seconds", paced(0.01 / 64e6))


def names(plan: plan_module.Plan) -> list[str]:
    return [entry.design.name for entry in plan.entries]


def test_how_fast_the_machine_is_does_not_decide_what_races(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = []
    for per_mac in (1e-12, 1e-3):
        monkeypatch.setattr(plan_module, "training_seconds", paced(per_mac))
        plans.append(
            [
                names(make_plan(digits, budget, Recipe()))
                for budget in (Budget(macs=4_000_000), Budget(), Budget(100_000))
            ]
        )
    assert plans[0] == plans[1]


@pytest.mark.usefixtures("speed")
def test_a_time_limit_leaves_out_what_takes_longer(digits: Data) -> None:
    plan = make_plan(digits, Budget(macs=4_000_000), Recipe(epochs=10), longest=1.0)
    assert plan.over_time > 0
    assert all(entry.seconds <= 1.0 for entry in plan.entries)
    assert len(plan.entries) == 8  # narrower designs took the places
    free = make_plan(digits, Budget(macs=4_000_000), Recipe(epochs=10))
    assert free.over_time == 0
    assert max(entry.seconds for entry in free.entries) > 1.0


@pytest.mark.usefixtures("speed")
def test_larger_designs_may_race_for_fewer_epochs(digits: Data, tmp_path: Path) -> None:
    budget = Budget(macs=4_000_000)
    whole = make_plan(digits, budget, Recipe(epochs=10), longest=1.0)
    plan = make_plan(digits, budget, Recipe(epochs=10), longest=1.0, least=0.25)
    assert {entry.share for entry in whole.entries} == {1.0}
    assert max(entry.seconds for entry in plan.entries) > 1.0
    for entry in plan.entries:
        assert entry.share == pytest.approx(min(1.0, 1.0 / entry.seconds), abs=1e-3)
        assert entry.share >= 0.25
    assert plan.seconds < 2 * whole.seconds
    run = Run.create(tmp_path / "run", {})
    run.write_json("race.json", plan.to_json())
    assert [entry.share for entry in stored_plan(run, plan.recipe).entries] == [entry.share for entry in plan.entries]


def test_planning_goes_on_until_there_is_a_design_that_trains_in_time(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own time is over from the start; without a budget the widest designs would take hours."""
    timed: list[str] = []

    def seconds(network: Network, images: int, recipe: Recipe, *_: object) -> float:
        timed.append(network.name)
        return paced(0.01 / 64e6)(network, images, recipe)

    monkeypatch.setattr(plan_module, "training_seconds", seconds)
    plan = make_plan(digits, Budget(), Recipe(epochs=10), longest=1.0, least=0.25, until=0.0)
    assert len(plan.entries) == 1
    assert plan.entries[0].seconds <= 4.0
    assert plan.seconds <= 1.1
    assert len(timed) <= 5


@pytest.mark.usefixtures("speed")
def test_if_nothing_is_quick_enough_the_quickest_is_tried(digits: Data) -> None:
    assert len(make_plan(digits, Budget(macs=4_000_000), Recipe(), longest=1e-9).entries) == 1


@pytest.mark.usefixtures("speed")
def test_without_a_limit_the_work_of_a_training_is_bounded(digits: Data) -> None:
    plan = make_plan(digits, Budget(), Recipe())
    assert plan.over_budget == 0
    assert plan.over_time > 0
    passes = len(digits.train) * 60
    assert all(entry.design.cost.macs * passes <= plan_module.TRAINING_MACS for entry in plan.entries)


def test_an_impossible_budget_is_refused_before_anything_is_measured(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "training_seconds", None)
    with pytest.raises(BudgetError, match="no design fits"):
        make_plan(digits, Budget(params=10), Recipe())


@pytest.mark.usefixtures("speed")
def test_a_plan_comes_back_from_its_run(digits: Data, tmp_path: Path) -> None:
    plan = make_plan(digits, Budget(100_000, 4_000_000), Recipe(), count=3)
    plan.entries[1].scores.append({"epochs": 3, "top1": 0.5, "loss": 1.0, "seconds": 1.0})
    run = Run.create(tmp_path / "run", {})
    run.write_json("race.json", plan.to_json())
    again = stored_plan(run, plan.recipe)
    assert again.to_json() == json.loads(json.dumps(plan.to_json()))
    assert names(again) == names(plan)
    run.write_json("race.json", {"candidates": [{}]})
    with pytest.raises(RunError, match=r"race\.json is broken"):
        stored_plan(run, plan.recipe)


def clocked(per_mac: float) -> plan_module.Timer:
    """A target that takes so many milliseconds a MAC."""
    return lambda network: per_mac * cost(trace(network)).macs


@pytest.mark.usefixtures("speed")
def test_nothing_that_answers_too_slowly_is_raced(digits: Data) -> None:
    """1 ms is a million MACs here."""
    budget = Budget(macs=4_000_000, latency_ms=1.0)
    plan = make_plan(digits, budget, Recipe(epochs=10), timer=clocked(1e-6))
    assert len(plan.entries) == 8  # narrower designs took the places
    assert plan.over_latency > 0 == plan.over_time
    for entry in plan.entries:
        assert entry.latency_ms == pytest.approx(1e-6 * entry.design.macs, abs=1e-3)
        assert entry.latency_ms <= 1.0
    assert max(entry.latency_ms or 0 for entry in plan.entries) > 0.8


@pytest.mark.usefixtures("speed")
def test_limits_of_latency_and_training_time_hold_together(digits: Data) -> None:
    budget = Budget(macs=4_000_000, latency_ms=2.0)
    plan = make_plan(digits, budget, Recipe(epochs=10), longest=1.0, timer=clocked(1e-6))
    assert plan.entries
    assert all((entry.latency_ms or 0) <= 2.0 and entry.seconds <= 1.0 for entry in plan.entries)


@pytest.mark.usefixtures("speed")
def test_a_latency_that_no_design_reaches_names_the_fastest(digits: Data) -> None:
    budget = Budget(params=20_000, latency_ms=0.001, target=Target("onnxruntime", 2))
    with pytest.raises(BudgetError) as refusal:
        make_plan(digits, budget, Recipe(epochs=10), timer=clocked(1e-6))
    message = str(refusal.value)
    assert message.startswith("no design answers in 0.001 ms on onnxruntime (2 threads, batch 1); the fastest of ")
    assert "allow more by --max-latency" in message


@pytest.mark.usefixtures("speed")
def test_a_plan_with_latencies_is_stored_and_read(digits: Data, tmp_path: Path) -> None:
    budget = Budget(macs=4_000_000, latency_ms=1.0, target=Target("onnxruntime", 2))
    plan = make_plan(digits, budget, Recipe(epochs=10), timer=clocked(1e-6))
    run = Run.create(tmp_path / "run", {})
    run.write_json("race.json", plan.to_json())
    again = stored_plan(run, plan.recipe)
    assert (again.budget, again.over_latency) == (budget, plan.over_latency)
    assert [entry.latency_ms for entry in again.entries] == [entry.latency_ms for entry in plan.entries]


@pytest.mark.usefixtures("speed")
def test_a_plan_for_a_limit_of_time_has_fewer_designs_and_then_fewer_epochs(digits: Data) -> None:
    plan, images = make_plan(digits, Budget(macs=4_000_000), Recipe(epochs=10)), len(digits.train)
    assert hurried(plan, images, 2 * plan.seconds) == plan
    half = hurried(plan, images, plan.seconds / 2)
    assert 1 <= len(half.entries) < len(plan.entries)
    assert half.entries == plan.entries[: len(half.entries)]
    assert half.seconds <= plan.seconds / 2
    little = hurried(plan, images, plan.entries[0].seconds / 4)
    assert len(little.entries) == 1
    assert little.recipe.epochs == 2
    for late in (1e-9, -30.0):  # planning itself has taken longer
        least = hurried(plan, images, late)
        assert least.recipe.epochs == 1
        assert least.seconds > 0


@pytest.mark.usefixtures("speed")
def test_the_epochs_that_fit_are_told_by_the_race(digits: Data) -> None:
    entry = make_plan(digits, Budget(macs=4_000_000), Recipe(epochs=10), count=1).entries[0]
    recipe = Recipe(epochs=10)
    assert epochs_in(entry, recipe, 1258, 0, entry.seconds) == 10
    assert epochs_in(entry, recipe, 1258, 0, 0.55 * entry.seconds) == 5
    entry.scores.append({"epochs": 2, "seconds": 8.0, "top1": 0.5, "loss": 1.0})  # four seconds an epoch
    assert epochs_in(entry, recipe, 1258, 270, 13.0) == 3
    assert epochs_in(entry, recipe, 10 * LARGEST, 0, 120.0) == 3  # of ten times the images
    assert epochs_in(entry, recipe, 10 * LARGEST, 3 * LARGEST, 120.0) == 5  # half of the four seconds were validation
    assert epochs_in(entry, recipe, 1258, 270, 1e9) == 10
