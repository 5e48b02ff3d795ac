"""Close-ups, shading, expansion, towers and cells: what a diagram can be asked for."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET

import pytest

import convsmith
from convsmith.spec import UnknownName
from convsmith.spec.trace import INPUT
from convsmith.views.cost import cost
from convsmith.views.diagram import diagram
from convsmith.views.part import part
from convsmith.views.shading import DARK, LIGHT, shading

from .geometry import drawn, lines_through_nodes, lines_through_words, overlapping_boxes
from .test_diagram import check_bounds

READ = (
    "lenet5", "alexnet_2012", "googlenet", "resnet152", "densenet121", "nasnet_a_mobile", "efficientnet_b7",
    "convnext_tiny", "shufflenet_v2_x1_0", "inception_v3", "inception_resnet_v2", "mobilenet_v2",
)  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_nothing_overlaps_or_is_cut(name: str) -> None:
    svg = diagram(convsmith.trace(name))
    check_bounds(svg)
    check_lines(svg)


def check_lines(svg: str) -> None:
    found = drawn(svg)
    assert lines_through_words(found) == []
    assert lines_through_nodes(found) == []
    assert overlapping_boxes(found) == []


def test_the_check_of_lines_sees_what_is_wrong() -> None:
    svg = diagram(convsmith.trace("resnet18"), at="layer2.0")
    words, ways, boxes = found = drawn(svg)
    lower = [((a, b + 14, c, d + 14), word) for (a, b, c, d), word in words]
    assert lines_through_words(found._replace(words=lower))
    assert lines_through_nodes(found._replace(ways=[[(x, y + 60) for x, y in way] for way in ways]))
    assert overlapping_boxes(found._replace(boxes=[*boxes, *((a + 30, b + 9, c + 30, d + 9) for a, b, c, d in boxes)]))


BLOCKS = (
    ("resnet50", "layer1.0"), ("googlenet", "inception3a"), ("densenet121", "features.denseblock1.denselayer2"),
    ("mobilenet_v2", "features.3"), ("seresnet50", "layer1.0"), ("nasnetalarge", "cell_1"),
    ("nasnet_a_mobile", "reduction_cell_0"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "path"), BLOCKS)
def test_a_close_up_draws_its_container_alone(name: str, path: str) -> None:
    graph = convsmith.trace(name)
    svg = diagram(graph, at=path)
    check_bounds(svg)
    check_lines(svg)
    inside = [row for row in graph.rows if row.path.startswith(f"{path}.")]
    hints = re.findall(
        r"^([^:<\n]+): ", "\n".join(t.text or "" for t in ET.fromstring(svg).iter() if "title" in t.tag), re.M
    )
    meet = {row.path for row in inside if row.kind in ("add", "mul", "concat")}
    assert {*hints} <= {row.path for row in inside}
    assert {row.path for row in inside if row.kind in ("conv", "max_pool", "avg_pool")} <= {*hints}
    assert all(f">{row.out}</text>" in svg for row in inside if row.kind in ("conv", "concat"))
    assert meet


def test_a_part_is_a_graph_whose_costs_are_those_of_its_rows() -> None:
    graph = convsmith.trace("resnet50")
    block = part(graph, "layer2.0")
    rows = [row for row in graph.rows if row.path.startswith("layer2.0.")]
    assert [row.path for row in block.rows] == [row.path for row in rows]
    assert block.input.shape == (256, 56, 56)
    assert block.rows[0].inputs == (INPUT,)
    assert cost(block).macs == sum(row.facts.macs for row in rows)


def test_a_part_that_reads_two_places_has_a_row_for_each() -> None:
    cell = part(convsmith.trace("nasnetalarge"), "cell_1")
    assert [row.path for row in cell.rows[:2]] == ["from cell_stem_1", "from cell_0"]
    assert [row.facts.macs for row in cell.rows[:2]] == [0, 0]
    assert cell.rows[cell.output].path == "cell_1.concat"


def test_a_path_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"resnet50 has nothing at 'layer9'; did you mean 'layer\d'\?"):
        diagram(convsmith.trace("resnet50"), at="layer9")


def test_shading_follows_the_share_and_its_scale_is_in_the_legend() -> None:
    graph = convsmith.trace("vgg16")
    svg = diagram(graph, shade="params")
    tints = {float(tint) for tint in re.findall(r'fill-opacity="([\d.]+)" stroke', svg)}
    assert (min(tints), max(tints)) == (LIGHT, DARK)
    assert ">74.3 % of all parameters in one layer</text>" in svg
    shares = shading(graph, "params").shares
    assert sum(shares) == pytest.approx(1)
    second = sorted(shares)[-2] / max(shares)
    assert any(tint == pytest.approx(LIGHT + (DARK - LIGHT) * second, abs=1e-3) for tint in tints)
    check_bounds(svg)


def test_cells_are_shaded_by_their_share_of_the_whole() -> None:
    graph = convsmith.trace("nasnet_a_mobile")
    whole = shading(graph, "macs")
    cell = part(graph, "cell_1")
    inner = whole.of(cell, graph.rows)
    assert inner.largest == whole.largest
    assert sum(inner.shares) == pytest.approx(cost(cell).macs / cost(graph).macs)


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(
        UnknownName, match=r"no shade 'mac'; did you mean 'macs'\? \(there are macs, params, activations\)"
    ):
        diagram(convsmith.trace("lenet5"), shade="mac")


def test_equal_blocks_are_drawn_once_unless_expanded() -> None:
    graph = convsmith.trace("densenet121")
    once, each = diagram(graph), diagram(graph, expand=True)
    assert re.findall(r">×(\d+)</text>", once) == ["6", "12", "24", "16"]
    assert re.findall(r">×\d+</text>", each) == []
    assert (once.count(">3×3 conv, 32</text>"), each.count(">3×3 conv, 32</text>")) == (4, 58)
    assert ">96…256×56×56</text>" in once


def test_stochastic_depth_keeps_no_blocks_apart() -> None:
    svg = diagram(convsmith.trace("efficientnet_b7"))
    assert re.findall(r">×(\d+)</text>", svg) == ["3", "6", "6", "9", "9", "12", "3"]


def test_alexnet_has_two_towers_that_meet_once() -> None:
    svg = diagram(convsmith.trace("alexnet_2012"))
    labels = ("11×11 conv, 48, /4", "5×5 conv, 128", "3×3 conv, 192", "3×3 conv, 128", "3×3 max pool, /2")
    assert [svg.count(f">{label}</text>") for label in labels] == [2, 2, 4, 2, 6]
    assert "groups</text>" not in svg.replace("is shown), groups</text>", "")
    assert svg.count(" L") == 2  # the two slanted lines into the third convolution, which reads both towers
    assert ">11×11 conv, 64, /4</text>" in diagram(convsmith.trace("alexnet"))


def test_nasnets_cells_are_drawn_beside_the_network() -> None:
    svg = diagram(convsmith.trace("nasnet_a_mobile"))
    notes = re.findall(r">(\w+)</text><text[^>]*>and (\d+) like it</text>", svg)
    assert notes == [("cell_0", "2"), ("cell_1", "8"), ("reduction_cell_0", "1")]
    assert svg.count(">5×5 separable conv, 44 (×2)</text>") == 4  # two in each of the two normal cells, Fig. 4
    assert re.findall(r">×(\d+)</text>", svg) == ["3", "3", "3"]


def test_large_networks_fit_a_page() -> None:
    for name, most in (("resnet152", 1700), ("densenet121", 1400), ("googlenet", 2200), ("efficientnet_b7", 3000)):
        size = [float(n) for n in ET.fromstring(diagram(convsmith.trace(name))).attrib["viewBox"].split()[2:]]
        assert max(size) < most, name


@pytest.mark.slow
def test_the_whole_zoo_is_drawn_in_ten_seconds() -> None:
    graphs = [convsmith.trace(name) for name in convsmith.names()]
    begun = time.process_time()
    pictures = [diagram(graph) for graph in graphs]
    assert time.process_time() - begun < 10
    for svg in pictures:
        check_lines(svg)
