"""Charts of one network: their data are the views' own numbers, and their files stand alone."""

from __future__ import annotations

import io
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convsmith import cost, receptive_field, spec, trace
from convsmith.report import chart_file, extras, network_charts, sees
from convsmith.report.chart_file import drawn, form_of
from convsmith.report.network_charts import (
    APART,
    MOST_ROWS,
    WIDTH,
    cost_chart,
    cost_rows,
    field_chart,
    field_rows,
    landmarks,
    memory_chart,
    memory_rows,
    trunk,
)
from convsmith.spec import Conv, Flatten, Linear, Network, PoolTo, Relu, Residual, Seq, Shift
from convsmith.spec.errors import DataError, MissingExtra, SpecError, UnknownName
from convsmith.spec.trace import INPUT, Graph
from convsmith.views import describe, inference_memory, region, training_memory
from convsmith.views.table import gathered

NETWORKS = ("lenet5", "vgg16", "googlenet", "resnet50", "densenet201", "mobilenet_v2")
COLUMNS = ("activation_bytes", "params", "macs")
HOSTILE = '</script><img src=x onerror="alert(1)">&\x07\ud800'


def found(name: str) -> dict[str, Any]:
    network = spec(name)
    return describe(network, trace(network))


def hostile() -> Network:
    body = Seq(**{HOSTILE: Conv(4, 3), "pool": PoolTo(1), "flatten": Flatten, "fc": Linear(3)})
    return Network(body, side=8, channels=3, classes=3, name=HOSTILE)


def charts(network: Network) -> dict[str, Any]:
    graph = trace(network)
    return {
        "cost": cost_chart(describe(network, graph)),
        "field": field_chart(graph),
        "memory": memory_chart(graph, inference_memory(graph)),
        "training": memory_chart(graph, training_memory(graph), 4, "training"),
    }


def values(chart: Any) -> list[list[dict[str, Any]]]:
    """The data of every mark of a chart, from the outside inwards."""
    whole = chart.to_dict()

    def inside(part: Any) -> Iterator[list[dict[str, Any]]]:
        if isinstance(part, dict):
            if "data" in part:
                yield whole["datasets"][part["data"]["name"]]
            part = [value for name, value in part.items() if name != "datasets"]
        for value in part if isinstance(part, list) else ():
            yield from inside(value)

    return list(inside(whole))


# cost


@pytest.mark.parametrize("name", NETWORKS)
def test_bars_add_up_to_the_cost(name: str) -> None:
    total, rows = cost(trace(spec(name))), cost_rows(found(name)["layers"])
    sums = {column: sum(row[column] for row in rows) for column in COLUMNS}
    image = trace(spec(name)).input.elements
    memory = 4 * (total.in_place_activations - image)
    assert sums == {"activation_bytes": memory, "params": total.params, "macs": total.macs}
    assert 1 <= len({row["path"] for row in rows}) <= MOST_ROWS


def test_a_small_network_has_a_bar_a_layer() -> None:
    layers = {row["path"]: row for row in found("lenet5")["layers"]}
    rows = cost_rows(list(layers.values()))
    assert [row["path"] for row in rows] == ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "fc3"]
    for row in rows:
        assert row == {name: layers[row["path"]][name] for name in ("path", "category", *COLUMNS)}


@pytest.mark.parametrize(("name", "depth"), [("resnet50", 1), ("densenet201", 2), ("densenet201", 3), ("googlenet", 2)])
def test_modules_hold_what_the_cost_table_gathers(name: str, depth: int) -> None:
    layers = found(name)["layers"]
    sums: dict[str, list[int]] = {}
    for row in cost_rows(layers, depth):
        entry = sums.setdefault(row["path"], [0, 0])
        entry[0], entry[1] = entry[0] + row["params"], entry[1] + row["macs"]
    table = {row["path"]: [row["params"], row["macs"]] for row in gathered(layers, depth)}
    assert sums == {path: numbers for path, numbers in table.items() if path in sums}
    assert not any(any(numbers) for path, numbers in table.items() if path not in sums)


def test_a_chain_without_modules_is_binned() -> None:
    network = Network(Seq(*[layer for _ in range(250) for layer in (Conv(2, 3), Relu)]), side=8, channels=2, classes=2)
    rows = cost_rows(describe(network, trace(network))["layers"])
    assert [row["path"] for row in rows[:2]] == ["0 to 8", "10 to 18"]
    assert len(rows) == 50
    assert {row["macs"] for row in rows} == {5 * 2 * 2 * 9 * 64}


