"""`train` from tar shards and from files: end to end, resumed to the bit, by two processes; what is refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from convsmith.data import memory, outside, write_shards
from convsmith.data.tars import INDEX, pattern_of
from convsmith.train.step import Stepper

from .conftest import Cli

LENET = ("-n", "lenet5", "--set", "epochs=2", "--set", "batch=256", "--seed", 3)
STEPS = 5
"""An epoch's."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Patterns of the digits, 100 images a shard."""
    tars = write_shards("digits", tmp_path_factory.mktemp("shards") / "digits", 100)
    return {split: pattern_of([str(path) for path in paths]) for split, paths in tars.items()}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and bright noise, 40 images each."""
    root = tmp_path_factory.mktemp("photos")
    for name, low in (("dark", 0), ("bright", 120)):
        (root / name).mkdir()
        for i in range(40):
            pixels = np.random.default_rng(i + low).integers(low, low + 120, (30, 34, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def words(digits: dict[str, str]) -> tuple[object, ...]:
    return ("train", digits["train"], "--val", digits["val"], "--test", digits["test"], *LENET)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def equal(a: Path, b: Path) -> bool:
    ours, other = weights(a), weights(b)
    return ours.keys() == other.keys() and all(torch.equal(ours[name], other[name]) for name in ours)


def killed(cli: Cli, step: int, *command: object) -> None:
    """The command, ended in its `step`-th step by what nobody catches."""
    update, left = Stepper.update, [step]

    def counted(self: Stepper, *args: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("killed")
        update(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stepper, "update", counted)
        with pytest.raises(RuntimeError, match="killed"):
            cli(*command)


def resumed(cli: Cli, folder: Path) -> int:
    """Steps that `resume` made."""
    update, made = Stepper.update, [0]

    def counted(self: Stepper, *args: Any) -> None:
        made[0] += 1
        update(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stepper, "update", counted)
        result = cli("resume", folder)
    assert result.code == 0, result.err
    return made[0]


@pytest.mark.slow
def test_a_training_from_shards_goes_on_in_mid_epoch_to_the_same_bits(
    cli: Cli, digits: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(digits["train"]).parent.parent)
    near = {split: f"digits/{Path(pattern).name}" for split, pattern in digits.items()}
    result = cli(*words(near), "--out", tmp_path / "whole", "--json")
    assert result.code == 0, result.err
    said = json.loads(result.out)
    assert said["test_images"] == 269
    assert said["test_top1"] > 0.15
    assert "digits: 1,259 train, 269 val, 269 test images of 10 classes, 1×32×32" in result.err
    about = json.loads((tmp_path / "whole" / "run.json").read_text())["data"]
    assert about["source"] == digits["train"]
    assert about["load"]["shards"] == {"val": digits["val"], "test": digits["test"], "cache": None}
    folder = tmp_path / "run"
    killed(cli, 4, *words(near), "--out", folder, "--checkpoint-every", 2)
    monkeypatch.chdir(tmp_path)  # the run knows where its data is
    assert resumed(cli, folder) == 2 * STEPS - 2  # of the three steps that were made, two had been kept
    assert equal(folder, tmp_path / "whole")
    again = cli("evaluate", folder, "--json")
    assert json.loads(again.out)["top1"] == said["test_top1"]
    assert "the training images of digits do not stay in memory" in cli("evaluate", folder, "--split", "train").err


@pytest.mark.slow
def test_shards_by_url_train_as_those_on_the_disk(cli: Cli, digits: dict[str, str], tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    files, place = fsspec.filesystem("memory"), Path(digits["train"]).parent
    for file in place.iterdir():
        files.pipe(f"/{tmp_path.name}/digits/{file.name}", file.read_bytes())
    url = f"memory://{tmp_path.name}/digits/{Path(digits['train']).name}"
    assert cli("train", digits["train"], *LENET, "--out", tmp_path / "disk").code == 0
    folder, cache = tmp_path / "url", tmp_path / "cache"
    killed(cli, 8, "train", url, *LENET, "--out", folder, "--checkpoint-every", 2, "--shard-cache", cache)
    files.rm(f"/{tmp_path.name}/digits/train-000003.tar")  # all are in the cache
    assert resumed(cli, folder) == STEPS - 2
    assert equal(folder, tmp_path / "disk")
    about = json.loads((folder / "run.json").read_text())["data"]
    assert about["source"] == url
    assert about["load"]["shards"]["cache"] == str(cache)
    assert about["counts"] == {"train": 1100, "val": 59, "test": 100}


@pytest.mark.slow
def test_two_processes_train_as_one(cli: Cli, digits: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "COLUMNS": "160"}
    command = [sys.executable, "-m", "convsmith", *map(str, words(digits)), "--out", str(tmp_path / "two")]
    processes = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | place | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    assert cli(*words(digits), "--out", tmp_path / "one").code == 0
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said[0][1]
    ours, other = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert max(float((ours[name] - other[name]).abs().max()) for name in ours) < 1e-4
    logs = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for one, two in zip(*logs, strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], abs=1e-4)
        assert (two["step"], two["lr"]) == (one["step"], one["lr"])


@pytest.mark.slow
def test_streamed_images_train_as_those_in_memory(cli: Cli, photos: Path, tmp_path: Path) -> None:
    command = ("train", photos, "-n", "lenet5", "--set", "epochs=2", "--set", "batch=16")
    assert cli(*command, "--out", tmp_path / "kept").code == 0
    killed(cli, 6, *command, "--stream", "--out", tmp_path / "streamed", "--checkpoint-every", 1)
    about = json.loads((tmp_path / "streamed" / "run.json").read_text())["data"]
    assert about["load"]["streaming"] == {"side": 32, "canvas": 1.0, "always": True}
    assert "streaming" not in json.loads((tmp_path / "kept" / "run.json").read_text())["data"]["load"]
    assert resumed(cli, tmp_path / "streamed") == 3
    assert equal(tmp_path / "kept", tmp_path / "streamed")
    result = cli("evaluate", tmp_path / "streamed", "--split", "train")
    assert result.code == 2
    assert "do not stay in memory; evaluate val or test" in result.err


@pytest.mark.slow
def test_what_was_streamed_for_want_of_memory_is_streamed_again(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", photos, "-n", "lenet5", "--set", "epochs=2", "--set", "batch=16")
    monkeypatch.setattr(outside, "SAMPLE", 16)  # mean and deviation tell that images are streamed
    assert cli(*command, "--stream", "--out", tmp_path / "whole").code == 0
    with monkeypatch.context() as short:
        short.setattr(memory, "available_bytes", lambda: 300_000)
        killed(cli, 6, *command, "--out", tmp_path / "run", "--checkpoint-every", 1)
    assert resumed(cli, tmp_path / "run") == 3
    assert equal(tmp_path / "whole", tmp_path / "run")


def test_refusals(cli: Cli, digits: dict[str, str], photos: Path, tmp_path: Path) -> None:
    shards, out = digits["train"], ("--out", tmp_path / "run")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("train", tmp_path / "a-{0..9}.tar", *LENET), "none of its 10 files is there; check the pattern"),
        (("train", shards, *LENET, "--val", photos), "and the shards have only '0', '1'"),
        (("train", shards, *LENET, "--cache", tmp_path / "c"), "to keep fetched shards, say --shard-cache"),
        (("train", shards, *LENET, "--skip-unreadable"), "--skip-unreadable is not for shards"),
        (("train", "digits", *LENET, "--val", photos), "--val goes with tar shards; digits has its splits by"),
        (("train", "digits", *LENET, "--shard-cache", "c"), "--shard-cache goes with tar shards"),
        (("train", "digits", *LENET, "--cache", "c", "--stream"), "say one of them"),
        (("fit", shards, "--max-params", "100k"), "is tar shards, from which only `convsmith train` reads; give a"),
        (("fit", shards), "is tar shards, from which only `convsmith train` reads"),
        (("find-lr", shards, "-n", "lenet5"), "is tar shards, from which only `convsmith train` reads"),
    ]
    for command, said in cases:
        result = cli(*command, *(() if command[0] == "find-lr" else out))
        assert result.code == 2, command
        assert said in result.err, result.err
        assert result.err.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in result.err
    assert not (tmp_path / "run").exists()


def test_a_dry_run_tells_which_shards_are_kept(cli: Cli, digits: dict[str, str]) -> None:
    result = cli("train", digits["train"], *LENET, "--dry-run")
    assert result.code == 0, result.err
    assert "note: val is train-000012.tar (59 images), test is train-000011.tar (100 images): not trained" in result.err


def test_pack_tells_how_to_train(cli: Cli, tmp_path: Path) -> None:
    result = cli("pack", "digits", "--shards", 500, "--out", tmp_path / "s")
    assert result.code == 0, result.err
    train, val = f"{tmp_path}/s/train-{{000000..000002}}.tar", f"{tmp_path}/s/val-000000.tar"
    assert f"convsmith train '{train}' --val {val} --test {tmp_path}/s/test-000000.tar -n ..." in result.err
    assert (tmp_path / "s" / INDEX).is_file()
