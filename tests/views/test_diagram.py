"""The diagram by its structure: well-formed, complete, within its bounds, equal blocks counted."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import get_args

import pytest

import convsmith
from convsmith.spec import (
    BACK,
    Branches,
    Cell,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Graph,
    Linear,
    Network,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Sigmoid,
    Step,
    Tap,
    trace,
)  # fmt: skip
from convsmith.spec.node import Category
from convsmith.views.blocks import structure
from convsmith.views.diagram import LEGEND, diagram
from convsmith.views.items import Chain, Fork, Op, Section, Tangle, rows_of
from convsmith.views.labels import label_of
from convsmith.views.painter import COLOURS
from convsmith.views.svg import text_width

SVG = "{http://www.w3.org/2000/svg}"
SHOWN = ("lenet5", "lenet5_1998", "alexnet", "vgg16", "vgg16_bn", "resnet20", "plain20", "resnet50", "resnet152")


def unit(width: int, kernel: int = 1) -> Seq:
    return Seq(conv=Conv(width, kernel, bias=False), bn=Norm(), act=Relu)


def inception() -> Branches:
    return Branches(a=unit(8), b=Seq(reduce=unit(4), conv=unit(8, 3)), pool=Seq(pool=Pool(3, 1, 1), conv=unit(8)))


def aux() -> Seq:
    return Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(10))


def odd(**middle: object) -> Graph:
    """A small network with these parts between stem and head."""
    parts = {
        "stem": unit(16, 3),
        **middle,
        "gap": PoolTo(1),
        "flatten": Flatten,
        "drop": Dropout(0.5),
        "fc": Linear(10),
    }
    return trace(Network(Seq(**parts), 32, name="odd"))  # type: ignore[arg-type]


def boxes(items: Chain) -> Iterator[Section]:
    for item in items:
        if isinstance(item, Section):
            yield item
            yield from boxes(item.items)
        elif isinstance(item, Fork):
            for branch in item.branches:
                yield from boxes(branch)


def texts(
    node: ET.Element, x: float = 0, y: float = 0, turned: bool = False
) -> Iterator[tuple[ET.Element, float, float, bool]]:
    """Every text with the place that its groups give it."""
    if moved := re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", node.get("transform", "")):
        x, y = x + float(moved[1]), y + float(moved[2])
    turned = turned or "rotate" in node.get("transform", "")
    if node.tag == f"{SVG}text":
        yield node, x + float(node.get("x", 0)), y + float(node.get("y", 0)), turned
    for child in node:
        yield from texts(child, x, y, turned)


def spans(svg: str) -> list[tuple[float, float, float, float, str]]:
    """(left, top, right, bottom, words) of every text by the width estimate."""
    found = []
    for node, x, y, turned in texts(ET.fromstring(svg)):
        size = float(node.get("font-size", 0))
        wide = text_width(node.text or "", size, bold=node.get("font-weight") == "bold")
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[node.get("text-anchor", "start")]
        box = (x, y, x + size, y + wide) if turned else (left, y - 0.75 * size, left + wide, y + 0.2 * size)
        found.append((*box, node.text or ""))
    return found


def test_every_category_has_a_colour_and_a_word() -> None:
    assert set(COLOURS) == set(LEGEND) == set(get_args(Category))
    assert len(set(COLOURS.values())) == len(COLOURS)
    svg = diagram(odd(block=Residual(Seq(conv=Conv(16, 3), pool=Pool(3, 1, 1)))))
    assert [word for word in LEGEND.values() if f">{word}</text>" not in svg] == []


def test_resnet50_has_3_4_6_3_blocks() -> None:
    counts = dict.fromkeys(("layer1", "layer2", "layer3", "layer4"), 0)
    for box in boxes(structure(convsmith.trace("resnet50"))[0]):
        if "." in box.path:
            counts[box.path.partition(".")[0]] += box.repeat
    assert list(counts.values()) == [3, 4, 6, 3]
    svg = diagram(convsmith.trace("resnet50"))
    assert re.findall(r">(\d) blocks<", svg) == ["3", "4", "6", "3"]
    assert re.findall(r">×(\d)<", svg) == ["2", "3", "5", "2"]


@pytest.mark.parametrize("name", SHOWN)
def test_every_kind_of_layer_is_named(name: str) -> None:
    graph = convsmith.trace(name)
    svg = diagram(graph)
    assert ET.fromstring(svg).tag == f"{SVG}svg"
    for row in graph.rows:
        label = label_of(row.node, graph.sigs(row)[0])
        assert label in ("add", "concat", "mul") or f">{label}</text>" in svg
        assert f">{row.out}</text>" in svg


@pytest.mark.parametrize("name", SHOWN)
def test_text_stays_inside_and_apart(name: str) -> None:
    check_bounds(diagram(convsmith.trace(name)))


def check_bounds(svg: str) -> None:
    _, _, width, height = map(float, ET.fromstring(svg).attrib["viewBox"].split())
    found = spans(svg)
    for left, top, right, bottom, words in found:
        assert left >= 0, words
        assert right <= width, words
        assert top >= 0, words
        assert bottom <= height, words
    for index, a in enumerate(found):
        for b in found[index + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


def test_the_whole_network_is_in_the_structure() -> None:
    for name in ("vgg16", "resnet20"):
        graph = convsmith.trace(name)
        drawn = sum(box.repeat * len(list(rows_of(box))) for box in boxes(structure(graph)[0]) if "." in box.path)
        outside = [row for row in graph.rows if not row.path.startswith("layer")]
        assert drawn + len(outside) == len(graph.rows)


def test_norm_and_activation_are_fused_but_not_across_blocks() -> None:
    trunk, _ = structure(convsmith.trace("resnet50"))
    assert trunk[:3] == (Op(), Op((0, 1, 2)), Op((3,)))
    preact = odd(a=Seq(*[Residual(Seq(norm=Norm(), act=Relu, conv=Conv(16, 3))) for _ in range(2)]))
    (stage,) = (box for box in boxes(structure(preact)[0]) if box.path == "a")
    assert isinstance(block := stage.items[0], Section)
    assert block.repeat == 2


def test_branches_gates_and_projections_are_forks() -> None:
    gate = Gate(Seq(pool=PoolTo(1), fc1=Conv(6), act=Relu, fc2=Conv(BACK), scale=Sigmoid))
    graph = odd(inc=inception(), se=gate, res=Residual(Seq(c=Conv(32, 3)), Seq(p=Conv(32))))
    forks = [item for item in (i for box in boxes(structure(graph)[0]) for i in box.items) if isinstance(item, Fork)]
    assert [[len(branch) for branch in fork.branches] for fork in forks] == [[1, 2, 2], [0, 3], [1, 1]]
    check_bounds(diagram(graph))


def test_auxiliary_heads_stand_beside_the_network_once() -> None:
    graph = odd(inc=inception(), aux1=Tap(aux()), more=inception(), aux2=Tap(aux()))
    svg = diagram(graph)
    assert svg.count(">training only<") == 2
    assert [svg.count(f">{head}<") for head in ("aux1", "aux2")] == [1, 1]
    check_bounds(svg)
    inside = diagram(odd(block=Residual(Seq(c=Conv(16, 3), aux=Tap(aux()), d=Conv(16, 3)))))
    assert ">training only, reads block.c<" in inside


def test_what_is_interwoven_is_drawn_with_all_its_edges() -> None:
    cell = Cell(out=("a", "b", "c"), a=Step(unit(8), "x"), b=Step(unit(8), "x", "x"), c=Step(unit(8, 3), "a", "b"))
    graph = odd(cell=cell)
    (tangle,) = (item for box in boxes(structure(graph)[0]) for item in box.items if isinstance(item, Tangle))
    assert sorted(rows_of(tangle)) == [i for i, row in enumerate(graph.rows) if row.path.startswith("cell")]
    assert [(part.path, part.sources) for part in tangle.parts] == [
        ("cell.a", (-1,)), ("cell.b_add", (-1,)), ("cell.b", (1,)), ("cell.c_add", (0, 2)), ("cell.c", (3,)),
        ("cell.concat", (0, 2, 4)),
    ]  # fmt: skip
    check_bounds(diagram(graph))


def test_names_are_escaped_and_frames_grow_with_them() -> None:
    hostile = '<script>"&' * 9
    parts = {hostile: Seq(*[Residual(Seq(c=Conv(3, 3))) for _ in range(3)])}
    svg = diagram(trace(Network(Seq(**parts), 8, name=hostile)))
    assert "<script" not in svg
    check_bounds(svg)


@pytest.mark.parametrize("name", ["\0", "a\x1b[2J", "\ud800", "]]>", "<!--", "&#0;", "\uffff", "\u202e", "𝔘" * 40])
def test_any_name_makes_well_formed_xml(name: str) -> None:
    svg = diagram(trace(Network(Seq(**{name: Residual(Seq(**{f"{name}c": Conv(3, 3)}))}), 8, name=name)))
    assert ET.fromstring(svg.encode()).tag == f"{SVG}svg"
    check_bounds(svg)


def test_deep_networks_stay_small_and_long_ones_break_into_columns() -> None:
    def size(name: str) -> list[float]:
        return [float(n) for n in ET.fromstring(diagram(convsmith.trace(name))).attrib["viewBox"].split()[2:]]

    assert size("resnet1202")[1] == size("resnet20")[1]
    width, height = size("resnet152")
    assert max(width, height) < 1700


def test_labels_say_groups_depth_and_direction() -> None:
    graph = odd(dw=Conv(16, 3, 2, groups=16), g=Conv(16, (1, 7), groups=4, dilation=2))
    labels = [label_of(row.node, graph.sigs(row)[0]) for row in graph.rows if row.path in ("dw", "g")]
    assert labels == ["3×3 depthwise, 16, /2", "1×7 conv, 16, 4 groups, dilation 2×2"]


def test_the_title_counts_for_the_reader() -> None:
    svg = diagram(convsmith.trace("lenet5"))
    assert "61.71 k parameters · 416.5 k MACs at 1×32×32" in svg
