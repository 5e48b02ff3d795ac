"""Trackers: TensorBoard's files as TensorBoard itself reads them; MLflow and W&B by small stand-ins, and for real where
they are installed (they are no part of the test extra: MLflow alone brings sixty packages)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from convsmith.spec.errors import MissingExtra, UnknownName
from convsmith.train import Recipe, Run, Silent
from convsmith.train.tracking import TRACKERS, Tracked, about, check, tracker

from .tracked import TEST, Notes, make, record
from .trackers import (
    Reader,
    Seen,
    Shelf,
    read_mlflow,
    read_stand_in_wandb,
    read_tensorboard,
    read_wandb,
    stand_in_mlflow,
    stand_in_wandb,
)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def installed(*names: str) -> Any:
    return pytest.mark.skipif(not all(map(importlib.util.find_spec, names)), reason=f"without {names[0]}")


REAL = [
    pytest.param("tensorboard", marks=installed("tensorboard")),
    pytest.param("mlflow", marks=[installed("mlflow", "sqlalchemy"), pytest.mark.slow]),
    pytest.param("wandb", marks=[installed("wandb"), pytest.mark.slow]),
]


@pytest.fixture(params=[*REAL, "mlflow by a stand-in", "wandb by a stand-in"])
def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shelf: Shelf
) -> tuple[str, Reader]:
    """The name of a tracker, and what reads it back."""
    name, *stand_in = request.param.split(" by ")
    modules = {}
    readers: dict[str, Reader] = {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "wandb": read_wandb}
    if stand_in and name == "mlflow":
        modules = stand_in_mlflow(shelf)
    elif stand_in:
        modules = stand_in_wandb(shelf)
        readers["wandb"] = lambda _: read_stand_in_wandb(shelf)
    for module, content in modules.items():
        monkeypatch.setitem(sys.modules, module, content)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for setting in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):  # set by the writer: put back
        monkeypatch.setenv(setting, "1")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for unwanted in ("WANDB_PROJECT", "WANDB_DIR", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(unwanted, raising=False)
    return name, readers[name]


real = pytest.mark.filterwarnings("ignore")  # of other people's packages, where they are the real ones


def opened(run: Run, watch: Silent | None = None) -> Tracked:
    tracked = Tracked(watch or Notes(), run, [tracker(name)() for name in run.about["track"]])
    tracked.open()
    return tracked


def expect(seen: Seen, epochs: int) -> None:
    """Every epoch once, in order, with its values."""
    for name in ("epoch", "step", "lr", "val_top1"):
        steps = [step for step, _ in seen.metrics[name]]
        assert steps == list(range(1, epochs + 1))
        values = [value for _, value in seen.metrics[name]]
        assert values == pytest.approx([record(epoch)[name] for epoch in steps])
    assert "note" not in seen.metrics


@real
def test_a_tracker_has_settings_epochs_and_the_test_result(place: tuple[str, Reader], tmp_path: Path) -> None:
    name, read = place
    run = make(tmp_path / "run", name)
    tracked = opened(run)
    tracked.start("train", 12, 0)
    for epoch in (1, 2, 3):
        tracked.epoch(record(epoch))
    tracked.close(TEST)
    seen = read(run.folder)
    expect(seen, 3)
    assert {name: history for name, history in seen.metrics.items() if name.startswith("test_")} == {
        "test_top1": [(3, 0.75)], "test_loss": [(3, 0.5)], "test_n": [(3, 8)],
    }  # fmt: skip
    assert seen.complete
    wanted = {
        "network": "lenet5", "params": "61706", "macs": "416520", "data": "spots", "classes": "2", "train_images": "12",
        "seed": "7", "recipe.name": "default", "recipe.lr": "0.1", "recipe.epochs": "3", "recipe.flip": "none",
        "recipe.milestones": "0.5,0.75", "recipe.batch": "64",
    }  # fmt: skip
    assert {name: seen.settings[name] for name in wanted} == wanted
    assert seen.settings["recipe.nesterov"] in ("True", "1")
    assert Run.open(run.folder).about["track"][name]


@real
def test_a_stopped_run_goes_on_in_the_tracker_with_no_epoch_missing_or_twice(
    place: tuple[str, Reader], tmp_path: Path
) -> None:
    name, read = place
    run = make(tmp_path / "run", name)
    first = opened(run)
    first.start("train", 16, 0)
    for epoch in (1, 2):
        run.log(record(epoch))
        first.epoch(record(epoch))
    first.close()
    known = run.about["track"][name]
    run.log(record(3))  # known to the checkpoint, and stopped before the tracker heard of it
    again = Run.open(run.folder)
    second = opened(again)
    assert again.about["track"][name] == known
    second.start("train", 16, 12)
    second.epoch(record(4))
    second.close(TEST)
    seen = read(run.folder)
    expect(seen, 4)
    assert seen.metrics["test_top1"] == [(4, 0.75)]
    assert seen.complete


@real
def test_a_stop_is_told_as_such(place: tuple[str, Reader], tmp_path: Path) -> None:
    run = make(tmp_path / "run", place[0])
    tracked = opened(run)
    tracked.start("train", 12, 0)
    tracked.epoch(record(1))
    tracked.close()
    seen = place[1](run.folder)
    expect(seen, 1)
    assert not seen.complete
    assert not any(name.startswith("test_") for name in seen.metrics)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_package_that_is_not_there_is_an_extra_named_beforehand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tracker(name).module
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra) as refusal:
        check(name)
    assert str(refusal.value).startswith(f"--track {name} cannot import {module} (")
    assert str(refusal.value).endswith(f"): pip install 'convsmith[{name}]'")


def test_an_unknown_tracker_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no tracker is called 'tensorbord'; did you mean 'tensorboard'\? \(there"):
        check("tensorbord")


def test_settings_are_plain_and_say_what_the_network_costs(tmp_path: Path) -> None:
    found = about(make(tmp_path / "run"))
    assert found.name == "run"
    assert found.folder.is_absolute()
    assert all(isinstance(value, str | int | float) for value in found.settings.values())
    assert {name.removeprefix("recipe.") for name in found.settings if name.startswith("recipe.")} == set(
        Recipe().to_json()
    )
    assert found.settings["params"] == 61_706