def test_the_cost_chart_draws_these_rows_in_their_order() -> None:
    data = found("resnet50")
    assert values(cost_chart(data)) == [cost_rows(data["layers"])]  # once, for all three
    chart = cost_chart(data).to_dict()
    assert [column["encoding"]["x"]["field"] for column in chart["hconcat"]] == list(COLUMNS)
    order = chart["hconcat"][0]["encoding"]["y"]["sort"]
    assert order == list(dict.fromkeys(row["path"] for row in cost_rows(data["layers"])))
    titles = [column["title"] for column in chart["hconcat"]]
    assert titles == ["Activation memory: 67.35 MB", "Parameters: 25.56 M", "MACs: 4.089 G"]


# receptive field


@pytest.mark.parametrize("name", NETWORKS)
def test_fields_are_the_views_row_by_row(name: str) -> None:
    graph = trace(spec(name))
    theirs = {row.path: field for row, field in zip(graph.rows, receptive_field(graph), strict=True)}
    rows = field_rows(graph)
    assert [row["path"] for row in rows] == [row.path for row in graph.rows if row.tap is None]
    for row in rows:
        field = theirs[row["path"]]
        assert (row["rows"], row["cols"]) == field.size
        assert (row["size"], row["least"], row["whole"]) == (max(field.size), max(field.least), field.whole)
        assert row["jump"] == max(field.rows.jump, field.cols.jump)


def test_depth_counts_layers_on_the_longest_path() -> None:
    depths = [(row["path"], row["depth"]) for row in field_rows(trace(spec("lenet5"))) if row["category"] != "shape"]
    assert depths == [
        ("conv1", 1), ("act1", 1), ("pool1", 2), ("conv2", 3), ("act2", 3), ("pool2", 4), ("fc1", 5), ("act3", 5),
        ("fc2", 6), ("act4", 6), ("fc3", 7),
    ]  # fmt: skip
    assert max(row["depth"] for row in field_rows(trace(spec("resnet50")))) == 50 + 2  # and two pools


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121", "shufflenet_v2_x1_0"])
def test_the_trunk_is_what_the_output_hangs_on(name: str) -> None:
    graph = trace(spec(name))
    assert trunk(graph) == {i for i, row in enumerate(graph.rows) if row.tap is None and not _reaches(graph, i)}


def _reaches(graph: Graph, without: int) -> bool:
    """Whether the output can be had from the image if a row is taken away."""
    there = {INPUT}
    for i, row in enumerate(graph.rows):
        if i != without and row.tap is None and there.intersection(row.inputs):
            there.add(i)
    return graph.output in there


def test_lines_lead_through_the_trunk_and_the_image_is_marked() -> None:
    graph = trace(spec("resnet18"))
    drawn_values = values(field_chart(graph))
    line = next(rows for rows in drawn_values if "along" in rows[0])
    way = [row for row in field_rows(graph) if row["trunk"]]
    for along, column in (("along all paths", "size"), ("along the shortest path", "least")):
        points = [(row["depth"], row["size"]) for row in line if row["along"] == along]
        assert points == [(0, 1), *((row["depth"], row[column]) for row in way)]
    assert [{"size": 224, "words": "the image, 224 px"}] in drawn_values


@pytest.mark.parametrize("name", [*NETWORKS, "resnet152", "efficientnet_b0"])
def test_names_above_a_plot_are_apart_and_stand_where_stages_begin(name: str) -> None:
    graph = trace(spec(name))
    places = [(row["depth"], row["path"]) for row in field_rows(graph)]
    last = max(x for x, _ in places)
    marks = landmarks(places, graph, last)
    assert len(marks) > 1
    assert all((b - a) * WIDTH / last >= APART for (a, _), (b, _) in pairwise(marks))
    for x, path in marks:
        assert x == min(at for at, layer in places if f"{layer}.".startswith(f"{path}."))


def test_of_two_names_that_would_touch_the_longer_stage_has_its_own() -> None:
    graph = trace(spec("densenet201"))
    places = [(row["depth"], row["path"]) for row in field_rows(graph)]
    assert [path for _, path in landmarks(places, graph, 205)] == [f"features.denseblock{n}" for n in (1, 2, 3, 4)]


# memory


