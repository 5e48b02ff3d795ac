from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

import convsmith
from convsmith.nn import build
from convsmith.spec.errors import RunError
from convsmith.train import Run, restore, store


def test_a_run_knows_what_was_asked(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a" / "b", {"task": "train", "seed": 3})
    again = Run.open(tmp_path / "a" / "b")
    assert (again.status, again.about["task"], again.about["seed"]) == ("running", "train", 3)
    run.update(status="complete")
    assert Run.open(run.folder).status == "complete"


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match=r"already holds something: choose another --out$"):
        Run.create(tmp_path, {})
    Run.create(tmp_path / "run", {})
    with pytest.raises(
        RunError, match=r"already holds something: choose another --out; `convsmith resume .*run` goes on"
    ):
        Run.create(tmp_path / "run", {})
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**place: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(
        RunError, match=r"cannot write in the run folder .*: Read-only file system; choose another --out"
    ):
        Run.create(tmp_path / "run", {})


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Not a directory; choose another --out"):
        Run.create(tmp_path / "file" / "run", {})


def test_what_is_no_run_or_a_broken_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run folder: it has no run\.json"):
        Run.open(tmp_path)
    run = Run.create(tmp_path / "run", {})
    run.path("run.json").write_text("{")
    with pytest.raises(RunError, match=r"run\.json is broken: not JSON"):
        Run.open(run.folder)
    run.path("run.json").write_text(json.dumps({"format": "other", "version": 1}))
    with pytest.raises(RunError, match="was written by another version"):
        Run.open(run.folder)


def test_a_trained_network_comes_back_with_its_preprocessing_and_classes(tmp_path: Path) -> None:
    network = convsmith.spec("resnet20", depth=8, width=4, classes=3)
    preprocess = {"side": 32, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    run = Run.create(tmp_path / "run", {"data": {"classes": ["a", "b", "c"], "preprocess": preprocess}})
    run.write_spec(network)
    with pytest.raises(RunError, match=r"has no trained weights yet; `convsmith resume .*run` trains to the end"):
        restore(run)
    net = build(network, seed=4)
    store(run, net)
    trained = restore(Run.open(run.folder))
    assert trained.classes == ("a", "b", "c")
    assert trained.preprocess.mean == (0.1, 0.2, 0.3)
    assert not trained.net.training
    assert all(
        (a == b).all() for a, b in zip(net.state_dict().values(), trained.net.state_dict().values(), strict=True)
    )
