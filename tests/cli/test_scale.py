"""`convsmith scale` on digits: grid, rules, chart; stopped and gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Cli

WORDS = ("scale", "digits", "-n", "resnet20", "--set", "epochs=1", "--step", "0.2", "--near", "0.03", "--phi", "1")


@pytest.mark.slow
def test_a_study_from_grid_to_chart(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    result = cli(*WORDS, "--out", folder, "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    found = report["networks"]
    grid = [one for one in found if one["rule"] == "grid"]
    best = max(grid, key=lambda one: (one["accuracy"], -one["macs"]))
    assert report["best"] == best["factors"]
    assert [one["rule"] for one in found if one["rule"] != "grid"] == [
        "base", "compound", "depth", "width", "resolution", "fast",
    ]  # fmt: skip
    (base,), (twice,) = ([one for one in found if one["rule"] == rule] for rule in ("base", "compound"))
    assert twice["macs"] == best["macs"]
    assert twice["accuracy"] == best["accuracy"]  # the same network, trained once
    assert base["macs"] < twice["macs"] < 3 * base["macs"]
    assert (folder / "scale.svg").read_text().startswith("<svg")
    runs = {path.name: path.stat().st_mtime_ns for path in (folder / "trials").glob("*/outcome.json")}
    again = cli(*WORDS, "--out", folder, "--json")
    assert json.loads(again.out) == report
    assert runs == {path.name: path.stat().st_mtime_ns for path in (folder / "trials").glob("*/outcome.json")}


def test_a_dry_run_names_the_grid(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli(*WORDS, "--dry-run")
    assert result.code == 0
    assert "depth × 1, width × 1.4, side × 1:" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--phi", "one"), "--phi wants numbers above 0 and at most 10, as 1,2,3; got 'one'"),
        (("--phi", "0"), "--phi wants numbers above 0"),
        (("--times", "1"), "scale: a grid needs times above 1"),
        (("--step", "0.7", "--near", "0.01"), "scale: no factors in steps of 0.7 come within 1% of 2.0 times"),
    ],
)
def test_refusals(
    words: tuple[str, ...], error: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("scale", "digits", "-n", "resnet20", *words)
    assert result.code == 2
    assert f"error: {error}" in result.err
    assert list(tmp_path.iterdir()) == []
