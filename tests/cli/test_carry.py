from __future__ import annotations

import json
from pathlib import Path

import pytest

from convsmith.cli import carry
from convsmith.spec.errors import RunError, SpecError
from convsmith.train import Run
from convsmith.train.checkpoint import Every
from convsmith.train.runtime import Solo

from .conftest import Cli


@pytest.mark.parametrize(
    ("text", "every"),
    [("500", Every(500, 0.0)), ("10m", Every(0, 600.0)), ("90s", Every(0, 90.0)), ("2h", Every(0, 7200.0))],
)
def test_how_often_to_keep_is_read(text: str, every: Every) -> None:
    assert carry.every(text) == every


@pytest.mark.parametrize("text", ["0", "-3", "soon", "1.5", "", "m"])
def test_what_is_neither_steps_nor_a_time_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        carry.every(text)


def test_a_restarted_training_goes_on_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    assert not carry.continues(folder, Solo())
    Run.create(folder, {"launch": "job 7"})
    with pytest.raises(RunError, match="already holds something"):
        carry.continues(folder, Solo())
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job 7")
    assert carry.continues(folder, Solo())
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job 8")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert carry.continues(folder, Solo())
    assert not carry.continues(tmp_path / "other", Solo())
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    with pytest.raises(RunError, match="has to find its folder again: say --out"):
        carry.continues(None, Solo())


def test_a_dry_run_tells_what_was_chosen_and_by_whom(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("batch = 32\nlr = 0.07\n")
    words = ("--config", tmp_path / "own.toml", "--set", "lr=0.06", "--threads", 1, "--checkpoint-every", 7)
    result = cli("train", "digits", "-n", "lenet5", *words, "--dry-run", "--json", "--out", tmp_path / "run")
    assert result.code == 0, result.err
    plan = json.loads(result.out)
    assert (plan["recipe"]["batch"], plan["recipe"]["lr"]) == (32, 0.06)
    assert (plan["origins"]["lr"], plan["origins"]["momentum"]) == ("command line", "recipe default")
    assert plan["origins"]["batch"] == f"file {tmp_path / 'own.toml'}"
    assert plan["setup"]["execution"]["threads"] == 1
    assert plan["setup"]["every"]["steps"] == 7
    assert "lr 0.06 (command line)" in result.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sharded",), "error: a single process has nothing to shard over"),
        (("--precision", "half"), "error: --precision is auto, float32, bfloat16, float16, got 'half'"),
        (("--checkpoint-every", "often"), "error: --checkpoint-every takes steps or a time"),
        (("--init-from", "nowhere"), "error: nowhere is not a run folder"),
    ],
)
def test_what_cannot_be_carried_out_is_one_line(
    cli: Cli, words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("train", "digits", "-n", "lenet5", *words, "--out", "run")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].startswith(message)
    assert not list(tmp_path.iterdir())


def test_a_network_starts_from_a_shallower_ones_run(cli: Cli, finished: Path, tmp_path: Path) -> None:
    words = ("--init-from", finished, "--set", "epochs=1", "--out", tmp_path / "run")
    result = cli("train", "digits", "-n", "lenet5", *words)
    assert result.code == 0, result.err
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["init_from"] == str(finished.resolve())
    first = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    alone = json.loads((finished / "metrics.jsonl").read_text().splitlines()[0])
    assert first["train_loss"] < alone["train_loss"]
