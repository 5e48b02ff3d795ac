from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import convsmith
from convsmith.spec import write

from .conftest import Cli


def test_show_prints_one_object_that_others_can_rely_on(cli: Cli) -> None:
    found = json.loads(cli("show", "resnet50", "--json").out)
    assert {"name", "provenance", "side", "classes", "params", "macs", "activations", "layers"} <= found.keys()
    assert (found["params"], found["macs"], found["side"]) == (25_557_032, 4_089_184_256, 224)
    first = found["layers"][0]
    assert {"path", "kind", "out", "params", "macs", "receptive_field"} <= first.keys()
    assert (first["path"], first["kind"], first["out"], first["receptive_field"]) == (
        "conv1",
        "conv",
        [64, 112, 112],
        7,
    )
    assert sum(layer["macs"] for layer in found["layers"]) == found["macs"]


def test_side_classes_and_channels_change_the_answer(cli: Cli) -> None:
    found = json.loads(cli("show", "resnet18", "--side", "160x96", "--classes", 7, "--channels", 1, "--json").out)
    assert (found["side"], found["classes"], found["channels"]) == ([160, 96], 7, 1)
    assert found["layers"][0]["out"] == [64, 80, 48]
    assert found["layers"][-1]["out"] == [7]


def test_options_of_the_architecture_are_set_and_change_the_provenance(cli: Cli) -> None:
    found = json.loads(cli("show", "resnet34", "--set", "shortcut=A", "--json").out)
    assert (found["params"], found["provenance"]) == (21_623_848, "own")


def test_the_table_is_for_people_and_says_its_rule(cli: Cli) -> None:
    out = cli("show", "vgg_d").out
    assert "vgg_d (paper) · input 3×224×224 · 1000 classes" in out
    assert "MACs: convolutions and linear layers, one multiply-add = 1." in out
    assert "138,357,544" in out
    assert "sum to 15,237,608 elements" in out
    assert len(cli("show", "vgg_d", "--weights-only").out.splitlines()) < len(out.splitlines())


def test_a_description_and_a_run_folder_are_shown_too(cli: Cli, tmp_path: Path) -> None:
    write(convsmith.spec("lenet5", classes=4), tmp_path / "spec.json")
    for what in (tmp_path / "spec.json", tmp_path):
        assert json.loads(cli("show", what, "--json").out)["classes"] == 4


def test_list_filters_by_glob_and_gives_json(cli: Cli) -> None:
    found = json.loads(cli("list", "vgg1?", "--json").out)
    assert [row["name"] for row in found] == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert {row["provenance"] for row in found} == {"torchvision"}
    assert len(json.loads(cli("list", "--json").out)) == len(convsmith.names())
    assert "lenet5_1998" in cli("list").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "resnet51"), "error: no network is called 'resnet51'; did you mean 'resnet"),
        (("show", "resnet50", "--side", "0"), "error: side must be an integer of at least 1, got 0"),
        (("show", "resnet50", "--side", "-3"), "error: side must be an integer of at least 1, got -3"),
        (("show", "resnet50", "--side", "big"), "error: 'big' is not an image size: write 224 or 224x160"),
        (("show", "resnet50", "--classes", "0"), "error: classes must be an integer of at least 1, got 0"),
        (("show", "resnet50", "--channels", "-1"), "error: channels must be an integer of at least 1, got -1"),
        (("show", "vgg_d", "--side", "16"), "error: features.30: the image is too small: 1×1 here"),
        (("show", "resnet34", "--set", "shortcut=D"), "error: shortcut is 'A', 'B', 'C' or 'none', got 'D'"),
        (
            ("show", "resnet34", "--set", "shortcat=A"),
            "error: resnet34 has no option 'shortcat'; did you mean 'shortcut'",
        ),
        (("show", "resnet34", "--set", "shortcut"), "error: --set wants NAME=VALUE, got 'shortcut'"),
        (("show", "/nowhere/spec.json"), "error: /nowhere/spec.json: No such file or directory"),
        (("list", "transformer*"), "error: no network matches 'transformer*'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(cli: Cli, words: tuple[str, ...], message: str) -> None:
    result = cli(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)
    assert len(result.err.splitlines()) == 1


def test_show_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; sys.argv = ['convsmith', 'show', 'resnet152']\n"
        "from convsmith.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'torchvision', 'PIL', 'rich'} & sys.modules.keys()\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m convsmith show resnet152 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("resnet152")
    assert done.stderr == ""
