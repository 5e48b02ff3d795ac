"""`convsmith evaluate`: one run with its interval, several in a table, together, on a page; and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from convsmith.data import load
from convsmith.train import Run, restore

from .conftest import Cli

Twin = Callable[..., Path]


@pytest.fixture(scope="module")
def twin(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """`twin("b", noise=0.1)`: the finished run again, its weights shaken; `without` leaves files out."""
    room = tmp_path_factory.mktemp("twins")

    def make(name: str, *, noise: float = 0.0, without: tuple[str, ...] = (), **data: Any) -> Path:
        folder = room / name
        shutil.copytree(finished, folder, ignore=shutil.ignore_patterns(*without))
        weights = load_file(finished / "weights.safetensors")
        generator = torch.Generator().manual_seed(len(name))
        shaken = {k: v + noise * v.std() * torch.randn(v.shape, generator=generator) for k, v in weights.items()}
        if "weights.safetensors" not in without:
            save_file(shaken, folder / "weights.safetensors")
        about = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(about | {"data": about["data"] | data}))
        return folder

    return make


@pytest.fixture(scope="module")
def three(finished: Path, twin: Twin) -> tuple[Path, ...]:
    return finished, twin("b", noise=0.4), twin("cc", noise=0.6)


def pictures(folder: Path, labels: tuple[str, ...], mode: str = "L") -> Path:
    """A class folder a label with the first two digits of the embedded set; RGB ones have three equal channels."""
    data = load("digits")
    for name in labels:
        (folder / name).mkdir(parents=True)
        for row in range(2):
            image = Image.fromarray(data.test.images[row, 0].numpy())
            image.convert(mode).save(folder / name / f"{row}.png")
    return folder


def test_one_run_has_its_interval_and_calibration(cli: Cli, finished: Path) -> None:
    stored = json.loads((finished / "test.json").read_text())
    lines = cli("evaluate", finished).out.splitlines()
    assert lines[0].startswith(f"test: top-1 {stored['top1']:.2%}, top-5 ")
    assert f"ECE {stored['calibration']['ece']:.2%} on 269 images" in lines[0]
    low, high = (stored["interval"][end] for end in ("low", "high"))
    assert (
        lines[1] == f"95 % interval of top-1: {low:.2%} to {high:.2%} (percentile bootstrap, 10,000 resamples, seed 0)"
    )
    assert lines[2].split() == ["class", "precision", "recall", "f1", "n"]
    assert len(lines) == 13
    found = json.loads(cli("evaluate", finished, "--json").out)
    assert {key: found[key] for key in stored} == stored
    other = json.loads(cli("evaluate", finished, "--bootstrap", 50, "--seed", 3, "--json").out)["interval"]
    assert (other["resamples"], other["seed"]) == (50, 3)
    assert other["low"] != low


def test_several_runs_stand_in_a_table_against_the_first(cli: Cli, three: tuple[Path, ...]) -> None:
    result = cli("evaluate", *three)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "test: 3 runs on the same 269 images"
    assert lines[1].split()[0] == "run"
    assert [line.split()[0] for line in lines[2:5]] == [str(run) for run in three]
    assert len(lines) == 6
    found = json.loads(cli("evaluate", *three, "--json").out)
    assert found["ensemble"] is None
    first, *others = found["runs"]
    assert (first["difference"], first["mcnemar"]) == (None, None)
    for line, row in zip(lines[3:5], others, strict=True):
        assert f"{row['top1']:.2%}" in line
        assert line.endswith(f"{row['mcnemar']['p']:.3g}")
        assert row["difference"]["value"] == pytest.approx(row["top1"] - first["top1"])
        assert row["mcnemar"]["b"] - row["mcnemar"]["c"] == round(269 * row["difference"]["value"])


def test_an_ensemble_is_the_mean_of_the_runs_own_answers(cli: Cli, three: tuple[Path, ...]) -> None:
    result = cli("evaluate", *three, "--ensemble", "--json")
    found = json.loads(result.out)["ensemble"]
    images, answers = load("digits", side=32).test, []
    for run in three:
        trained = restore(Run.open(run))
        with torch.inference_mode():
            answers.append(trained.net(trained.preprocess.normalise(images.images)).double().softmax(1))
    mean = torch.stack(answers).mean(0)
    right = mean.argmax(1) == images.labels
    assert found["top1"] == pytest.approx(float(right.double().mean()))
    loss = torch.nn.functional.nll_loss(mean.log(), images.labels)
    assert found["loss"] == pytest.approx(float(loss), rel=1e-4)
    tops = [float((part.argmax(1) == images.labels).double().mean()) for part in answers]
    assert found["mean_member"] == pytest.approx(sum(tops) / 3)
    assert found["gain"]["value"] == pytest.approx(found["top1"] - sum(tops) / 3)
    text = cli("evaluate", *three, "--ensemble").out
    assert re.search(r"^ensemble of 3 +\d", text, re.M)
    assert f"the mean member has {found['mean_member']:.2%}; the ensemble is" in text


def test_other_protocols_look_at_the_same_pictures(cli: Cli, finished: Path, tmp_path: Path) -> None:
    result = cli("evaluate", finished, "--protocol", "ten-crop")
    assert result.code == 0, result.err
    assert result.out.splitlines()[0].endswith("on 269 images, by ten-crop")
    data = pictures(tmp_path / "rgb", ("2", "7"), "RGB")
    found = json.loads(cli("evaluate", finished, "--data", data, "--protocol", "ten-crop", "--json").out)
    assert (found["n"], found["protocol"]) == (4, "ten-crop")


def test_colour_pictures_are_read_as_the_network_reads_them(cli: Cli, finished: Path, tmp_path: Path) -> None:
    grey, colour = (pictures(tmp_path / mode, ("2", "7"), mode) for mode in ("L", "RGB"))
    one, other = (json.loads(cli("evaluate", finished, "--data", data, "--json").out) for data in (grey, colour))
    assert one["confusion"] == other["confusion"]
    assert one["loss"] == pytest.approx(other["loss"])


def test_a_page_is_written_beside_the_text(cli: Cli, three: tuple[Path, ...], tmp_path: Path) -> None:
    pytest.importorskip("altair", reason="altair is not installed")
    page = tmp_path / "evaluation.html"
    result = cli("evaluate", *three, "--ensemble", "--out", page)
    assert result.code == 0, result.err
    assert result.out.startswith("test: 3 runs")
    assert f"report {page}" in result.err
    html = page.read_text()
    assert html.startswith("<!doctype html>")
    assert html.count("<svg") == 1 + 4 + 1 + 1  # intervals, reliabilities, recalls, confusion
    assert "<script" not in html
    assert cli("evaluate", three[0], "-o", page).code == 0
    assert page.read_text().count("<svg") == 3


def test_runs_of_other_classes_are_refused_by_name(cli: Cli, finished: Path, twin: Twin) -> None:
    odd = twin("odd", classes=[*map(str, range(9)), "ten"])
    for more in ((), ("--ensemble",)):
        result = cli("evaluate", finished, odd, *more)
        assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
        assert "their classes differ, only the first knows '9' and only the second knows 'ten'" in result.err


def test_runs_that_were_split_otherwise_are_refused(cli: Cli, finished: Path, twin: Twin) -> None:
    about = json.loads((finished / "run.json").read_text())["data"]
    fingerprint = load("digits", seed=1).fingerprint
    other = twin("split", load=about["load"] | {"seed": 1}, fingerprint=fingerprint)
    result = cli("evaluate", finished, other)
    assert (result.code, result.out) == (2, "")
    last = result.err.splitlines()[-1]
    assert last.startswith(f"error: {finished} and {other} do not have the same test images")
    assert last.endswith("name images that none was trained on with --data")
    together = cli("evaluate", finished, other, "--data", "digits", "--split", "all")
    assert together.code == 0, together.err
    assert "on the same 1,797 images" in together.out


def test_an_unfinished_run_is_refused(cli: Cli, finished: Path, twin: Twin) -> None:
    begun = twin("begun", without=("weights.safetensors",))
    result = cli("evaluate", finished, begun, "--ensemble")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: {begun} has no trained weights yet; `convsmith resume {begun}` trains to the end\n"


@pytest.mark.parametrize("protocol", ["centre", "ten-crop"])
def test_pictures_of_unknown_classes_and_empty_sets_are_refused(
    cli: Cli, finished: Path, tmp_path: Path, protocol: str
) -> None:
    data = pictures(tmp_path / "odd", ("2", "eleven"))
    result = cli("evaluate", finished, "--data", data, "--protocol", protocol)
    assert (result.code, result.out) == (2, "")
    assert "label 'eleven' is not among the 10 classes of the class map" in result.err.splitlines()[-1]
    (tmp_path / "empty" / "2").mkdir(parents=True)
    result = cli("evaluate", finished, "--data", tmp_path / "empty", "--protocol", protocol)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--protocol", "ten-corp"), "error: no protocol is called 'ten-corp'; did you mean 'ten-crop'?"),
        (("--ensemble",), "error: an ensemble needs two runs or more, got RUN alone; name the others too"),
        (("RUN",), "error: RUN is named twice; name each run once"),
        (("--out", "page.pdf"), "error: page.pdf: the name must end in .html"),
        (("--out", "no/page.html"), "error: cannot write no/page.html: there is no folder no; make it first"),
        (("--split", "best"), "error: no split is called 'best'; say train, val, test or all"),
        (("/nowhere",), "error: /nowhere is not a run folder"),
    ],
)
def test_wrong_input_is_one_line_before_any_work(
    cli: Cli, finished: Path, words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("evaluate", finished, *(str(finished) if word == "RUN" else word for word in words))
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert result.err.startswith(message.replace("RUN", str(finished)))
    assert not list(tmp_path.iterdir())


def test_no_resamples_are_a_wrong_option(cli: Cli, finished: Path) -> None:
    assert cli("evaluate", finished, "--bootstrap", 0).code == 2
    assert cli("evaluate").code == 2
