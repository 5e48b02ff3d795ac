from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from convsmith.data import Data, load
from convsmith.search import Budget, Entry, within
from convsmith.search import estimate as estimate_module
from convsmith.search import race as race_module
from convsmith.search.estimate import training_bytes, training_seconds
from convsmith.search.fidelity import subset
from convsmith.search.race import race, race_epochs, rungs
from convsmith.spec.errors import TrainingError
from convsmith.train import Interrupted, Recipe, Silent
from convsmith.train.execution import Execution

DESIGNS = within(Budget(params=60_000), 1, 10, 8).designs[:8]
RECIPE = Recipe(epochs=64, flip=False)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def entries(count: int = 8) -> list[Entry]:
    return [Entry(design, 1, 1.0) for design in DESIGNS[:count]]


class Judge:
    """Stands in for training: scores designs by a table and notes what was tried."""

    def __init__(self, top1: dict[str, float], stop_at: int | None = None) -> None:
        self.top1, self.calls, self.stop_at = top1, [], stop_at  # type: ignore[var-annotated]

    def __call__(self, design: Any, data: Any, recipe: Any, epochs: int, **rest: Any) -> dict[str, Any]:
        if self.stop_at is not None and len(self.calls) == self.stop_at:
            raise Interrupted
        self.calls.append((design.name, epochs))
        return {"epochs": epochs, "top1": self.top1[design.name], "loss": 1.0, "seconds": 0.1}


