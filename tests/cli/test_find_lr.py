"""`convsmith find-lr`: a suggestion beside the recipe's rate, files whole or none, and one line for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Cli

QUICK = ("digits", "-n", "lenet5", "--side", 28, "--set", "rotate=0", "--set", "scale=0", "--steps", 40)
STARTS = {"html": b"<!DOCTYPE html>", "svg": b"<svg", "png": b"\x89PNG\r\n\x1a\n", "json": b"{\n"}


@pytest.mark.parametrize("form", STARTS)
def test_the_suggestion_stands_beside_the_recipes_rate(cli: Cli, form: str, tmp_path: Path) -> None:
    out = tmp_path / f"lr.{form}"
    result = cli("find-lr", *QUICK, "--set", "lr=0.07", "-o", out)
    assert result.code == 0, result.err
    assert 1e-4 < float(result.out) < 1
    assert f"suggested lr {result.out.strip()}; recipe default has 0.07\n" in result.err
    assert f"--set lr={result.out.strip()}\n" in result.err
    assert out.read_bytes().startswith(STARTS[form])
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_json_has_the_whole_curve(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "lr.json"
    result = cli("find-lr", *QUICK, "--lowest", "1e-4", "--highest", "1", "--json", "-o", out)
    printed = json.loads(result.out)
    assert printed == json.loads(out.read_text())
    assert (printed["network"], printed["data"], printed["recipe_lr"]) == ("lenet5", "digits", 0.1)
    assert len(printed["lrs"]) == 40
    assert (printed["lrs"][0], printed["lrs"][-1]) == (1e-4, 1.0)


def test_a_range_without_a_fall_is_said(cli: Cli) -> None:
    result = cli("find-lr", *QUICK, "--lowest", "1e-9", "--highest", "1e-8")
    assert (result.code, result.out) == (0, "")
    assert "from 1e-09 to 1e-08 the loss does not fall below its start and that of guessing by" in result.err


def one_line(cli: Cli, *words: object) -> str:
    result = cli("find-lr", *words)
    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err
    last = result.err.splitlines()[-1]
    assert last.startswith("error: ")
    return last


def test_what_cannot_be_is_one_line(cli: Cli, tmp_path: Path) -> None:
    assert "less than a batch of 2000; take a smaller one, such as --set batch=" in one_line(
        cli, *QUICK, "--set", "batch=2000"
    )
    assert "9 steps make no curve" in one_line(cli, *QUICK, "--steps", 9)
    assert "got 1 to 0.5" in one_line(cli, *QUICK, "--lowest", 1, "--highest", 0.5)
    assert "must end in .html, .svg, .png or .json" in one_line(cli, *QUICK, "-o", tmp_path / "lr.pdf")
    assert "learning_rate" in one_line(cli, *QUICK, "--set", "learning_rate=1")
    assert not list(tmp_path.iterdir())


def test_one_class_is_one_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    for number in range(12):
        Image.new("L", (8, 8), number * 20).save(tmp_path / "cats" / f"{number}.png")
    assert "class" in one_line(cli, tmp_path, "-n", "lenet5", "--set", "batch=4")
