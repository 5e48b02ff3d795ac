"""The model card: a head that hubs can read, and no number that the run does not hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from convsmith.report import write_card
from convsmith.report.card import plain
from convsmith.spec import RunError

Plant = Callable[..., Path]


def test_head_and_headings(plant: Plant) -> None:
    path = write_card(plant())
    assert path.name == "card.md"
    head, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", path.read_text("utf-8"), re.S).groups()  # type: ignore[union-attr]
    assert "pipeline_tag: image-classification" in head
    assert "value: 0.9741" in head
    assert "license" not in head
    assert re.findall(r"^## (.*)", body, re.M) == [
        "Intended use", "Data", "Training", "Results", "Limits", "Use", "Reproduce",
    ]  # fmt: skip
    assert "**97.4 %** (95 % interval 94.7 % to 98.7 %)" in body
    assert "The class found least often is 3 (recall 92.6 %)." in body


def test_six_lines_of_use_that_compile(plant: Plant) -> None:
    code = write_card(plant()).read_text("utf-8").split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")
    assert len([line for line in code.splitlines() if line]) == 6
    assert 'ort.InferenceSession("model.onnx")' in code
    assert 'convert("L")' in code


def test_the_export_is_named_by_its_path_too(plant: Plant) -> None:
    folder = plant()
    export = json.loads((folder / "export.json").read_text())
    del export["file"]
    (folder / "export.json").write_text(json.dumps(export | {"path": "runs/a/best.onnx"}))
    assert '"best.onnx"' in write_card(folder).read_text("utf-8")


def test_what_is_missing_is_said(plant: Plant) -> None:
    card = write_card(plant(without=("test.json", "export.json", "measured.json", "metrics.jsonl"))).read_text("utf-8")
    assert "Not tested yet: the run has no test.json." in card
    assert "There is no ONNX file: install `convsmith[export]` before training" in card
    assert "model-index" not in card


def test_a_broken_file_is_named(plant: Plant) -> None:
    folder = plant()
    (folder / "test.json").write_text("{")
    with pytest.raises(RunError, match=r"test\.json is broken"):
        write_card(folder)


def test_plain_text_is_no_markup() -> None:
    assert plain("a|b\n# <b>*x*</b>") == r"a\|b \# &lt;b&gt;\*x\*&lt;/b&gt;"
