"""`convsmith chart`: files whole or none, the right numbers in them, and one line for wrong words."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from convsmith import spec, trace
from convsmith.report import network_charts, sees
from convsmith.spec import Network, write
from convsmith.views import describe, inference_memory, region, training_memory
from convsmith.views.units import short

from .conftest import Cli

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
STARTS = {"html": b"<!DOCTYPE html>", "svg": b"<svg", "png": b"\x89PNG\r\n\x1a\n"}


@pytest.mark.parametrize(("what", "form"), [
    ("cost", "html"), ("cost", "svg"), ("cost", "png"), ("field", "html"), ("field", "svg"), ("field", "png"),
    ("memory", "html"), ("memory", "svg"), ("memory", "png"), ("sees", "svg"), ("sees", "png"),
])  # fmt: skip
def test_every_chart_in_every_form(cli: Cli, what: str, form: str, tmp_path: Path) -> None:
    out = tmp_path / f"chart.{form}"
    result = cli("chart", "lenet5", what, "-o", out)
    assert (result.code, result.out, result.err) == (0, f"{out}\n", "")
    assert out.read_bytes().startswith(STARTS[form])
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def svg(cli: Cli, tmp_path: Path, *words: object) -> str:
    out = tmp_path / "chart.svg"
    result = cli("chart", *words, "-o", out)
    assert result.code == 0, result.err
    return out.read_text()


def test_memory_takes_batch_training_and_optimiser(cli: Cli, tmp_path: Path) -> None:
    graph = trace(spec("resnet18"))
    for words, plan in (
        ((), inference_memory(graph)),
        (("--train",), training_memory(graph)),
        (("--train", "--optimiser", "adam"), training_memory(graph, "adam")),
    ):
        text = svg(cli, tmp_path, "resnet18", "memory", "--batch", 8, *words)
        peak = plan.peak(8)
        assert f">peak at {peak.path}" in text
        assert f"{short(plan.peak_bytes(8), 'B')} in all</text>" in text


def test_cost_takes_depth_batch_and_training(cli: Cli, tmp_path: Path) -> None:
    text = svg(cli, tmp_path, "resnet18", "cost", "--depth", 1, "--batch", 2)
    names = re.findall(r">(layer\d[^<]*|conv1|fc)</text>", text)
    assert names == ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert f">MACs: {short(2 * describe(None, trace(spec('resnet18')))['macs'])}</text>" in text
    assert ">Parameters: 13 M</text>" in svg(cli, tmp_path, "googlenet", "cost", "--train")
    assert ">Parameters: 6.625 M</text>" in svg(cli, tmp_path, "googlenet", "cost")


def test_size_classes_channels_and_options_change_the_network(cli: Cli, tmp_path: Path) -> None:
    words = ("resnet34", "field", "--side", "160x96", "--classes", 7, "--channels", 1, "--set", "shortcut=A")
    assert ">the image, 160 px</text>" in svg(cli, tmp_path, *words)


def test_somebody_elses_networks(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
    )
    for what in ("cost", "field", "memory", "sees"):
        assert svg(cli, tmp_path, f"{tmp_path}/mynet.py:Net", what, "--side", 16).startswith("<svg")


@pytest.mark.slow
def test_an_attention_networks_cost_is_drawn_and_its_memory_refused(cli: Cli, tmp_path: Path) -> None:
    assert ">encoder.layers.encoder_layer_11</text>" in svg(cli, tmp_path, "torchvision:vit_b_16", "cost")
    refused = cli("chart", "torchvision:vit_b_16", "memory", "-o", tmp_path / "v.svg")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert refused.err.startswith("error: reshape: what torch keeps of reshape is not known")


def test_a_hostile_description_stays_text(cli: Cli, tmp_path: Path) -> None:
    name = "</script><img src=x onerror=alert(1)>"
    network = spec("lenet5")
    write(Network(network.body, side=32, channels=1, classes=10, name=name), tmp_path / "net.json")
    for what in ("cost", "field", "memory"):
        assert cli("chart", tmp_path / "net.json", what, "-o", tmp_path / "c.html").code == 0
        text = (tmp_path / "c.html").read_text()
        assert name not in text
        assert "<img src=x" not in text
        assert text.count("</script>") == 2


def boxes(text: str) -> list[list[float]]:
    """x, y, width and height of each box in px of the picture, the deepest first."""
    found = re.findall(r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)" fill="none"', text)
    return [[float(number) for number in numbers] for numbers in found]


def test_sees_draws_the_regions_of_the_units_asked_for(cli: Cli, tmp_path: Path) -> None:
    graph = trace(spec("vgg16"))
    rows = {row.path: i for i, row in enumerate(graph.rows)}
    asked = (("features.9", (3, 50)), ("features.30", (3, 4)))
    words = [word for layer, (i, j) in asked for word in ("--layer", layer, "--unit", f"{i},{j}")]
    found = boxes(svg(cli, tmp_path, "vgg16", "sees", *words))
    scale = sees.SIDE / 224
    assert len(found) == 2
    for numbers, (layer, unit) in zip(reversed(found), asked, strict=True):
        box = region(graph, rows[layer], unit)
        assert box is not None
        expected = [box.left, box.top, box.right - box.left, box.bottom - box.top]
        assert [number / scale for number in numbers] == pytest.approx(expected, abs=0.1)


def test_sees_draws_the_middle_unit_where_none_is_named(cli: Cli, tmp_path: Path) -> None:
    middle = svg(cli, tmp_path, "vgg16", "sees", "--layer", "features.9", "--unit", "28,28")
    assert svg(cli, tmp_path, "vgg16", "sees", "--layer", "features.9") == middle
    assert svg(cli, tmp_path, "vgg16", "sees", "--layer", "features.9", "--dark") != middle


def test_sees_draws_on_the_image_given(cli: Cli, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (10, 200, 90)).save(tmp_path / "photo.jpg", quality=95)
    out = tmp_path / "chart.png"
    words = ("--image", tmp_path / "photo.jpg", "--layer", "conv1", "--unit", "0,0", "--channels", 3)
    assert cli("chart", "lenet5", "sees", *words, "-o", out).code == 0
    picture = Image.open(io.BytesIO(out.read_bytes())).convert("RGB")
    seen = picture.getpixel((2 * (sees.EDGE + 300), 2 * (sees.EDGE + 26 + 300)))
    assert isinstance(seen, tuple)
    assert all(abs(a - b) <= 4 for a, b in zip(seen, (10, 200, 90), strict=True))


@pytest.mark.parametrize(("words", "message"), [
    (("resnet51", "cost"), "no network is called 'resnet51'; did you mean 'resnet"),
    (("lenet5", "costs"), "no chart 'costs'; did you mean 'cost'? (there are cost, field, memory, sees)"),
    (("lenet5", "field", "--depth", 2), "--depth is for cost, not for field"),
    (("lenet5", "sees", "--batch", 2), "--batch is for cost and memory, not for sees"),
    (("lenet5", "cost", "--layer", "conv1"), "--layer is for sees, not for cost"),
    (("lenet5", "memory", "--optimiser", "adam"), "--optimiser is for training: add --train"),
    (("lenet5", "memory", "--train", "--optimiser", "adan"), "no optimiser is called 'adan'; did you mean 'adam"),
    (("lenet5", "memory", "--batch", 0), "batch must be an integer of at least 1, got 0"),
    (("lenet5", "cost", "--batch", -1), "batch must be an integer of at least 1, got -1"),
    (("lenet5", "cost", "--depth", 0), "depth must be an integer of at least 1, got 0"),
    (("lenet5", "cost", "--side", "big"), "'big' is not an image size: write 224 or 224x160"),
    (("lenet5", "sees", "--layer", "convv1"), "lenet5 has no layer 'convv1'; did you mean 'conv1'?"),
    (("lenet5", "sees", "--layer", "conv1", "--unit", "3"), "'3' is not a unit: write row,column from 0, such as 3,4"),
    (("lenet5", "sees", "--layer", "conv1", "--unit=-1,3"), "'-1,3' is not a unit: write row,column from 0"),
    (("lenet5", "sees", "--layer", "conv1", "--unit", "28,0"), "conv1: there is no unit (28, 0); its map is 28×28"),
    (("lenet5", "sees", "--unit", "3,4"), "0 of --layer and 1 of --unit: give each layer its unit, or none one"),
    (("lenet5", "sees", "--image", "none.jpg"), "none.jpg: cannot be read as an image: No such file or directory"),
])  # fmt: skip
def test_wrong_words_are_one_line_and_exit_code_2(
    cli: Cli, words: tuple[object, ...], message: str, tmp_path: Path
) -> None:
    out = tmp_path / "chart.svg"
    out.write_text("as it was")
    result = cli("chart", *words, "-o", out)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}")
    assert len(result.err.splitlines()) == 1
    assert out.read_text() == "as it was"


@pytest.mark.parametrize(("what", "name", "ends"), [
    ("cost", "chart.pdf", ".html, .svg or .png"), ("field", "chart", ".html, .svg or .png"),
    ("sees", "chart.html", ".svg or .png"),
])  # fmt: skip
def test_another_ending_is_refused(cli: Cli, what: str, name: str, ends: str, tmp_path: Path) -> None:
    result = cli("chart", "lenet5", what, "-o", tmp_path / name)
    assert (result.code, result.err) == (2, f"error: {tmp_path / name}: the name must end in {ends}\n")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "chart.svg"
    result = cli("chart", "lenet5", "cost", "-o", out)
    assert result.code == 2
    assert (
        result.err
        == f"error: cannot write {out}: No such file or directory; choose another folder or free some space\n"
    )


@pytest.mark.parametrize("library", ["altair", "vl_convert"])
def test_the_missing_extra_is_named(cli: Cli, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    result = cli("chart", "lenet5", "cost", "-o", tmp_path / "chart.svg")
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert "pip install 'convsmith[report]'" in result.err
    assert not list(tmp_path.iterdir())


def test_svg_of_what_a_unit_sees_needs_no_extra_and_no_chart_needs_torch(python: object, tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules |= {{"altair": None, "vl_convert": None, "PIL": None}}
sys.argv = ["convsmith", "chart", "resnet50", "sees", "-o", {str(tmp_path / "a.svg")!r}]
from convsmith.cli.main import main
try:
    main()
except SystemExit as leave:
    assert not leave.code, leave.code
print("torch" in sys.modules)
"""
    assert callable(python)
    assert python(code).split() == [str(tmp_path / "a.svg"), "False"]


