from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from convsmith.spec.errors import MissingExtra, SpecError
from convsmith.train import Run
from convsmith.train.runtime import Solo

from .conftest import Cli

QUICK = ("digits", "-n", "lenet5", "--set", "epochs=1", "--set", "batch=256")


def scalars(folder: Path) -> dict[str, list[int]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_train_records_in_tensorboard_and_says_so(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = tmp_path / "run"
    result = cli("train", *QUICK, "--track", "tensorboard", "--json", "--out", folder)
    assert result.code == 0, result.err
    assert "recorded by tensorboard as tensorboard" in result.err
    assert json.loads(result.out)["run"] == str(folder)  # and nothing else on standard output
    assert json.loads((folder / "run.json").read_text())["track"] == {"tensorboard": "tensorboard"}
    found = scalars(folder)
    assert found["val_top1"] == found["train_loss"] == found["test_top1"] == [1]


@pytest.mark.slow
def test_fit_records_the_winner_alone(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = tmp_path / "run"
    words = ("--max-params", "6k", "--candidates", 2, "--set", "epochs=2", "--set", "batch=256")
    result = cli("fit", "digits", *words, "--track", "tensorboard", "--out", folder)
    assert result.code == 0, result.err
    assert scalars(folder)["val_top1"] == [1, 2]


@pytest.mark.parametrize("verb", ["train", "fit"])
def test_a_missing_package_is_said_before_anything_is_read_or_written(
    verb: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    words = QUICK if verb == "train" else ("digits",)
    result = cli(verb, *words, "--track", "mlflow", "--out", tmp_path / "run")
    assert result.code == 2
    assert result.err.startswith("error: --track mlflow cannot import mlflow (")
    assert "pip install 'convsmith[mlflow]'" in result.err
    assert "train," not in result.err
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_offers_the_nearest(cli: Cli, tmp_path: Path) -> None:
    result = cli("train", *QUICK, "--track", "tensorbord", "--out", tmp_path / "run")
    assert result.code == 2
    assert "no tracker is called 'tensorbord'; did you mean 'tensorboard'?" in result.err


def test_resume_joins_trackers_to_those_of_the_run_or_leaves_all_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convsmith.cli.track import asked, joined

    monkeypatch.setitem(sys.modules, "wandb", None)
    run = Run.create(tmp_path / "run", {"track": {"tensorboard": "tensorboard"}})
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", sys)
    monkeypatch.setitem(sys.modules, "mlflow", sys)
    joined(run, [], Solo())
    assert Run.open(run.folder).about["track"] == {"tensorboard": "tensorboard"}
    joined(run, ["mlflow", "tensorboard"], Solo())
    assert Run.open(run.folder).about["track"] == {"tensorboard": "tensorboard", "mlflow": None}
    with pytest.raises(MissingExtra, match=r"convsmith\[wandb\]'$"):
        joined(run, ["wandb"], Solo())
    assert Run.open(run.folder).about["track"] == {"tensorboard": "tensorboard", "mlflow": None}
    with pytest.raises(SpecError, match=r"^--track none goes alone, got none, mlflow$"):
        joined(run, ["none", "mlflow"], Solo())
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtra, match=r"convsmith\[mlflow\]'; or go on with --track none, without trackers$"):
        joined(run, [], Solo())
    joined(run, ["none"], Solo())
    assert Run.open(run.folder).about["track"] == {}
    assert asked(["none"]) == asked([]) == {}


def test_a_run_of_before_there_were_trackers_goes_on(tmp_path: Path) -> None:
    from convsmith.cli.track import joined

    run = Run.create(tmp_path / "run", {})
    joined(run, [], Solo())
    assert "track" not in Run.open(run.folder).about