@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("name", ["lenet5", "googlenet", "resnet50", "densenet121"])
def test_moments_and_the_peak_are_the_plans(name: str, batch: int) -> None:
    graph = trace(spec(name))
    for plan in (inference_memory(graph), training_memory(graph, "adam")):
        rows = memory_rows(plan, batch)
        assert [(row["path"], row["phase"], row["bytes"]) for row in rows] == [
            (moment.path, moment.phase, moment.bytes(batch)) for moment in plan.moments
        ]
        assert all(row["fixed"] + row["batch"] == row["bytes"] for row in rows)
        (peak,) = [row for row in rows if row["peak"]]
        assert (peak["path"], peak["phase"], peak["bytes"]) == (
            plan.peak(batch).path, plan.peak(batch).phase, plan.peak_bytes(batch),
        )  # fmt: skip


def test_the_peak_is_named_in_the_picture() -> None:
    graph = trace(spec("resnet50"))
    svg = drawn(memory_chart(graph, inference_memory(graph), 32), "svg", title="").decode()
    assert ">peak at layer1.0.downsample.1: 353.2 MB, 455.7 MB in all</text>" in svg
    chart = memory_chart(graph, training_memory(graph), 32, "training with momentum")
    svg = drawn(chart, "svg", title="").decode()
    assert re.search(r">peak at \S+ on the way back: [\d.]+ GB, 2.988 GB in all</text>", svg)
    assert ">forward pass</text>" in svg
    marked = [rows[0] for rows in values(chart) if len(rows) == 1 and rows[0].get("peak")]
    assert {row["path"] for row in marked} == {training_memory(graph).peak(32).path}


# files


@pytest.mark.parametrize("name", ["cost", "field", "memory", "training"])
def test_hostile_names_stay_text(name: str) -> None:
    chart = charts(hostile())[name]
    text = drawn(chart, "svg", title=HOSTILE).decode()
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(text).iter()}
    assert not tags & {"img", "script"}
    assert any("onerror" in (element.text or "") for element in ET.fromstring(text).iter())
    page = Page(drawn(chart, "html", title=HOSTILE).decode())
    assert [tag for tag, _ in page.tags if tag in ("script", "img", "iframe", "object", "link")] == ["script"] * 2
    assert page.title == HOSTILE[:-2] + "\ufffd\ufffd"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "title" and not self.title:
            self.title = data


def test_a_page_forbids_itself_every_address() -> None:
    text = drawn(charts(spec("lenet5"))["cost"], "html", title="lenet5").decode()
    page = Page(text)
    assert not any({"src", "href"} & set(attributes) for _, attributes in page.tags)
    (policy,) = [a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert len(text) < 1_200_000


def test_ground_and_ink_of_light_and_dark() -> None:
    chart = charts(spec("lenet5"))["field"]
    for dark, ground in ((False, chart_file.LIGHT), (True, chart_file.DARK)):
        svg = drawn(chart, "svg", title="", dark=dark).decode()
        assert f'fill="{ground.paper}"' in svg
        assert f'fill="{ground.ink}"' in svg
        png = Image.open(io.BytesIO(drawn(chart, "png", title="", dark=dark))).convert("RGB")
        assert "#{:02x}{:02x}{:02x}".format(*png.getpixel((1, 1))) == ground.paper
    page = drawn(chart, "html", title="").decode()
    assert chart_file.LIGHT.paper in page
    assert chart_file.DARK.paper in page
    assert chart_file.LIGHT.paper not in drawn(chart, "html", title="", dark=True).decode().replace(_library(), "")


def _library() -> str:
    return str(extras.need("vl_convert").javascript_bundle())


@pytest.mark.parametrize("name", ["chart.pdf", "chart", "chart.svg.txt"])
def test_another_ending_is_refused(name: str) -> None:
    with pytest.raises(UnknownName, match=rf"^{name}: the name must end in .html, .svg or .png$"):
        form_of(Path(name), chart_file.FORMATS)
    assert form_of(Path("A.SVG"), chart_file.FORMATS) == "svg"


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    chart = charts(spec("lenet5"))["field"]
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtra, match=r"pip install 'convsmith\[report\]'"):
        drawn(chart, "svg", title="")
    monkeypatch.setitem(sys.modules, "altair", None)
    for act in (
        lambda: field_chart(trace(spec("lenet5"))),
        lambda: sees.as_png(""),
    ):
        with pytest.raises(MissingExtra, match=r"pip install 'convsmith\[report\]'"):
            act()


# what a unit sees


