"""Trackers that fail, print or are stopped: the training does not notice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import convsmith
from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.spec.errors import TrainingError
from convsmith.train import Interrupted, Recipe, Run, train
from convsmith.train.tracking import About, Tracked, Writer

from .test_loop import Stop, equal, weights
from .tracked import TEST, Notes, make, record


class Moody(Writer):
    """A server that is away for some calls, and that prints."""

    name, module = "mlflow", "json"

    def __init__(self, *away: str) -> None:
        self.away, self.got, self.told = set(away), list[int](), list[str]()
        self.calls = 0

    def _call(self, what: str) -> None:
        self.calls += 1
        print("View your run here!")
        if what in self.away:
            raise ConnectionError("the server\nhas gone")

    def begin(self, about: About, known: str | None) -> tuple[str, int]:
        self._call("begin")
        return known or "an id", len(self.got)

    def epoch(self, number: int, values: dict[str, float]) -> None:
        self._call(f"epoch {number}")
        self.got.append(number)

    def tested(self, epochs: int, values: dict[str, float]) -> None:
        self._call("tested")
        self.told.append("tested")

    def end(self, complete: bool) -> None:
        self._call("end")
        self.told.append("complete" if complete else "stopped")


GONE = "mlflow fails (the server has gone): training goes on, and metrics.jsonl has everything"


def tracked_by(writer: Writer, folder: Path) -> tuple[Tracked, Notes, Run]:
    notes, run = Notes(), make(folder / "run", writer.name)
    return Tracked(notes, run, [writer]), notes, run


def test_a_server_that_goes_is_told_of_once_and_gets_what_it_lacks_in_the_end(tmp_path: Path) -> None:
    writer = Moody("epoch 2")
    tracked, notes, _ = tracked_by(writer, tmp_path)
    tracked.open()
    tracked.start("train", 12, 0)
    tracked.epoch(record(1))
    tracked.epoch(record(2))
    before = writer.calls
    tracked.epoch(record(3))
    assert writer.calls == before  # left alone: it may let each call wait
    assert notes.notes == [GONE]
    writer.away.clear()
    tracked.close(TEST)
    assert writer.got == [1, 2, 3]
    assert writer.told == ["tested", "complete"]
    assert notes.notes == [GONE]


def test_a_server_that_stays_away_is_told_of_once_and_ends_nothing(tmp_path: Path) -> None:
    tracked, notes, _ = tracked_by(Moody("epoch 1", "epoch 2", "tested", "end"), tmp_path)
    tracked.open()
    tracked.start("train", 8, 0)
    tracked.epoch(record(1))
    tracked.epoch(record(2))
    tracked.close(TEST)
    assert notes.notes == [GONE]
    assert [words[0] for words in notes.heard] == ["start", "epoch", "epoch"]


def test_a_tracker_that_cannot_begin_is_refused_before_training_with_the_way_on(tmp_path: Path) -> None:
    tracked, notes, run = tracked_by(Moody("begin"), tmp_path)
    with pytest.raises(TrainingError) as refusal:
        tracked.open()
    assert str(refusal.value) == (
        f"mlflow cannot begin to record {run.folder}: the server has gone; see to it, or "
        f"`convsmith resume {run.folder} --track none` trains without"
    )
    assert not notes.notes


def test_a_run_that_goes_on_does_not_need_its_tracker_and_catches_up_in_the_end(tmp_path: Path) -> None:
    writer = Moody("begin")
    tracked, notes, run = tracked_by(writer, tmp_path)
    run.update(track={"mlflow": "old id"})
    run.log(record(1))
    assert tracked.open() == {"mlflow": "old id"}
    tracked.start("train", 8, 4)
    tracked.epoch(record(2))
    assert notes.notes == [GONE]
    writer.away.clear()
    tracked.close(TEST)
    assert writer.got == [1, 2]
    assert writer.told == ["tested", "complete"]


def test_nothing_that_a_tracker_prints_reaches_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracked, _, _ = tracked_by(Moody(), tmp_path)
    tracked.open()
    tracked.start("train", 4, 0)
    tracked.epoch(record(1))
    tracked.close(TEST)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("View your run here!") == 4


def test_the_visible_watch_hears_everything(tmp_path: Path) -> None:
    tracked, notes, _ = tracked_by(Moody(), tmp_path)
    tracked.work("features", 1, 2)
    tracked.start("train", 4, 0)
    tracked.step(1, 0.5, 0.25, 100.0)
    tracked.epoch(record(1))
    tracked.note("a word")
    tracked.stop()
    assert notes.heard == [
        ("work", "features", 1, 2), ("start", "train", 4, 0), ("step", 1, 0.5, 0.25, 100.0), ("epoch", record(1)),
        ("stop",),
    ]  # fmt: skip
    assert notes.notes == ["a word"]


def test_two_trackers_do_not_hinder_each_other(tmp_path: Path) -> None:
    class Other(Moody):
        name = "wandb"

    notes, run = Notes(), make(tmp_path / "run", "mlflow", "wandb")
    writers = [Moody("epoch 1"), Other()]
    tracked = Tracked(notes, run, writers)
    assert tracked.open() == {"mlflow": "an id", "wandb": "an id"}
    tracked.start("train", 4, 0)
    tracked.epoch(record(1))
    tracked.close(TEST)
    assert writers[1].got == [1]
    assert writers[1].told == ["tested", "complete"]
    assert notes.notes == [GONE]


def test_a_real_training_is_the_same_with_a_tracker_that_fails_and_when_it_is_stopped(
    digits: Data, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=3, batch=32, lr=0.05)

    def net() -> Net:
        return build(convsmith.spec("resnet20", depth=8, width=4), channels=1, side=8, seed=1)

    plain, watched = net(), net()
    train(plain, digits, recipe, seed=2)
    run = make(tmp_path / "run", "mlflow")
    writer = Moody("epoch 1")
    tracked = Tracked(Stop(6), run, [writer])
    tracked.open()
    with pytest.raises(Interrupted):
        train(net(), digits, recipe, seed=2, run=run, watch=tracked)
    tracked.close()
    again = Moody()
    second = Tracked(Notes(), Run.open(run.folder), [again])
    second.open()
    train(watched, digits, recipe, seed=2, run=run, watch=second)
    second.close(TEST)
    assert equal(weights(plain), weights(watched))
    assert again.got == [1, 2, 3]
    assert [json.loads(line)["epoch"] for line in run.path("metrics.jsonl").read_text().splitlines()] == [1, 2, 3]
