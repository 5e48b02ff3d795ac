"""`convsmith draw`: pictures as files of three kinds, close-ups, shading, and what is refused."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import convsmith
from convsmith.views.diagram import diagram

from .conftest import Cli


def test_without_a_file_the_svg_goes_to_standard_output(cli: Cli) -> None:
    result = cli("draw", "lenet5")
    assert (result.code, result.err, result.out) == (0, "", diagram(convsmith.trace("lenet5")))


def test_a_close_up_a_shade_and_expanded_blocks_reach_the_picture(cli: Cli) -> None:
    graph = convsmith.trace("resnet18")
    assert cli("draw", "resnet18", "--at", "layer1.0").out == diagram(graph, at="layer1.0")
    assert cli("draw", "resnet18", "--shade", "macs").out == diagram(graph, shade="macs")
    assert cli("draw", "resnet18", "--expand").out == diagram(graph, expand=True)
    assert "1×64×64</text>" in cli("draw", "resnet18", "--channels", 1, "--side", 64).out


def test_the_file_s_ending_says_its_kind(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    for kind, begin in ((".svg", b"<svg "), (".png", b"\x89PNG\r\n"), (".PDF", b"%PDF-")):
        file = tmp_path / f"picture{kind}"
        result = cli("draw", "lenet5", "-o", file)
        assert (result.code, result.out) == (0, f"{file}\n")
        assert file.read_bytes().startswith(begin)
    assert ET.parse(tmp_path / "picture.svg").getroot().tag.endswith("svg")


def test_a_png_has_two_pixels_for_one(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    file = tmp_path / "picture.png"
    cli("draw", "lenet5", "-o", file)
    size = [float(n) for n in re.search(r'viewBox="0 0 (\S+) (\S+)"', diagram(convsmith.trace("lenet5"))).groups()]  # type: ignore[union-attr]
    pixels = [int.from_bytes(file.read_bytes()[at : at + 4], "big") for at in (16, 20)]
    assert pixels == pytest.approx([2 * n for n in size], abs=2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resnet18", "-o", "a.gif"), "error: a.gif: a picture's name ends in .svg, .png or .pdf\n"),
        (("resnet18", "--at", "layer9"), "error: resnet18 has nothing at 'layer9'; did you mean 'layer"),
        (("resnet18", "--shade", "flops"), "error: no shade 'flops' (there are macs, params, activations)\n"),
        (("resnet18", "-o", "nowhere/a.svg"), "error: cannot write nowhere/a.svg: No such file or directory"),
        (("resnet1", "-o", "a.svg"), "error: no network is called 'resnet1'; did you mean 'resnet"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(
    cli: Cli, words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("draw", *words)
    assert result.code == 2
    assert result.err.startswith(message)
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_png_without_vl_convert_names_the_extra(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    result = cli("draw", "lenet5", "-o", tmp_path / "a.png")
    assert result.code == 2
    assert result.err == ("error: writing .png needs vl-convert: pip install 'convsmith[report]', or write .svg\n")
    assert cli("draw", "lenet5", "-o", tmp_path / "a.svg").code == 0