@pytest.mark.parametrize(("name", "layer", "unit"), [
    ("vgg16", "features.30", (0, 6)), ("resnet50", "layer2.1.conv2", (27, 0)), ("googlenet", "inception4a", (5, 9)),
    ("lenet5", "conv2", (9, 9)), ("mobilenet_v2", "features.3.add", (50, 1)), ("resnet50", "fc", (0, 0)),
])  # fmt: skip
def test_a_box_is_the_region_in_numbers_and_in_the_picture(name: str, layer: str, unit: tuple[int, int]) -> None:
    graph = trace(spec(name))
    row = max(i for i, row in enumerate(graph.rows) if f"{row.path}.".startswith(f"{layer}."))
    each = sees.seen(graph, layer, unit)
    box = region(graph, row, unit)
    assert box is not None
    assert (each.box, each.unit, each.field) == (box, unit, receptive_field(graph)[row])
    scale = sees.SIDE / graph.input.rows
    frames = [element.attrib for element in ET.fromstring(sees.picture(graph, [each])).iter() if element.get("stroke")]
    frame = next(a for a in frames if a["stroke"] == sees.COLOURS[0])
    drawn_box = [float(frame[key]) / scale for key in ("y", "x", "height", "width")]
    assert drawn_box == pytest.approx([box.top, box.left, box.bottom - box.top, box.right - box.left], abs=0.2)


def test_a_centre_is_that_of_the_uncut_field() -> None:
    assert sees.seen(trace(spec("lenet5")), "conv1", (0, 3)).centre == (2.5, 5.5)
    vgg = trace(spec("vgg16"))
    middle = receptive_field(vgg)[30].rows  # 212 px from -90 on, a unit each 32 px; half of them are padding
    corner = sees.seen(vgg, "features.30", (0, 6)).centre
    assert corner == (middle.start + 106, middle.start + 6 * 32 + 106)
    assert sees.seen(trace(spec("resnet50")), "fc").centre == (112, 112)


def test_a_unit_that_sees_padding_alone_says_so() -> None:
    graph = trace(Network(Seq(shift=Shift(), conv=Conv(3, 1)), side=4, channels=9, classes=3))
    units = [sees.seen(graph, "shift", (i, j)) for i in range(4) for j in range(4)]
    assert all(each.box == region(graph, 0, each.unit) for each in units)
    alone = sees.Seen("shift", (0, 0), (4, 4), receptive_field(graph)[0], None, None)
    svg = sees.picture(graph, [alone])
    assert "sees padding alone" in svg
    assert "stroke-width" not in svg


def test_a_module_stands_for_its_last_layer_and_the_middle_for_no_unit() -> None:
    graph = trace(spec("resnet50"))
    each = sees.seen(graph, "layer3")
    assert (each.path, each.unit, each.map) == ("layer3.5.after", (7, 7), (14, 14))


def test_wrong_layers_and_units_are_refused() -> None:
    graph = trace(spec("resnet50"))
    with pytest.raises(
        UnknownName, match=r"^resnet50 has no layer 'layer3.5.conv9'; did you mean 'layer3.5.conv\d'\?$"
    ):
        sees.seen(graph, "layer3.5.conv9")
    with pytest.raises(SpecError, match=r"layer3.5.conv1: there is no unit \(14, 0\); its map is 14×14"):
        sees.seen(graph, "layer3.5.conv1", (14, 0))


def test_the_telling_layers_are_the_last_of_each_map() -> None:
    assert sees.telling(trace(spec("resnet50"))) == (
        "relu", "layer1.2.after", "layer2.3.after", "layer3.5.after", "layer4.2.after",
    )  # fmt: skip
    assert sees.telling(trace(spec("lenet5"))) == ("act1", "pool1", "act2", "pool2")
    whole = Network(Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(3)), side=4, channels=3, classes=3)
    assert sees.telling(trace(whole)) == ("fc",)


def test_equal_boxes_lie_in_each_other() -> None:
    graph = trace(spec("resnet50"))
    svg = sees.picture(graph, [sees.seen(graph, "layer4.1"), sees.seen(graph, "layer4.2")])
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="[\d.]+" fill="none"', svg)]
    assert widths == [460.0, 450.0]


def test_layers_names_are_escaped_and_long_ones_cut() -> None:
    body = Seq(**{HOSTILE: Conv(4, 3), "x" * 90: Conv(4, 3)})
    graph = trace(Network(body, side=8, channels=3, classes=4, name=HOSTILE))
    svg = sees.picture(graph, [sees.seen(graph, HOSTILE), sees.seen(graph, "x" * 90)])
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(svg).iter()}
    assert tags <= {"svg", "g", "rect", "path", "text"}
    assert "x" * 43 + "…, unit" in svg


