"""A run that starts from weights says which file, with its hash, and asks for the same one when it reads them again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from .conftest import Cli


@pytest.fixture
def weights(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(finished / "weights.safetensors", tmp_path / "w.safetensors"))


def train(cli: Cli, weights: object, out: Path) -> dict[str, object]:
    """run.json of a short training that starts from the weights."""
    words = ("--weights", weights, "--set", "epochs=1", "--out", out)
    result = cli("train", "digits", "-n", "lenet5", *words)
    assert result.code == 0, result.err
    about: dict[str, object] = json.loads((out / "run.json").read_text())
    return about


def stop_before_the_first_step(run: Path) -> None:
    (run / "checkpoint.safetensors").unlink()
    about = json.loads((run / "run.json").read_text()) | {"status": "interrupted"}
    (run / "run.json").write_text(json.dumps(about))


def test_the_file_and_its_hash_are_recorded_and_read_again(cli: Cli, weights: Path, tmp_path: Path) -> None:
    digits = hashlib.sha256(weights.read_bytes()).hexdigest()
    about = train(cli, weights, tmp_path / "run")
    assert (about["weights"], about["weights_sha256"]) == (str(weights), digits)
    again = train(cli, f"{about['weights']}@sha256:{about['weights_sha256']}", tmp_path / "again")
    assert (again["weights"], again["weights_sha256"]) == (str(weights), digits)
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("run", "again"))
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())


def test_resuming_refuses_other_weights_and_names_both_hashes(cli: Cli, weights: Path, tmp_path: Path) -> None:
    about = train(cli, weights, tmp_path / "run")
    stop_before_the_first_step(tmp_path / "run")
    save_file({key: tensor + 1 for key, tensor in load_file(weights).items()}, weights)
    other = hashlib.sha256(weights.read_bytes()).hexdigest()
    result = cli("resume", tmp_path / "run")
    assert result.code == 2
    assert result.err.splitlines()[-1] == (
        f"error: {weights} has the SHA-256 {other} instead of {about['weights_sha256']}: these are other weights; "
        "bring the first back"
    )


def test_a_demanded_hash_is_refused_before_there_is_a_run(cli: Cli, weights: Path, tmp_path: Path) -> None:
    result = cli(
        "train", "digits", "-n", "lenet5", "--weights", f"{weights}@sha256:{'0' * 64}", "--out", tmp_path / "run"
    )
    assert result.code == 2
    assert f"instead of {'0' * 64}" in result.err
    assert not (tmp_path / "run").exists()


def test_a_run_from_initial_weights_records_none(finished: Path) -> None:
    about = json.loads((finished / "run.json").read_text())
    assert (about["weights"], about["weights_sha256"]) == (None, None)
