"""Transfer from the command line: what learns, by words or by the number of images, and what the run says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .conftest import Cli


def run(cli: Cli, finished: Path, out: Path, *words: str) -> tuple[dict[str, object], set[str], str]:
    """run.json of a short training from the finished run's weights, the layers that moved, and what was said."""
    start = finished / "weights.safetensors"
    result = cli("train", "digits", "-n", "lenet5", "--weights", start, "--set", "epochs=1", "--out", out, *words)
    assert result.code == 0, result.err
    before, after = load_file(start), load_file(out / "weights.safetensors")
    about: dict[str, object] = json.loads((out / "run.json").read_text())
    return about, {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}, result.err


@pytest.mark.parametrize(
    ("words", "layers"),
    [
        (("--freeze", "backbone"), {"fc3"}),
        (("--unfreeze", "last:1"), {"fc1", "fc2", "fc3"}),
        (("--freeze", "backbone", "--unfreeze", "last:2"), {"conv2", "fc1", "fc2", "fc3"}),
        (("--freeze", "none"), {"conv1", "conv2", "fc1", "fc2", "fc3"}),
    ],
)
def test_what_is_said_learns(
    cli: Cli, finished: Path, tmp_path: Path, words: tuple[str, ...], layers: set[str]
) -> None:
    about, moved, _ = run(cli, finished, tmp_path / "run", *words)
    assert moved == layers
    assert about["transfer"] == ""
    steps = sum(json.loads(line)["seconds"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    features = about.get("features_seconds", 0.0)
    assert isinstance(features, float)
    assert (features > 0) == (layers == {"fc3"})
    took = json.loads((tmp_path / "run/measured.json").read_text())["train_seconds"]
    assert took == pytest.approx(steps + features, abs=0.02)


def test_without_a_word_the_number_of_images_decides_and_the_run_says_so(
    cli: Cli, finished: Path, tmp_path: Path
) -> None:
    about, moved, said = run(cli, finished, tmp_path / "run")
    assert moved == {"conv2", "fc1", "fc2", "fc3"}
    why = str(about["transfer"])
    assert why.startswith("the head and the last 2 stages learn, as 1,259 training images are between 1,000 and 10,000")
    assert why in said.replace("\n", " ")
    assert why in (tmp_path / "run/report.html").read_text()
    recipe = about["recipe"]
    assert isinstance(recipe, dict)
    assert (recipe["name"], recipe["trains"], recipe["lr_decay"]) == ("finetune", "last:2", 0.4)
    assert about["origins"]["trains"] == "number of images"  # type: ignore[index]


def test_a_recipe_by_name_and_a_field_by_hand_stand(cli: Cli, finished: Path, tmp_path: Path) -> None:
    about, moved, _ = run(cli, finished, tmp_path / "run", "--recipe", "plain", "--set", "trains=all")
    assert moved == {"conv1", "conv2", "fc1", "fc2", "fc3"}
    assert about["recipe"]["name"] == "plain"  # type: ignore[index]


def test_seeds_may_share_their_splits(cli: Cli, tmp_path: Path) -> None:
    prints = []
    for seed, words in (("1", ()), ("2", ()), ("2", ("--split-seed", "1"))):
        out = tmp_path / f"run-{len(prints)}"
        result = cli("train", "digits", "-n", "lenet5", "--set", "epochs=1", "--seed", seed, "--out", out, *words)
        assert result.code == 0, result.err
        prints.append(json.loads((out / "run.json").read_text())["data"]["fingerprint"])
    assert prints[0] == prints[2] != prints[1]
    weights = [load_file(tmp_path / f"run-{i}/weights.safetensors")["conv1.weight"] for i in (0, 2)]
    assert not torch.equal(*weights)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--freeze", "head"),
            "error: --freeze takes backbone or none, got 'head'; stages are named by --unfreeze last:2",
        ),
        (("--unfreeze", "2"), "error: trains must be all, head or last:N with N of at least 1, got '2'"),
        (
            ("--unfreeze", "last:9"),
            "error: lenet5 has 3 stages before its head (conv1, conv2, fc1 to fc2), so the last 9",
        ),
    ],
)
def test_wrong_words_are_refused(cli: Cli, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = cli("train", "digits", "-n", "lenet5", "--set", "epochs=1", "--out", tmp_path / "run", *words)
    assert result.code == 2
    assert result.err.replace("\n", " ").strip().find(said) >= 0
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()
