from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith.cli.main import VERBS
from convsmith.cli.words import duration, settings

from .conftest import Cli


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, cli: Cli) -> None:
    result = cli(verb, "--help")
    assert result.code == 0
    assert f"Example: convsmith {verb}" in " ".join(result.out.split())


def test_help_lists_every_verb_and_the_version_is_told(cli: Cli) -> None:
    out = cli("--help").out
    assert all(verb in out for verb in VERBS)
    assert cli("--version").out.startswith("convsmith 0.")


def test_a_mistyped_verb_or_option_exits_with_2(cli: Cli) -> None:
    assert cli("shw", "resnet50").code == 2
    assert "No such command 'shw'" in cli("shw", "resnet50").err
    assert cli("show", "resnet50", "--sid", "3").code == 2


def test_train_leaves_a_complete_run(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names >= {
        "run.json", "spec.json", "metrics.jsonl", "checkpoint.safetensors", "weights.safetensors", "test.json",
        "measured.json", "export.json", "model.onnx", "card.md", "report.html",
    }  # fmt: skip
    run = json.loads((finished / "run.json").read_text())
    assert run["status"] == "complete"
    assert run["data"]["classes"] == [str(i) for i in range(10)]
    assert run["command"].startswith("convsmith train digits -n lenet5")
    measured = json.loads((finished / "measured.json").read_text())
    assert (measured["params"], measured["macs"]) == (61_706, 416_520)


def test_training_starts_from_given_weights_of_other_classes(cli: Cli, finished: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    write_digits(tmp_path / "data", {"a": list(range(12)), "b": list(range(20, 32))})
    weights, run = finished / "weights.safetensors", tmp_path / "run"
    words = ("--weights", weights, "--set", "epochs=1", "--set", "lr=1e-9", "--set", "batch=4", "--out", run)
    result = cli("train", tmp_path / "data", "-n", "lenet5", *words)
    assert result.code == 0, result.err
    before, after = load_file(weights), load_file(run / "weights.safetensors")
    assert (before["conv1.weight"] - after["conv1.weight"]).abs().max() < 1e-6
    assert after["fc3.weight"].shape == (2, 84)
    assert json.loads((run / "run.json").read_text())["weights"] == str(weights.resolve())


def test_a_folder_of_a_built_in_sets_name_does_not_take_its_place(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    result = cli("train", "digits", "-n", "lenet5", "--set", "epochs=1", "--out", "run")
    assert result.code == 0, result.err
    assert json.loads(Path("run/run.json").read_text())["data"]["source"] == "digits"
    assert cli("evaluate", "run", "--split", "val").code == 0


def test_evaluate_repeats_the_runs_own_test(cli: Cli, finished: Path) -> None:
    stored = json.loads((finished / "test.json").read_text())
    found = json.loads(cli("evaluate", finished, "--json").out)
    assert found["confusion"] == stored["confusion"]
    assert found["top1"] == stored["top1"]
    assert json.loads(cli("evaluate", finished, "--split", "all", "--json").out)["n"] == 1797
    assert "precision" in cli("evaluate", finished, "--split", "val").out


def write_digits(folder: Path, labels: dict[str, list[int]]) -> None:
    """Class folders of real digits, by index in the embedded set's own order."""
    from convsmith.data import load

    data = load("digits")
    for name, rows in labels.items():
        (folder / name).mkdir(parents=True)
        for row in rows:
            Image.fromarray(data.train.images[row, 0].numpy()).save(folder / name / f"{row}.png")


def test_evaluate_on_other_images_enforces_the_class_map(cli: Cli, finished: Path, tmp_path: Path) -> None:
    from convsmith.data import load

    labels = load("digits").train.labels.tolist()
    write_digits(tmp_path / "good", {str(d): [i for i, y in enumerate(labels) if y == d][:3] for d in (2, 7)})
    found = json.loads(cli("evaluate", finished, "--data", tmp_path / "good", "--json").out)
    assert found["n"] == 6
    assert [sum(row) for row in found["confusion"]] == [0, 0, 3, 0, 0, 0, 0, 3, 0, 0]
    write_digits(tmp_path / "odd", {"2": [0], "eleven": [1]})
    result = cli("evaluate", finished, "--data", tmp_path / "odd")
    assert result.code == 2
    assert "'eleven'" in result.err
    result = cli("evaluate", finished, "--data", tmp_path / "good", "--split", "val")
    assert "has no val split" in result.err
    assert "no split is called 'best'" in cli("evaluate", finished, "--split", "best").err


def test_predict_names_classes_and_refuses_what_is_no_image(cli: Cli, finished: Path, tmp_path: Path) -> None:
    write_digits(tmp_path, {"x": [0, 1]})
    found = json.loads(cli("predict", finished, tmp_path / "x", "--top", 2, "--json").out)
    assert [len(row["classes"]) for row in found] == [2, 2]
    assert all(0 <= c["probability"] <= 1 for row in found for c in row["classes"])
    assert "0.png: " in cli("predict", finished, tmp_path / "x" / "0.png").out
    (tmp_path / "broken.png").write_bytes((tmp_path / "x" / "0.png").read_bytes()[:40])
    result = cli("predict", finished, tmp_path / "broken.png")
    assert (result.code, result.out) == (2, "")
    assert "broken.png" in result.err


def test_predict_agrees_with_the_exported_model(cli: Cli, finished: Path, tmp_path: Path) -> None:
    from convsmith.deploy import OnnxClassifier

    write_digits(tmp_path, {"x": [0, 1, 2, 3]})
    found = json.loads(cli("predict", finished, tmp_path / "x", "--top", 10, "--json").out)
    model = OnnxClassifier(finished / "model.onnx")
    for row in found:
        image = np.asarray(Image.open(row["image"]))[None, None]
        probabilities = model.predict(image)[0]
        for c in row["classes"]:
            assert probabilities[model.classes.index(c["class"])] == pytest.approx(c["probability"], abs=1e-5)


def test_report_writes_the_pages_again(cli: Cli, finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    (copy / "report.html").unlink()
    paths = json.loads(cli("report", copy, "--json").out)
    assert Path(paths["report"]).read_text().startswith("<!doctype html>")
    assert Path(paths["card"]).is_file()


def test_a_complete_run_is_not_resumed(cli: Cli, finished: Path) -> None:
    before = (finished / "weights.safetensors").stat().st_mtime_ns
    result = cli("resume", finished)
    assert (result.code, "is complete" in result.err) == (0, True)
    assert (finished / "weights.safetensors").stat().st_mtime_ns == before


def test_a_dry_run_shows_the_plan_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    result = cli("fit", "digits", "--max-params", "20k", "--max-macs", "1M", "--candidates", 3, "--dry-run", "--json",
                 "--out", tmp_path / "run")  # fmt: skip
    plan = json.loads(result.out)
    assert len(plan["candidates"]) == 3
    assert all(c["params"] <= 20_000 and c["macs"] <= 1_000_000 for c in plan["candidates"])
    assert all(c["memory_bytes"] > 0 and c["seconds"] > 0 for c in plan["candidates"])
    assert "candidate" in result.err
    assert not (tmp_path / "run").exists()
    assert "61,706 parameters" in cli("train", "digits", "-n", "lenet5", "--dry-run").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fit", "digits", "--max-params", "100"), "error: no design fits a budget of 100 parameters; the smallest"),
        (("fit", "digits", "--max-params", "100", "--out", "new/run"), "error: no design fits a budget of 100"),
        (("fit", "digits", "--max-params", "many"), "error: 'many' is not a size: write a number of at least 1"),
        (("fit", "digits", "--max-macs", "-4M"), "error: '-4M' is not a size"),
        (("fit", "digits", "--max-train-time", "soon"), "error: 'soon' is not a time: write 90s, 10m or 2h"),
        (("fit", "digits", "--max-latency", "soon"), "error: 'soon' is not a latency: write 5ms, 0.8ms or 1s"),
        (("fit", "digits", "--target", "eager"), "error: --target eager is where --max-latency holds; say that too"),
        (("fit", "digits", "--max-latency", "5ms", "--target", "tflite"), "error: no target is called 'tflite'"),
        (("fit", "digit"), "error: "),
        (("fit", "digits", "--set", "learning=3"), "error: a recipe has no field 'learning'"),
        (("train", "digits", "-n", "lenet6"), "error: no network is called 'lenet6'; did you mean 'lenet5'"),
        (("train", "digits", "-n", "vgg_d", "--side", "16"), "error: features.30: the image is too small"),
        (("train", "digits", "-n", "lenet5", "--recipe", "quick"), "error: no recipe is called 'quick'"),
        (("train", "digits", "-n", "lenet5", "--weights", "/no/w.pth"), "error: no weights at /no/w.pth"),
        (("evaluate", "/nowhere"), "error: /nowhere is not a run folder: it has no run.json"),
        (("predict", "/nowhere", "x.png"), "error: /nowhere is not a run folder"),
        (("resume", "/nowhere"), "error: /nowhere is not a run folder"),
        (("report", "/nowhere"), "error: "),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    cli: Cli, words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli(*words)
    last = result.err.splitlines()[-1]
    assert (result.code, result.out) == (2, "")
    assert last.startswith(message)
    assert "Traceback" not in result.err
    assert not list(tmp_path.iterdir())


def test_a_read_only_output_folder_is_refused_before_any_work(cli: Cli) -> None:
    result = cli("fit", "digits", "--max-params", "100k", "--out", "/proc/convsmith-run")
    assert result.code == 2
    assert "cannot write in the run folder /proc/convsmith-run" in result.err
    assert "candidate" not in result.err


def test_the_doctor_reports_and_exits_with_1_on_errors(cli: Cli, tmp_path: Path) -> None:
    write_digits(tmp_path, {"a": [0, 1, 2, 3], "b": [4, 5, 6, 7]})
    (tmp_path / "a" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = cli("doctor", tmp_path, "--json")
    assert result.code == 1
    assert any(f["level"] == "error" and "cut.png" in f["message"] for f in json.loads(result.out))
    (tmp_path / "a" / "cut.png").unlink()
    assert cli("doctor", tmp_path).code == 0


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert duration(text) == seconds


def test_settings_become_numbers_truths_and_words() -> None:
    read = settings(["a=1", "b=0.5", "c=true", "d=none", "e=A", "f=1e-3", "g=x=y", 'h="q"'])
    assert read == {"a": 1, "b": 0.5, "c": True, "d": None, "e": "A", "f": 1e-3, "g": "x=y", "h": '"q"'}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("convsmith sh", ["show"]),
        ("convsmith show alex", ["alexnet_2012", "alexnet_single", "alexnet"]),
        ("convsmith train digits -n lenet5_", ["lenet5_1998"]),
    ],
)
def test_the_shell_completes_verbs_and_names(
    words: str, expected: list[str], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_CONVSMITH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert cli().out.split() == expected