def test_halving_keeps_the_better_half_each_time(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge({design.name: i / 10 for i, design in enumerate(DESIGNS)})
    monkeypatch.setattr(race_module, "_try", judge)
    field, saves = entries(), []
    winner = race(field, digits, RECIPE, seed=0, watch=Silent(), saved=lambda: saves.append(1))
    assert winner.design is DESIGNS[7]
    assert [len(entry.scores) for entry in field] == [1, 1, 1, 1, 2, 2, 3, 3]
    assert [entry.chosen for entry in field] == [False] * 7 + [True]
    assert [epochs for _, epochs in judge.calls] == [4] * 8 + [8] * 4 + [16] * 2
    assert len(saves) == 14 + 1


def test_what_has_time_for_fewer_epochs_races_with_fewer(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge({design.name: i / 10 for i, design in enumerate(DESIGNS)})
    monkeypatch.setattr(race_module, "_try", judge)
    field = [Entry(DESIGNS[0], 1, 1.0), Entry(DESIGNS[1], 1, 4.0, share=0.25), Entry(DESIGNS[2], 1, 99.0, share=0.01)]
    race(field, digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None)
    assert dict(judge.calls) == {DESIGNS[0].name: 16, DESIGNS[1].name: 4, DESIGNS[2].name: 1}


def test_equal_top1_is_decided_by_the_loss(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = {DESIGNS[0].name: 0.5, DESIGNS[1].name: 0.4}
    monkeypatch.setattr(
        race_module,
        "_try",
        lambda design, *a, **k: {"epochs": 1, "top1": 0.9, "loss": losses[design.name], "seconds": 0},
    )
    assert race(entries(2), digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None).design is DESIGNS[1]


@pytest.mark.parametrize("stop_at", [0, 3, 8, 11, 13])
def test_an_interrupted_race_goes_on_from_its_scores(
    stop_at: int, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {design.name: (i * 7 % 8) / 10 for i, design in enumerate(DESIGNS)}
    first = Judge(table, stop_at)
    monkeypatch.setattr(race_module, "_try", first)
    field = entries()
    with pytest.raises(Interrupted):
        race(field, digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None)
    kept = [Entry.from_json(entry.to_json()) for entry in field]
    second = Judge(table)
    monkeypatch.setattr(race_module, "_try", second)
    winner = race(kept, digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None)
    assert len(first.calls) + len(second.calls) == 14
    assert table[winner.design.name] == max(table.values())


def test_a_design_that_cannot_learn_loses_and_the_others_go_on(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(net: Any, *rest: Any, **more: Any) -> list[dict[str, Any]]:
        if net.network.name == DESIGNS[0].name:
            raise TrainingError("loss became nan")
        return [{"val_top1": 0.0, "val_loss": 2.0}]

    monkeypatch.setattr(race_module, "train", learn)
    field = entries(2)
    assert race(field, digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None) is field[1]
    assert (field[0].scores[0]["top1"], field[0].scores[0]["loss"]) == (0.0, None)


def test_a_race_on_a_part_of_the_images_sees_it_more_often() -> None:
    assert race_epochs(Recipe(epochs=60), 1257) == 60
    assert race_epochs(Recipe(epochs=20), 50_000) == 20 * 40 // 20
    assert race_epochs(Recipe(epochs=1), 10**7) >= 1


def test_a_single_design_wins_without_a_race(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race_module, "_try", None)
    assert race(entries(1), digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None).chosen


@pytest.mark.parametrize(
    ("epochs", "count", "expected"),
    [(60, 8, (3, 7, 15)), (60, 2, (15,)), (4, 8, (1, 1, 1)), (64, 5, (8, 16)), (64, 3, (16,))],
)
def test_rungs(epochs: int, count: int, expected: tuple[int, ...]) -> None:
    assert rungs(epochs, count) == expected


def test_a_real_race_of_two_finds_the_one_that_can_learn(digits: Data) -> None:
    tiny, able = DESIGNS[0], max(DESIGNS, key=lambda design: design.cost.macs)
    small = replace(digits, train=subset(digits, 400).train)
    field = [Entry(tiny, 1, 1.0), Entry(able, 1, 1.0)]
    winner = race(field, small, Recipe(epochs=24, batch=32, flip=False), seed=0, watch=Silent(), saved=lambda: None)
    assert winner.design is able


def test_a_design_sees_its_own_images_at_its_own_side(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race_module, "LARGEST", 200)
    seen: list[tuple[int, Data]] = []

    def note(design: Any, data: Data, *rest: Any, **more: Any) -> dict[str, Any]:
        seen.append((design.side, data))
        return {"epochs": 1, "top1": 0.5, "loss": 1.0, "seconds": 0.0}

    monkeypatch.setattr(race_module, "_try", note)
    sides = [next(d for d in within(Budget(params=60_000), 1, 10, 8).designs if d.side == side) for side in (16, 8, 32)]
    race([Entry(design, 1, 1.0) for design in sides], digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None)
    assert [side for side, _ in seen] == [8, 16, 32]
    rows = {name: i for i, name in enumerate(digits.train.names)}
    for side, data in seen:
        assert data.side == side == data.train.images.shape[-1]
        assert 195 <= len(data.train) <= 205
        whole = digits.resized(side).train
        for i, name in enumerate(data.train.names):
            assert data.train.labels[i] == whole.labels[rows[name]]
            assert (data.train.images[i] == whole.images[rows[name]]).all()
        again = data.resized(8)
        assert len(again.train.images) == len(again.train.labels) == len(data.train)


def test_memory_grows_with_the_batch_by_the_activations() -> None:
    cost = DESIGNS[0].cost
    assert training_bytes(cost, 9) - training_bytes(cost, 8) == 4 * cost.activations
    assert training_bytes(cost, 1) > 16 * cost.params


def test_time_is_steps_times_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    design, batches = DESIGNS[0], []

    def step(network: Any, batch: int, execution: Any) -> float:
        batches.append(batch)
        return 0.001 * batch

    monkeypatch.setattr(estimate_module, "step_seconds", step)
    assert training_seconds(design.network, 129, Recipe(epochs=10, batch=64)) == pytest.approx(10 * 3 * 0.064)
    assert training_seconds(design.network, 20, Recipe(epochs=10, batch=64)) == pytest.approx(10 * 1 * 0.020)
    monkeypatch.setattr(estimate_module, "STEP_MACS", 8 * design.cost.macs)
    assert training_seconds(design.network, 129, Recipe(epochs=10, batch=64)) == pytest.approx(10 * 3 * 0.064)
    assert batches == [64, 20, 8]


def test_a_head_that_learns_alone_takes_one_way_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate_module, "step_seconds", lambda network, batch, execution: 0.003 * batch)
    whole, last, head = (
        training_seconds(DESIGNS[0].network, 640, Recipe(epochs=10, batch=64, trains=trains))
        for trains in ("all", "last:1", "head")
    )
    assert head == pytest.approx(640 * 0.001)
    assert 10 * head < last < whole


def test_a_step_is_timed_as_it_will_be_carried_out() -> None:
    found = [
        estimate_module.step_seconds(DESIGNS[0].network, 3, execution)
        for execution in (Execution(), Execution(channels_last=True, fused=True))
    ]
    assert all(0 < seconds < 10 for seconds in found)


def test_a_step_is_timed_on_the_design_itself() -> None:
    assert 0 < estimate_module.step_seconds(DESIGNS[0].network, 3) < 10


def test_when_the_time_is_up_the_best_of_those_that_got_furthest_wins(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge({design.name: i / 10 for i, design in enumerate(DESIGNS)})
    monkeypatch.setattr(race_module, "_try", judge)
    clock = iter(range(1000))
    monkeypatch.setattr(race_module.time, "monotonic", lambda: float(next(clock)))
    field = entries()
    winner = race(field, digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None, until=9.5)
    assert len(judge.calls) == 10  # eight of the first rung and two of the second
    further = [entry for entry in field if len(entry.scores) == 2]
    assert winner in further
    assert winner.scores[-1]["top1"] == max(entry.scores[-1]["top1"] for entry in further)
    assert winner.chosen
    late = entries()
    race(late, digits, RECIPE, seed=0, watch=Silent(), saved=lambda: None, until=-1.0)
    assert sum(len(entry.scores) for entry in late) == 1  # one at least
