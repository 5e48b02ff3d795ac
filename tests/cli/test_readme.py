"""What the README says is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import convsmith
from convsmith.cli.main import VERBS
from convsmith.nn.eject import eject

from .conftest import Cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.strip().partition("  #")[0] for line in README.splitlines() if line.startswith("    convsmith ")]


MYNET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(nn.Conv2d(3, width, 3), nn.ReLU())
"""


def write_onnx(path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    image, out = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("x", "y"))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [image], [out])
    onnx.save(onnx.helper.make_model(graph), path)


def test_every_number_of_the_table_is_ours() -> None:
    rows = re.findall(r"^\| `(\w+)`.*?\| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| (\d+) px \|$", README, re.M)
    assert len(rows) == 5
    for name, *numbers in rows:
        graph = convsmith.trace(name)
        total, field = convsmith.cost(graph), convsmith.receptive_field(graph)[-1].size
        said = [int(number.replace(",", "")) for number in numbers]
        assert said == [total.params, total.macs, total.activations, field[0]], name


def test_the_counts_in_its_sentences_are_ours() -> None:
    pictures = len(list((ROOT / "docs/gallery").glob("*.svg")))
    assert f"ConvNeXt: {len(convsmith.names())} networks in the papers' form" in README
    assert f"docs/gallery/README.md) holds {pictures} pictures" in README
    lines = eject("resnet50").count("\n")
    assert f"One plain PyTorch file ({lines} lines)" in README


def test_every_python_block_runs_and_gives_what_its_comments_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 2
    for line in blocks[0].splitlines():
        code, _, comment = line.partition("  #")
        if "# downloads" in line or not code.strip():
            continue
        if "=" in code.split("(")[0] or code.startswith("import"):
            exec(code, scope)
        else:
            shown = repr(eval(code, scope))
            assert shown.startswith(comment.strip().removesuffix(", ...)")), line
    exec(blocks[1], scope)
    assert (tmp_path / "mine.json").is_file()


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[1] in ("show", "list") and "mine.json" not in c])
def test_commands_that_show_run(command: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(MYNET)
    if "timm:" in command:
        pytest.importorskip("timm", reason="timm is not installed")
    if ".onnx" in command:
        write_onnx(tmp_path / "model.onnx")
    result = cli(*shlex.split(command)[1:])
    assert result.code == 0, result.err
    assert result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_verb_and_options_that_exist(command: str, cli: Cli) -> None:
    _, verb, *words = shlex.split(command)
    if verb.startswith("--"):
        assert verb in cli("--help").out
        return
    assert verb in VERBS
    known = cli(verb, "--help").out
    assert all(word in known for word in words if word.startswith("--"))


def test_files_that_are_linked_exist() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
