"""What changed between two networks, held to what is known of them, and to itself."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest

import convsmith
from convsmith.spec import (
    Conv,
    Dropout,
    Flatten,
    Graph,
    Linear,
    Network,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Tanh,
    trace,
)
from convsmith.views import alignment
from convsmith.views.alignment import align, settings
from convsmith.views.cost import cost
from convsmith.views.diff import Diff, diff
from convsmith.views.diff_outline import Repeat, Run, outline, spaced, words
from convsmith.views.diff_svg import diff_svg, fitted
from convsmith.views.diff_text import text
from convsmith.views.svg import text_width

SVG = "{http://www.w3.org/2000/svg}"
PAIRS = (
    ("alexnet_2012", "zfnet"), ("resnet50_paper", "resnet50"), ("googlenet_paper", "googlenet"), ("vgg11", "vgg16"),
    ("resnet34", "resnet50"), ("mobilenet_v2", "mobilenet_v3_large"), ("alexnet", "resnet18"), ("lenet5", "vgg16"),
)  # fmt: skip


def between(a: str, b: str) -> Diff:
    return diff(convsmith.trace(a), convsmith.trace(b))


def small(name: str = "small", side: int = 16, **layers: object) -> Graph:
    parts = {"conv1": Conv(8, 3), "act1": Relu, "pool": Pool(2), "conv2": Conv(16, 3), "act2": Relu} | layers
    body = Seq(**{k: v for k, v in parts.items() if v}, gap=PoolTo(1), flatten=Flatten, fc=Linear(10))
    return trace(Network(body, side=side, channels=3, classes=10, name=name))


def told(found: Diff) -> dict[str, str]:
    """Path -> what changed, of all changed layers."""
    return {x.row.path: spaced(words(x.changes)) for x in found.lines if x.status in ("changed", "moved")}


def test_zfnet_against_alexnet_is_what_the_paper_says() -> None:
    found = between("alexnet_2012", "zfnet")
    changes = told(found)
    assert changes.pop("conv1") == "kernel 11 → 7, stride 4 → 2, pad 0 → 1"
    assert changes.pop("conv2") == "stride 1 → 2, pad 2 → 0, groups 2 → 1"
    assert changes.pop("conv4") == changes.pop("conv5") == "groups 2 → 1"  # one tower
    assert changes.pop("pool1") == "ceil no → yes, after relu1 instead of norm1"  # pooled before normalised
    assert changes.pop("pool2") == "ceil no → yes, after relu2 instead of norm2"
    assert changes == {"pool5": "ceil no → yes"}
    assert (found.counts["added"], found.counts["removed"], found.counts["moved"]) == (0, 0, 2)


def test_v1_5_moves_the_strides_from_conv1_to_conv2_in_the_first_block_of_three_stages_and_nothing_else() -> None:
    found = between("resnet50_paper", "resnet50")
    blocks = ("layer2.0", "layer3.0", "layer4.0")
    assert [(s.status, s.word, s.changes, s.paths) for s in found.summary] == [
        ("changed", "conv1", (("stride", 2, 1),), tuple(f"{block}.conv1" for block in blocks)),
        ("changed", "conv2", (("stride", 1, 2),), tuple(f"{block}.conv2" for block in blocks)),
    ]
    resized = [line.row.path for line in found.lines if line.status == "resized"]
    assert resized == [f"{block}.{layer}1" for block in blocks for layer in ("bn", "relu")]
    assert "~ conv1: stride 2 → 1, 3 times: layer2.0.conv1, layer3.0.conv1, layer4.0.conv1\n" in text(found)


def test_googlenet_of_the_library_has_batch_norm_for_biases_and_3x3_for_5x5() -> None:
    summary = {
        (s.status, spaced(words(s.changes)), s.word): len(s.paths)
        for s in between("googlenet_paper", "googlenet").summary
    }
    assert summary[("added", "", "bn (norm)")] == 59
    assert summary[("changed", "bias yes → no", "conv")] == 50
    assert summary[("changed", "kernel 5 → 3, pad 2 → 1, bias yes → no", "conv")] == 9
    assert summary[("removed", "", "norm1 (local_norm)")] == summary[("removed", "", "norm2 (local_norm)")] == 1
    assert summary[("changed", "kernel 3 → 2", "maxpool4 (max_pool)")] == 1


def test_timms_mobilenet_v2_is_ours_but_for_names_and_the_dropout_that_it_leaves_out() -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    from convsmith.cli.subject import subject

    found = diff(convsmith.trace("mobilenet_v2"), subject("timm:mobilenetv2_100").graph)
    assert found.counts == {"equal": 152, "resized": 0, "changed": 0, "moved": 0, "added": 0, "removed": 1}
    assert [(s.status, s.paths) for s in found.summary] == [("removed", ("classifier.0",))]
    assert found.renamed == 152


@pytest.mark.parametrize("name", ["lenet5_1998", "googlenet", "resnet50", "nasnet_a_mobile", "shufflenet_v2_x1_0"])
def test_a_network_and_itself_have_no_difference(name: str) -> None:
    graph = convsmith.trace(name)
    found = diff(graph, graph)
    assert found.same
    assert found.summary == ()
    assert f"no difference: {len(graph.rows)} layers, alike in kind, settings, wiring and size\n" in text(found)
    assert [type(entry) for entry in outline(found)] == [Run]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_every_layer_of_both_is_accounted_for_once_and_pairs_keep_their_order(a: str, b: str) -> None:
    one, other = convsmith.trace(a), convsmith.trace(b)
    pairs = align(one, other)
    assert sorted(p.a for p in pairs if p.a is not None) == list(range(len(one.rows)))
    assert [p.b for p in pairs if p.b is not None] == list(range(len(other.rows)))
    kept = [p.a for p in pairs if p.a is not None and not p.moved]
    assert all(x < y for x, y in pairwise(kept))
    for field in ("params", "macs"):
        lines = diff(one, other).lines
        change = sum(getattr(x.b.facts, field) if x.b else 0 for x in lines)
        change -= sum(getattr(x.a.facts, field) if x.a else 0 for x in lines)
        whole = [sum(getattr(row.facts, field) for row in graph.rows) for graph in (one, other)]
        assert change == whole[1] - whole[0]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_totals_are_the_costs_and_turning_the_diff_round_turns_added_into_removed(a: str, b: str) -> None:
    found, back = between(a, b), between(b, a)
    costs = cost(found.a), cost(found.b)
    assert {n: (x, y) for n, x, y in found.totals}["macs"] == (costs[0].macs, costs[1].macs)
    assert found.counts["added"] == back.counts["removed"]
    assert found.counts["removed"] == back.counts["added"]


def test_inserted_blocks_are_found_as_such() -> None:
    found = between("resnet50", "resnet101")
    assert found.counts == {"equal": 175, "resized": 0, "changed": 0, "moved": 0, "added": 170, "removed": 0}
    blocks = {x.row.path.rpartition(".")[0] for x in found.lines if x.status == "added"}
    assert blocks == {f"layer3.{i}" for i in range(6, 23)}
    repeat = next(entry for entry in outline(found) if isinstance(entry, Repeat))
    assert (len(repeat.entries), repeat.times, repeat.last) == (10, 17, "layer3.22.after")
    assert "× the same 17 times in all, to layer3.22.after" in text(found)


def test_vgg16_is_vgg11_with_a_convolution_more_at_the_end_of_each_stage_and_in_the_first() -> None:
    found = between("vgg11", "vgg16")
    added = [int(line.row.path.rpartition(".")[2]) for line in found.lines if line.status == "added"]
    assert added == [2, 3, 7, 8, 14, 15, 21, 22, 28, 29]
    assert found.counts["equal"] == 30


def test_squeeze_and_excitation_is_added_and_no_other_convolution_taken_for_it() -> None:
    found = between("mobilenet_v2", "mobilenet_v3_large")
    added = [line.row.path for line in found.lines if line.status == "added"]
    assert sum(path.endswith(("fc1", "fc2")) for path in added) == 14
    assert sum(path.endswith("mul") for path in added) == 8


def test_batch_norm_between_numbered_layers_moves_the_numbers_and_nothing_else() -> None:
    found = between("vgg16", "vgg16_bn")
    assert found.counts == {"equal": 40, "resized": 0, "changed": 0, "moved": 0, "added": 13, "removed": 0}
    assert {line.row.kind for line in found.lines if line.status == "added"} == {"norm"}


def test_another_input_size_resizes_and_changes_nothing() -> None:
    found = diff(small(), small(side=20))
    assert (found.same, found.summary) == (False, ())
    assert found.counts["changed"] == found.counts["added"] == found.counts["removed"] == 0
    sizes = {line.row.path: line.status for line in found.lines}
    assert sizes["conv2"] == "resized"
    assert sizes["fc"] == sizes["flatten"] == "equal"
    assert "9 layers alike" not in text(found)
    assert "8 layers alike, 6 of them at another size" in text(found)


def test_ways_to_say_one_layer_are_one_layer() -> None:
    found = diff(small(), small(conv1=Conv(8, (3, 3), 1, (1, 1, 1, 1)), pool=Pool(2, 2)))
    assert found.same
    assert settings(small().rows[0])["pad"] == 1


@pytest.mark.parametrize(
    ("layers", "status", "said"),
    [
        ({"act1": Tanh}, "changed", "relu → tanh"),
        ({"conv2": Conv(24, 3)}, "changed", "out 16 → 24"),
        ({"conv2": Conv(16, 3, dilation=2, pad=2)}, "changed", "pad 1 → 2, dilation 1 → 2"),
        ({"conv2": Conv(16, (1, 3))}, "changed", "kernel 3 → 1×3, pad 1 → 0×1"),
        ({"conv1": Conv(8, 3, bias=False)}, "changed", "bias yes → no"),
        ({"act2": None}, "removed", "removed"),
        ({"act2": Seq(norm=Norm(1e-3), relu=Relu)}, "added", "added: norm"),
        ({"act2": Seq(relu=Relu, drop=Dropout(0.5))}, "added", "added"),
    ],
)
def test_one_change_is_one_line(layers: dict[str, object], status: str, said: str) -> None:
    found = diff(small(), small(**layers))
    assert [summary.status for summary in found.summary] == [status]
    assert said in text(found)


def test_another_wiring_of_equal_layers_is_a_change() -> None:
    def wired(inside: bool) -> Graph:
        conv, bn = Conv(8, 3, bias=False), Norm()
        block = Seq(conv=conv, skip=Residual(Seq(bn=bn))) if inside else Residual(Seq(conv=conv, bn=bn))
        body = Seq(stem=Conv(8, 3), block=block, gap=PoolTo(1), flatten=Flatten, fc=Linear(10))
        return trace(Network(body, side=8, channels=3, classes=10, name="wired"))

    found = diff(wired(inside=False), wired(inside=True))
    add = next(line for line in found.lines if line.row.kind == "add")
    assert not found.same
    assert add.status == "changed"
    assert add.changes[0][0] == "reads"
    assert "block.conv" in words(add.changes)


def test_branches_joined_in_another_order_are_a_change() -> None:
    graph = convsmith.trace("googlenet")
    index = next(i for i, row in enumerate(graph.rows) if row.path == "inception3a.concat")
    row = graph.rows[index]
    rows = (*graph.rows[:index], row._replace(inputs=row.inputs[::-1]), *graph.rows[index + 1 :])
    found = diff(graph, replace(graph, rows=rows))
    assert list(told(found)) == ["inception3a.concat"]
    added = next(i for i, row in enumerate(convsmith.trace("resnet18").rows) if row.kind == "add")
    other = convsmith.trace("resnet18")
    row = other.rows[added]
    rows = (*other.rows[:added], row._replace(inputs=row.inputs[::-1]), *other.rows[added + 1 :])
    assert diff(other, replace(other, rows=rows)).same  # a sum has no order


def test_a_layer_that_puts_out_the_same_of_another_input_is_not_equal() -> None:
    graphs = [
        trace(Network(Seq(conv=conv, flatten=Flatten, fc=Linear(10)), side=4, channels=3, classes=10, name="n"))
        for conv in (Conv(8, 2, 2, 0), Conv(32, 4, 4, 0))
    ]
    assert [line.status for line in diff(*graphs).lines] == ["changed", "resized", "equal"]


def test_layers_without_settings_of_their_own_go_with_their_width() -> None:
    def chain(*widths: int) -> Graph:
        layers = [layer for width in widths for layer in (Conv(width, 3), Relu)]
        body = Seq(features=Seq(*layers), gap=PoolTo(1), flatten=Flatten, fc=Linear(10))
        return trace(Network(body, side=8, channels=3, classes=10, name="chain"))

    found = diff(chain(8, 16), chain(8, 24, 32, 16))
    added = [line.row.out.channels for line in found.lines if line.status == "added"]
    assert added == [24, 24, 32, 32]


def test_large_graphs_are_pinned_by_their_paths_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed = between("resnet50", "resnext50_32x4d").counts
    monkeypatch.setattr(alignment, "LARGEST_TABLE", 0)
    assert between("resnet50", "resnext50_32x4d").counts == weighed
    assert between("resnet50", "resnet101").counts["added"] == 170


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_text_is_at_most_120_columns_wide_and_ends_with_the_totals(a: str, b: str) -> None:
    found = text(between(a, b))
    assert max(map(len, found.splitlines())) <= 120
    assert "\u00a0" not in found
    assert re.search(r"^MACs +[\d,]+ → +[\d,]+", found, re.M)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_outline_holds_every_line_once(a: str, b: str) -> None:
    found = between(a, b)
    count = 0
    for entry in outline(found):
        inner, times = (entry.entries, entry.times) if isinstance(entry, Repeat) else ((entry,), 1)
        count += times * sum(len(part.lines) if isinstance(part, Run) else 1 for part in inner)
        assert times > 1 or not isinstance(entry, Repeat)
    assert count == len(found.lines)


def test_numbers_are_shown_to_four_digits() -> None:
    assert "rate 0.025 → 0.02609" in text(between("efficientnet_b0", "efficientnet_b1"))


def test_plain_data_is_json_and_whole() -> None:
    found = between("alexnet_2012", "zfnet")
    data = json.loads(json.dumps(found.plain()))
    assert data["counts"] == found.counts
    assert data["totals"]["params"] == [60_965_224, 62_357_608]
    assert len(data["lines"]) == len(found.lines)
    first = data["lines"][0]
    assert first["status"] == "changed"
    assert first["changes"] == {"kernel": [11, 7], "stride": [4, 2], "pad": [0, 1]}
    assert first["b"] == {
        "path": "conv1", "kind": "conv", "out": [96, 110, 110], "params": 14_208, "macs": 170_755_200, "ops": 0,
        "settings": {"out": 96, "kernel": 7, "stride": 2, "pad": 1, "dilation": 1, "groups": 1, "bias": True},
    }  # fmt: skip
    assert data["a"] == {"name": "alexnet_2012", "input": [3, 227, 227]}


@pytest.mark.parametrize(("a", "b"), [*PAIRS, ("resnet50", "resnet50")])
def test_the_picture_is_well_formed_and_tints_what_changed(a: str, b: str) -> None:
    found = between(a, b)
    root = ET.fromstring(diff_svg(found))
    texts = [node.text or "" for node in root.iter(f"{SVG}text")]
    assert {a, b} <= set(texts)
    shown = [entry for entry in outline(found) if not isinstance(entry, Run)]
    boxes = [rect for rect in root.iter(f"{SVG}rect") if rect.get("fill") == "#fff3d1"]
    changed = sum(
        line.status == "changed"
        for entry in shown
        for line in (entry.entries if isinstance(entry, Repeat) else (entry,))
        if not isinstance(line, Run)
    )
    assert len(boxes) == 2 * changed + (changed > 0)  # one more in the legend
    assert all(0 < float(root.get(side) or 0) < 12_000 for side in ("width", "height"))


def test_hostile_names_are_escaped_in_the_picture_and_move_no_cursor_in_text() -> None:
    name = "<script>alert(1)</script>\x1b[2J"
    one, other = small(name), small("b\n" * 3, conv2=Conv(24, 3))
    rows = tuple(row._replace(path=f"{row.path}{name}{'x' * 300}") for row in other.rows)
    found = diff(one, replace(other, rows=rows))
    svg = diff_svg(found)
    ET.fromstring(svg)
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    said = text(found)
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 120


def test_text_that_is_too_wide_loses_its_middle() -> None:
    assert fitted("short", 10, 100) == "short"
    cut = fitted("features.denseblock4.denselayer16.conv2", 10, 100)
    assert cut.startswith("feat")
    assert "…" in cut
    assert cut.endswith("2")
    assert text_width(cut, 10) <= 100
