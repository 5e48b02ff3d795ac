from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from convsmith.spec.errors import RunError
from convsmith.train import checkpoint
from convsmith.train.checkpoint import NAME, PREVIOUS

TENSORS = {"model.a": torch.arange(600.0).view(20, 30), "optimiser.a.step": torch.tensor(3.0)}


def store(folder: Path, number: int) -> None:
    checkpoint.write(folder, {**TENSORS, "number": torch.tensor([number])}, {"at": number})


def number(folder: Path) -> int:
    content = checkpoint.newest(folder)
    assert content is not None
    assert content.meta["at"] == int(content.tensors["number"])
    return int(content.tensors["number"])


def spoil(path: Path, place: float = 0.6) -> None:
    """Turn one bit."""
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) is None
    store(tmp_path, 1)
    found = checkpoint.newest(tmp_path)
    assert found is not None
    assert (found.path, found.notice) == (tmp_path / NAME, None)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_it_is_readable_without_our_code(tmp_path: Path) -> None:
    store(tmp_path, 1)
    with safe_open(tmp_path / NAME, "pt") as file:
        assert set(file.keys()) == {*TENSORS, "number"}
        assert json.loads(file.metadata()["convsmith"])["at"] == 1


def test_tensors_that_share_memory_are_written_apart(tmp_path: Path) -> None:
    tied = torch.arange(4.0)
    checkpoint.write(tmp_path, {"a": tied, "b": tied.view(2, 2).t()}, {})
    found = checkpoint.read(tmp_path / NAME)
    assert torch.equal(found.tensors["a"], tied)
    assert torch.equal(found.tensors["b"], tied.view(2, 2).t())


def test_the_one_before_is_kept(tmp_path: Path) -> None:
    for at in (1, 2, 3):
        store(tmp_path, at)
    assert number(tmp_path) == 3
    assert checkpoint.read(tmp_path / PREVIOUS).meta["at"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {NAME, PREVIOUS}


@pytest.mark.parametrize("place", [0.0, 0.01, 0.05, 0.3, 0.6, 0.999])
def test_a_single_turned_bit_is_found_and_the_one_before_is_gone_on_from(place: float, tmp_path: Path) -> None:
    store(tmp_path, 1)
    store(tmp_path, 2)
    spoil(tmp_path / NAME, place)
    assert number(tmp_path) == 1
    found = checkpoint.newest(tmp_path)
    assert found is not None
    assert f"{tmp_path / NAME} is broken or cut short" in str(found.notice)
    assert str(found.notice).endswith("going on from the one before it")


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_a_truncated_checkpoint_is_named(keep: float, tmp_path: Path) -> None:
    store(tmp_path, 1)
    data = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    with pytest.raises(RunError, match=r"^checkpoint .*checkpoint\.safetensors is broken or cut short .*; delete it"):
        checkpoint.newest(tmp_path)


def test_two_broken_ones_are_one_sentence(tmp_path: Path) -> None:
    store(tmp_path, 1)
    store(tmp_path, 2)
    spoil(tmp_path / NAME)
    spoil(tmp_path / PREVIOUS)
    with pytest.raises(RunError) as refusal:
        checkpoint.newest(tmp_path)
    assert str(refusal.value).endswith("delete both to start this training again")
    assert NAME in str(refusal.value)
    assert PREVIOUS in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, 1)
    rename, done = os.replace, []

    def killed(source: object, target: object) -> None:
        if done:
            raise SystemExit
        done.append(rename(source, target))  # type: ignore[func-returns-value, arg-type]

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(SystemExit):
        store(tmp_path, 2)
    monkeypatch.undo()
    assert not (tmp_path / NAME).exists()
    assert number(tmp_path) == 1
    checkpoint.clean(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [PREVIOUS]


def test_a_checkpoint_of_the_first_version_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    store(tmp_path, 1)
    store(tmp_path, 2)
    save_file({"model.a": torch.zeros(3)}, tmp_path / NAME, {"convsmith": json.dumps({"version": 1, "epoch": 2})})
    with pytest.raises(RunError, match=r"is of version 1 and this convsmith goes on with version 2: finish"):
        checkpoint.newest(tmp_path)


@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
def test_a_full_disk_leaves_the_older_ones_and_nothing_else(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, 1)
    store(tmp_path, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call, full)
    with pytest.raises(
        RunError, match=r"cannot write .*checkpoint\.safetensors: No space left on device; .* free some"
    ):
        store(tmp_path, 3)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    store(tmp_path, 3)
    assert number(tmp_path) == 3


@pytest.mark.slow
def test_a_disk_that_fills_up_in_training_loses_nothing(tmp_path: Path) -> None:
    words = ("train", "digits", "-n", "lenet5", "--set", "epochs=3", "--set", "batch=300", "--seed", "2", "--out")
    limit = 300_000  # bytes: LeNet's weights fit, weights and momentum do not
    code = (
        "import resource, runpy, sys; sys.argv = sys.argv[1:]; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "runpy.run_module('convsmith', None, '__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "convsmith", *words, str(tmp_path / "run")], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert "checkpoint.safetensors: File too large" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"run.json", "spec.json"}
    for more in (("resume", str(tmp_path / "run")), (*words, str(tmp_path / "whole"))):
        subprocess.run([sys.executable, "-m", "convsmith", *more], check=True, capture_output=True)
    results = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("run", "whole")]
    assert results[0] == results[1]
