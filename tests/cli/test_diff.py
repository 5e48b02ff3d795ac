"""`convsmith diff`: two words of any kind, as text, JSON and picture."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from .conftest import Cli

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self) -> None:
        pool = nn.AdaptiveAvgPool2d(1)
        super().__init__(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), pool, nn.Flatten(), nn.Linear(8, 10))
"""


def test_two_forms_of_one_network(cli: Cli) -> None:
    result = cli("diff", "resnet50_paper", "resnet50")
    assert result.code == 0, result.err
    assert result.out.startswith("from resnet50_paper at 3×224×224 to resnet50 at 3×224×224\n")
    assert "~ conv2: stride 1 → 2, 3 times: layer2.0.conv2, layer3.0.conv2, layer4.0.conv2" in result.out
    assert "MACs                       3,857,973,248 → 4,089,184,256  × 1.06" in result.out


def test_a_network_and_itself(cli: Cli) -> None:
    assert "no difference: 23 layers" in cli("diff", "alexnet_2012", "alexnet_2012").out


def test_json_and_other_sides(cli: Cli) -> None:
    found = json.loads(cli("diff", "alexnet_2012", "zfnet", "--side", 224, "--json").out)
    assert found["a"]["input"] == found["b"]["input"] == [3, 224, 224]
    assert found["totals"]["params"][1] == 62_357_608
    assert json.loads(cli("diff", "vgg11", "vgg13", "--side", "64x96", "--format", "json").out)["counts"]["added"] == 4


def test_the_picture_is_written_beside_the_text(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "d.svg"
    result = cli("diff", "vgg16", "vgg16_bn", "--svg", file)
    assert "+ norm: added, 13 times" in result.out
    assert ET.fromstring(file.read_text()).tag.endswith("svg")


def test_a_module_of_yours_against_its_description(cli: Cli, tmp_path: Path) -> None:
    from convsmith.spec import Conv, Flatten, Linear, Network, PoolTo, Relu, Seq, write

    (tmp_path / "net.py").write_text(NET)
    body = Seq(conv=Conv(8, 3), act=Relu, pool=PoolTo(1), flatten=Flatten, fc=Linear(10))
    write(Network(body, side=32, channels=3, classes=10, name="<script>"), tmp_path / "mine.json")
    result = cli(
        "diff", tmp_path / "mine.json", f"{tmp_path / 'net.py'}:Net", "--side", 32, "--svg", tmp_path / "d.svg"
    )
    assert result.code == 0, result.err
    assert "no difference: 5 layers" in result.out
    assert "5 of them by other paths" in result.out
    assert "<script" not in (tmp_path / "d.svg").read_text()


def test_it_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; sys.argv = ['convsmith', 'diff', 'vgg11', 'vgg16']\n"
        "from convsmith.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'altair'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("vgg16", "vgg17"), "error: no network is called 'vgg17'"),
        (("vgg16", "vgg19", "--format", "svg"), "error: no format 'svg' (there are text and json)"),
        (("vgg16", "vgg19", "--side", "big"), "error: 'big' is not an image size"),
        (("vgg16", "vgg19", "--svg", "/nowhere/d.svg"), "error: cannot write /nowhere/d.svg"),
        (("vgg16", "vgg19", "--side", "8"), "error: features."),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(cli: Cli, words: tuple[str, ...], message: str) -> None:
    result = cli("diff", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)
    assert len(result.err.splitlines()) == 1
