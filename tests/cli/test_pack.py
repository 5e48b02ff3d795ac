"""`convsmith pack`, through the application with this verb alone."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from convsmith.cli.main import application
from convsmith.data import load


def run(*words: str) -> tuple[int, str, str]:
    app = application(("pack", "doctor"))
    done = CliRunner().invoke(app, ["pack", *words])
    return done.exit_code, done.stdout, done.stderr


def test_a_packed_file(tmp_path: Path) -> None:
    out = str(tmp_path / "d.packed")
    code, printed, said = run("digits", "--out", out, "--json")
    assert code == 0
    found = json.loads(printed)
    data = load("digits")
    assert found == {
        "out": out, "images": 1797, "classes": 10, "channels": 1, "side": 8,
        "bytes": Path(out).stat().st_size, "fingerprint": data.fingerprint,
    }  # fmt: skip
    assert "1,797 images of 10 classes, 1×8×8" in said
    assert load(out).fingerprint == data.fingerprint


def test_shards(tmp_path: Path) -> None:
    code, printed, said = run("digits", "--shards", "500", "--out", str(tmp_path / "s"), "--json")
    assert code == 0
    assert json.loads(printed)["shards"] == {"train": 3, "val": 1, "test": 1}
    assert "3 train, 1 val, 1 test shards of up to 500 images" in said
    assert len(list((tmp_path / "s").glob("*.tar"))) == 5


def test_refusals(tmp_path: Path) -> None:
    code, _, said = run("digits", "--out", str(tmp_path / "d.bin"))
    assert (code, said) == (2, "error: a packed file is called something.packed, not 'd.bin'\n")
    code, _, said = run("digits", "--shards", "5", "--side", "8", "--out", str(tmp_path / "s"))
    assert (code, said) == (2, "error: --shards keeps the files as they are: leave out --side and --channels\n")
    assert not list(tmp_path.iterdir())