PROBE = """<script>addEventListener("load", () => setTimeout(() => {
  const texts = [...document.querySelectorAll("#chart svg text")].map(e => e.textContent);
  document.title = JSON.stringify({texts, broken: document.querySelectorAll(".vega-error").length,
    fetched: performance.getEntriesByType("resource").filter(r => !/^(data|blob):/.test(r.name)).length});
}, 1500))</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the page with")
@pytest.mark.parametrize("what", ["cost", "field", "memory"])
def test_a_page_draws_itself_in_a_browser_and_fetches_nothing(cli: Cli, what: str, tmp_path: Path) -> None:
    out = tmp_path / "chart.html"
    assert cli("chart", "resnet18", what, "-o", out).code == 0
    text = out.read_text()
    start, end, rest = text.rpartition("</body>")  # the library has one of its own
    out.write_text(start + PROBE + end + rest)  # under the page's own policy
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=6000", "--dump-dom", out.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.S)
    assert title is not None
    found = json.loads(title[1].replace("&quot;", '"').replace("&amp;", "&"))
    assert (found["fetched"], found["broken"]) == (0, 0)
    head = {"cost": "Cost of resnet18 by layer", "field": "Receptive field of resnet18 along depth"}
    assert head.get(what, "Memory of resnet18 over time: inference") in found["texts"]


def test_the_largest_networks_keep_every_name_apart(cli: Cli, tmp_path: Path) -> None:
    text = svg(cli, tmp_path, "densenet201", "cost", "--depth", 3)
    paths = {row["path"] for row in network_charts.cost_rows(describe(None, trace(spec("densenet201")))["layers"], 3)}
    heights = sorted(
        float(y) for y, name in re.findall(r'translate\([^,]+,([\d.]+)\)"[^>]*>([^<]+)</text>', text) if name in paths
    )
    assert len(heights) == len(paths) > 100
    assert min(b - a for a, b in pairwise(heights)) >= 17.9
