"""`convsmith look`: a page of the mistakes or of named images, and one line for wrong words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from convsmith.spec.files import write_whole

from .conftest import Cli
from .test_verbs import write_digits


def test_it_looks_at_the_surest_mistakes(cli: Cli, finished: Path, tmp_path: Path) -> None:
    page = tmp_path / "look.html"
    result = cli("look", finished, "--mistakes", 2, "-o", page, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    stored = json.loads((finished / "test.json").read_text())["mistakes"][:2]
    assert (found["page"], found["layer"]) == (str(page), "act2")
    for image, mistake in zip(found["images"], stored, strict=True):
        predicted, true = image["views"]
        assert (image["name"], image["label"]) == (mistake["name"], mistake["label"])
        assert (predicted["class"], predicted["role"]) == (mistake["predicted"], "predicted")
        assert predicted["probability"] == pytest.approx(mistake["confidence"], abs=1e-4)
        assert (true["class"], true["role"]) == (mistake["label"], "true")
    assert [row["path"] for row in found["depth"]] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "training images, in batches of 64" in text
    assert "Filters of conv1" in text


def test_named_images_with_a_layer_and_a_class(cli: Cli, finished: Path, tmp_path: Path) -> None:
    write_digits(tmp_path, {"x": [0, 1]})
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    result = cli("look", copy, tmp_path / "x", "--layer", "conv1", "--class", "7")
    assert result.code == 0, result.err
    assert [" 7 " in line for line in result.out.splitlines()] == [True, True]
    assert f"page {copy / 'look.html'}" in result.err
    text = (copy / "look.html").read_text("utf-8")
    assert "where conv1 found" in text
    assert "it takes labelled images" in text


def test_mistakes_on_other_images_and_none_at_all(cli: Cli, finished: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_digits(tmp_path / "odd", {"3": [0, 1, 2, 4, 5, 6]})
    result = cli("look", finished, "--data", tmp_path / "odd", "--mistakes", 1, "-o", page, "--json")
    assert result.code == 0, result.err
    assert len(json.loads(result.out)["images"]) == 1
    assert f"on {tmp_path / 'odd'}" in page.read_text("utf-8")
    Image.new("L", (8, 8)).save(tmp_path / "black.png")  # right, if its class is whatever it is taken for
    said = json.loads(cli("predict", finished, tmp_path / "black.png", "--json").out)[0]["classes"][0]["class"]
    (tmp_path / "right" / said).mkdir(parents=True)
    shutil.copy(tmp_path / "black.png", tmp_path / "right" / said)
    result = cli("look", finished, "--data", tmp_path / "right", "-o", page, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["images"][0]["views"][0]["role"] == "predicted and true"
    assert "answers that are least sure" in page.read_text("utf-8")


def test_wrong_words_are_one_line_each_and_write_nothing(cli: Cli, finished: Path, tmp_path: Path) -> None:
    page, broken = tmp_path / "page.html", tmp_path / "broken.png"
    write_whole(broken, b"\x89PNG\r\n\x1a\nnot an image")
    for words, message in (
        (("--layer", "cnv2"), "cnv2: no layer or module has this path; did you mean 'conv2'?"),
        (("--layer", "fc1"), "fc1: its output 120 is no spatial map; take another layer, such as act2"),
        (("--class", "eleven"), f"{finished} has no class 'eleven'"),
        ((broken,), f"cannot read '{broken}'"),
        ((tmp_path / "none.png",), f"nothing at '{tmp_path / 'none.png'}'"),
        ((broken, "--split", "val"), "name images, or --data and --split, not both"),
        (("--split", "best"), "no split is called 'best'"),
    ):
        result = cli("look", finished, *words, "-o", page)
        assert (result.code, result.out) == (2, ""), words
        last = result.err.splitlines()[-1]
        assert last.startswith("error: "), result.err
        assert message in last
    assert not page.exists()
    assert "must end in .html" in cli("look", finished, "-o", tmp_path / "page.png").err
    assert "there is no folder" in cli("look", finished, "-o", tmp_path / "no" / "page.html").err
    assert cli("look", "/nowhere").err.startswith("error: /nowhere is not a run folder: it has no run.json")
