"""A training that is killed or interrupted goes on from its folder alone to the weights of one that never was."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .conftest import finish, lines, start, wait_for

TRAIN = ("train", "digits", "-n", "lenet5", "--set", "epochs=8", "--seed", 4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of the training that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    finish(start(*TRAIN, "--out", folder))
    return load_file(folder / "weights.safetensors")


def same(folder: Path, whole: dict[str, torch.Tensor]) -> bool:
    found = load_file(folder / "weights.safetensors")
    return found.keys() == whole.keys() and all(torch.equal(found[k], whole[k]) for k in whole)


def test_killed_in_between_and_resumed_bit_for_bit(whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """tests/integration/test_chaos.py kills at any step."""
    folder = tmp_path / "run"
    process = start(*TRAIN, "--out", folder)
    wait_for(lambda: lines(folder / "metrics.jsonl") >= 7, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (folder / "weights.safetensors").exists()
    finish(start("resume", folder))
    assert same(folder, whole)
    assert [json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == list(
        range(1, 9)
    )


@pytest.mark.wide  # test_chaos.py kills 25 times
def test_killed_twice_and_resumed_twice(whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words: tuple[object, ...] = (*TRAIN, "--out", folder)
    for epochs in (2, 5):
        process = start(*words)
        wait_for(lambda: lines(folder / "metrics.jsonl") >= epochs, process)  # noqa: B023 (called in this round)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        words = ("resume", folder)
    finish(start(*words))
    assert same(folder, whole)


def test_ctrl_c_leaves_a_run_and_says_how_to_go_on(whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(*TRAIN, "--out", folder)
    wait_for(lambda: lines(folder / "metrics.jsonl") >= 2, process)
    os.kill(process.pid, signal.SIGINT)
    _, err = finish(process, 130)
    assert f"stopped; nothing is lost: convsmith resume {folder}" in err
    assert "Traceback" not in err
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    _, err = finish(start("predict", folder, "x.png"), 2)
    assert "has no trained weights yet" in err
    finish(start("resume", folder))
    assert same(folder, whole)


def test_a_truncated_checkpoint_gives_way_to_the_one_before_and_two_are_named(
    whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = start(*TRAIN, "--out", folder)
    wait_for(lambda: lines(folder / "metrics.jsonl") >= 2, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = {
        name: (folder / name).read_bytes() for name in ("checkpoint.safetensors", "checkpoint.previous.safetensors")
    }
    for name, data in kept.items():
        (folder / name).write_bytes(data[:-100])
    before = sorted((path.name, path.stat().st_size) for path in folder.iterdir() if path.name != "run.json")
    _, err = finish(start("resume", folder), 2)
    assert "checkpoint.safetensors is broken or cut short" in err.splitlines()[-1]
    assert "delete both" in err.splitlines()[-1]
    assert sorted((path.name, path.stat().st_size) for path in folder.iterdir() if path.name != "run.json") == before
    (folder / "checkpoint.previous.safetensors").write_bytes(kept["checkpoint.previous.safetensors"])
    _, err = finish(start("resume", folder))
    assert "going on from the one before it" in err
    assert same(folder, whole)


def test_data_that_changed_since_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    for name, shade in (("dark", 20), ("light", 230)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(8):
            Image.new("L", (32, 32), shade + i).save(tmp_path / "data" / name / f"{i}.png")
    folder = tmp_path / "run"
    process = start("train", tmp_path / "data", "-n", "lenet5", "--set", "epochs=5000", "--out", folder)
    wait_for(lambda: lines(folder / "metrics.jsonl") >= 1, process)
    os.kill(process.pid, signal.SIGINT)
    finish(process, 130)
    Image.new("L", (32, 32), 99).save(tmp_path / "data" / "dark" / "3.png")
    _, err = finish(start("resume", folder), 2)
    assert "has changed since" in err
