"""`convsmith compare`: what is named, how it is written, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from convsmith.views.compare import HEADS
from convsmith.zoo import names

from .conftest import Cli

FOUR = ("alexnet", "vgg16", "googlenet", "resnet50")

HOSTILE = """
from torch import nn

Net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
"""


def test_four_stand_beside_each_other(cli: Cli) -> None:
    out = cli("compare", *FOUR).out
    assert out.splitlines()[3].split() == list(FOUR)
    assert "15,470,264,320" in out
    assert "138,357,544" in out


def test_patterns_name_each_network_once_and_many_stand_below_each_other(cli: Cli) -> None:
    found = json.loads(cli("compare", "vgg1?", "vgg16", "vgg*_bn", "--json").out)
    named = [row["name"] for row in found]
    assert sorted(named) == sorted({*names("vgg1?"), *names("vgg*_bn")})
    assert len(named) == len(set(named))
    assert cli("compare", "vgg*_bn", "vgg1?").out.splitlines()[3].startswith("network")


def test_json_has_the_columns_and_the_ratios(cli: Cli) -> None:
    found = json.loads(cli("compare", "resnet18", "resnet50", "--side", "160x96", "--batch", 4, "--json").out)
    assert set(HEADS) <= set(found[0])
    assert found[0]["side"] == [160, 96]
    assert found[0]["batch"] == 4
    assert found[1]["ratios"]["params"] == found[1]["params"] / found[0]["params"]


@pytest.mark.parametrize("form", ["markdown", "csv", "html"])
def test_other_formats(form: str, cli: Cli) -> None:
    out = cli("compare", *FOUR, "--format", form, "--sort", "macs").out
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(out)))
        assert [row["network"] for row in rows] == ["alexnet", "googlenet", "resnet50", "vgg16"]
        assert int(rows[0]["params"]) == 61_100_840
    else:
        assert "4,089,184,256" in out
        assert ("<table" in out) is (form == "html")


def test_the_front_is_of_the_whole_zoo_or_of_the_patterns(cli: Cli) -> None:
    some = [row["name"] for row in json.loads(cli("compare", "resnet*", "vgg*", "--pareto", "--json").out)]
    assert "resnet152" in some
    assert not [name for name in some if name.startswith("vgg") or name.endswith("_paper")]
    whole = json.loads(cli("compare", "--pareto", "--json").out)
    assert [row["macs"] for row in whole] == sorted(row["macs"] for row in whole)
    assert [row["top1"] for row in whole] == sorted(row["top1"] for row in whole)
    assert all(row["side"] == row["top1_side"] for row in whole)
    few = [row["params"] for row in json.loads(cli("compare", "--pareto", "--by", "params", "--json").out)]
    assert few == sorted(few)
    assert min(few) < min(row["params"] for row in whole)
    assert "networks that no other beats in MACs and top-1" in cli("compare", "resnet*", "--pareto").out


def test_modules_and_descriptions_of_your_own_stand_beside_the_zoo(cli: Cli, tmp_path: Path) -> None:
    from convsmith.spec import Conv, Flatten, Linear, Network, PoolTo, Seq, write

    (tmp_path / "net.py").write_text(HOSTILE)
    body = Seq(conv=Conv(4, 3), pool=PoolTo(1), flatten=Flatten, fc=Linear(2))
    write(Network(body, side=8, channels=1, classes=2, name="<script>"), tmp_path / "mine.json")
    result = cli("compare", f"{tmp_path / 'net.py'}:Net", tmp_path / "mine.json", "lenet5", "--side", 32, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert [row["params"] for row in found] == [112, 50, 61_706]
    assert [row["top1"] for row in found] == [None] * 3
    page = cli("compare", tmp_path / "mine.json", "lenet5", "--format", "html").out
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_operations_whose_memory_is_not_modelled_cost_the_peaks_and_no_more(cli: Cli) -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    words = ("compare", "timm:vit_tiny_patch16_224", "resnet18")
    found = json.loads(cli(*words, "--json").out)
    for peak in ("inference_bytes", "training_bytes"):
        assert [row[peak] is None for row in found] == [True, False]
    assert found[1]["ratios"]["training_bytes"] is None
    assert found[0]["macs"] == 1_253_683_200
    note = "vit_tiny_patch16_224 has no peaks, as it is not known what torch keeps of all its operations"
    assert note in cli(*words).out


def test_charts_are_written_whole(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("altair", reason="altair is not installed")
    bubbles, depths = tmp_path / "b.svg", tmp_path / "d.png"
    result = cli("compare", *FOUR, "--chart", bubbles, "--depth-chart", depths)
    assert result.code == 0, result.err
    assert "googlenet" in bubbles.read_text()
    assert depths.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.svg", "d.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compare", "vgg16", "--format", "xml"), "error: no format 'xml'; did you mean 'html'? (there are"),
        (("compare", "vgg16", "--by", "parms"), "error: no cost 'parms'; did you mean 'params'? (there are macs,"),
        (("compare", "vgg16", "--sort", "macc"), "error: nothing is sorted by 'macc'; did you mean 'macs'?"),
        (("compare", "vggg*"), "error: no network matches 'vggg*'"),
        (("compare", "vgg17"), "error: no network is called 'vgg17'"),
        (("compare", "--json"), "error: there is nothing to compare; name networks, or ask for --pareto or --chart of"),
        (("compare", "lenet5", "--pareto"), "error: none of these networks has a published top-1 on ImageNet for"),
        (("compare", "lenet5", "--chart", "x.svg"), "error: none of these networks has a published top-1 on ImageNet;"),
        (("compare", "vgg16", "--chart", "x.pdf"), "error: x.pdf: the name must end in .html, .svg or .png"),
        (("compare", "vgg16", "--batch", "0"), "error: batch must be an integer of at least 1, got 0"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_exit_code_2(
    cli: Cli, words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)
    assert len(result.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