def photo(path: Path, size: tuple[int, int], mode: str = "RGB") -> Path:
    image = Image.new(mode, size, (200, 30, 60) if mode == "RGB" else 90)
    image.paste((10, 200, 90) if mode == "RGB" else 200, (0, 0, size[0] // 2, size[1]))
    image.save(path)
    return path


def test_an_image_is_fitted_as_the_network_sees_it(tmp_path: Path) -> None:
    graph = trace(spec("resnet18"), (64, 96))
    file = photo(tmp_path / "photo.png", (400, 300))
    seen = Image.open(io.BytesIO(sees.as_input(file, graph)))
    assert (seen.size, seen.mode) == ((96, 64), "RGB")
    assert seen.getpixel((10, 30)) == (10, 200, 90)
    assert seen.getpixel((90, 30)) == (200, 30, 60)
    grey = Image.open(io.BytesIO(sees.as_input(file, trace(spec("lenet5")))))
    assert (grey.size, grey.mode) == ((32, 32), "L")


def test_a_photograph_taken_upright_is_seen_upright(tmp_path: Path) -> None:
    image = Image.open(photo(tmp_path / "photo.png", (100, 100)))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: what is stored at the left was above
    image.save(tmp_path / "photo.jpg", exif=exif, quality=100, subsampling=0)
    seen = Image.open(io.BytesIO(sees.as_input(tmp_path / "photo.jpg", trace(spec("lenet5"), channels=3))))
    for place, colour in (((16, 5), (10, 200, 90)), ((16, 27), (200, 30, 60))):
        pixel = seen.getpixel(place)
        assert isinstance(pixel, tuple)
        assert all(abs(a - b) < 9 for a, b in zip(pixel, colour, strict=True))


def test_an_oblong_image_keeps_its_shape_and_its_rulers() -> None:
    graph = trace(spec("resnet18"), (64, 96))
    svg = sees.picture(graph, [sees.seen(graph, "layer1", (3, 20))])
    box, scale = sees.seen(graph, "layer1", (3, 20)).box, sees.SIDE / 96
    assert box is not None
    frame = re.search(r'x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)" fill="none"', svg)
    assert frame is not None
    expected = [box.left, box.top, box.right - box.left, box.bottom - box.top]
    assert [float(number) / scale for number in frame.groups()] == pytest.approx(expected, abs=0.1)
    assert re.findall(r'text-anchor="middle">(\d+)<', svg) == [str(12 * n) for n in range(9)]
    assert re.findall(r'text-anchor="end">(\d+)<', svg) == [str(12 * n) for n in range(6)]


def test_the_image_is_embedded_and_drawn(tmp_path: Path) -> None:
    graph = trace(spec("lenet5"), channels=3)
    data = sees.as_input(photo(tmp_path / "photo.png", (100, 100)), graph)
    svg = sees.picture(graph, [sees.seen(graph, "conv1", (0, 0))], data)
    links = [value for element in ET.fromstring(svg).iter() for key, value in element.items() if key.endswith("href")]
    assert len(links) == 1
    assert links[0].startswith("data:image/png;base64,")
    png = Image.open(io.BytesIO(sees.as_png(svg))).convert("RGB")
    x, y = 2 * (sees.EDGE + 115), 2 * (sees.EDGE + 26 + 345)
    assert png.getpixel((x, y)) == (10, 200, 90)
    assert png.getpixel((x + 460, y)) == (200, 30, 60)


@pytest.mark.parametrize(("name", "message"), [
    ("none.jpg", "none.jpg: cannot be read as an image: No such file or directory"),
    ("text.jpg", "text.jpg: this is no image that Pillow reads"),
    ("torn.png", "torn.png: cannot be read as an image: "),
])  # fmt: skip
def test_what_is_no_image_is_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    whole = photo(tmp_path / "whole.png", (300, 300), "L").read_bytes()
    (tmp_path / "torn.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=re.escape(message)):
        sees.as_input(tmp_path / name, trace(spec("lenet5")))


def test_gates_and_residuals_of_your_own_are_drawn() -> None:
    body = Seq(stem=Conv(4, 3), block=Residual(Seq(conv=Conv(4, 3), act=Relu), after=Relu), pool=PoolTo(1),
               flatten=Flatten, fc=Linear(3))  # fmt: skip
    for chart in charts(Network(body, side=8, channels=3, classes=3, name="own")).values():
        assert drawn(chart, "png", title="own").startswith(b"\x89PNG")
    assert network_charts.GROWS == ("convolution", "linear", "pooling")
