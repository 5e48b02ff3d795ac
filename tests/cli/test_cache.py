"""`train --cache`: the same training from packed pixels, also when it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from .conftest import Cli

WORDS = ("train", "digits", "-n", "lenet5", "--side", "32", "--set", "epochs=1", "--json")


@pytest.mark.slow
def test_packed_pixels_train_as_the_source_and_are_packed_once(cli: Cli, tmp_path: Path) -> None:
    folder, runs = tmp_path / "cache", [tmp_path / name for name in ("plain", "first", "second")]
    results = [cli(*WORDS, "--out", runs[0])]
    results += [cli(*WORDS, "--out", run, "--cache", folder) for run in runs[1:]]
    assert [result.code for result in results] == [0, 0, 0], results[-1].err
    (packed,) = folder.glob("*.packed")
    stamp = packed.stat().st_mtime_ns
    plain, first, second = (load_file(run / "weights.safetensors") for run in runs)
    assert all((first[name] == second[name]).all() for name in first)
    assert all((plain[name] - first[name]).abs().max() < 0.2 for name in plain)  # resized once from the same pixels
    tops = [json.loads(result.out)["test_top1"] for result in results]
    assert tops[1] == tops[2]
    assert abs(tops[0] - tops[1]) < 0.05
    again = cli("evaluate", runs[1], "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["top1"] == tops[1]
    assert packed.stat().st_mtime_ns == stamp


def test_a_cache_that_cannot_be_written_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = cli(*WORDS, "--out", tmp_path / "run", "--cache", tmp_path / "file")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
