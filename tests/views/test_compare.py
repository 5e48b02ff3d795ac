"""Totals side by side: each number is the one its own view gives."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

import convsmith
from convsmith.spec import SpecError, UnknownName, trace
from convsmith.views.compare import HEADS, RATIOS, Totals, plain, ranked, ratios, sheet, totals, wide_sheet
from convsmith.views.cost import cost
from convsmith.views.figures import depth
from convsmith.views.memory import memory
from convsmith.views.printable import printable
from convsmith.views.receptive_field import receptive_field
from convsmith.zoo import spec
from convsmith.zoo.cards import card

FOUR = ("alexnet", "vgg16", "googlenet", "resnet50")


def known(name: str, batch: int = 1, side: int | None = None) -> Totals:
    return totals(trace(spec(name), side), card(name), batch=batch)


@pytest.mark.parametrize("name", [*FOUR, "lenet5_1998", "efficientnet_b0"])
def test_every_number_is_that_of_its_own_view(name: str) -> None:
    graph, found = convsmith.trace(name), known(name, batch=8)
    total, plans = cost(graph), memory(graph, 8).plain()
    assert (found.params, found.weight_bytes) == (total.params, total.weight_bytes)
    for column in ("macs", "ops", "activations", "conv_activations", "in_place_activations"):
        assert getattr(found, column) == 8 * getattr(total, column), column
    assert found.inference_bytes == plans["inference"]["peak_bytes"]
    assert found.training_bytes == plans["training"]["momentum"]["peak_bytes"]
    size = receptive_field(graph)[graph.output].size
    assert found.receptive_field == (size[0] if size[0] == size[1] else size)
    assert (found.depth, found.year) == (depth(graph), card(name).year)


def test_the_four_of_the_course_notes_are_as_printed() -> None:
    found = [known(name) for name in FOUR]
    assert [one.params for one in found] == [61_100_840, 138_357_544, 6_624_904, 25_557_032]
    assert [one.depth for one in found] == [8, 16, 22, 50]
    assert [one.macs for one in found][1::2] == [15_470_264_320, 4_089_184_256]
    assert ratios(found)[1]["params"] == 138_357_544 / 61_100_840
    assert set(ratios(found)[0].values()) == {1.0}
    assert [row["ratios"]["macs"] for row in plain(found)] == [row["macs"] for row in ratios(found)]


def test_top1_is_the_cards_best_and_says_of_which_images_and_how_tested() -> None:
    best = card("resnet50").best
    found = known("resnet50")
    assert best is not None
    assert (found.top1, found.top1_side, found.top1_source, found.top1_protocol) == (*best, "single crop")
    assert known("resnet50_paper").top1_protocol == "10 crops"
    assert totals(convsmith.trace("resnet50")).top1 is None
    notes = wide_sheet([known("resnet50", side=160), known("resnet50_paper")]).notes
    assert notes == (
        "top-1 of resnet50 is for images of 224 pixels, its cost for 160",
        "top-1 of resnet50_paper is for 10 crops, its cost for one",
    )


def test_other_sides_cost_otherwise_and_weigh_the_same() -> None:
    large, small = known("resnet18"), known("resnet18", side=112)
    oblong = totals(trace(spec("resnet18"), (96, 160)))
    assert large.params == small.params == oblong.params
    assert large.macs > 3 * small.macs
    assert (small.side, oblong.side) == (112, (96, 160))
    assert "96×160" in sheet([large, oblong]).text()


def test_the_sheet_has_one_column_a_network_and_leaves_out_what_nobody_has() -> None:
    made = sheet([known(name) for name in FOUR])
    assert [column.name for column in made.columns] == ["", *FOUR]
    lines = {row[0]: row[1:] for row in made.rows}
    assert lines["params"] == (61_100_840, 138_357_544, 6_624_904, 25_557_032)
    assert lines["top-1 %"][3] == "81.15"
    assert [row[0] for row in made.rows].count("  × the first") == len(RATIOS)
    alone = sheet([totals(convsmith.trace("lenet5"))])
    assert not {"year", "top-1 %", "  × the first"} & {row[0] for row in alone.rows}
    assert max(map(len, made.text().splitlines())) <= 120


def test_many_networks_stand_below_each_other_and_csv_has_plain_numbers() -> None:
    found = [known(name) for name in FOUR]
    rows = list(csv.DictReader(io.StringIO(wide_sheet(found, tuple(HEADS)).csv())))
    assert [int(row["MACs"]) for row in rows] == [one.macs for one in found]
    assert [float(row["top-1 %"]) for row in rows] == [round(100 * (one.top1 or 0), 2) for one in found]
    assert max(map(len, wide_sheet(found).text().splitlines())) <= 120


def test_sorting_puts_the_unknown_first() -> None:
    found = [known("vgg16"), totals(convsmith.trace("resnet50")), known("alexnet")]
    assert [one.name for one in ranked(found, "top1")] == ["resnet50", "alexnet", "vgg16"]
    assert [one.name for one in ranked(found, "params")] == ["resnet50", "alexnet", "vgg16"]
    with pytest.raises(UnknownName, match=r"nothing is sorted by 'parms'; did you mean 'params'\? \(there are name,"):
        ranked(found, "parms")


def test_hostile_names_are_escaped_and_move_no_cursor() -> None:
    name = "<script>alert(1)</script>\x1b[2J\n"
    graph = replace(convsmith.trace("lenet5"), name=name)
    for made in (sheet([totals(graph)]), wide_sheet([totals(graph)])):
        assert "<script" not in made.html()
        assert "&lt;script&gt;" in made.html()
        assert "\x1b" not in made.text()
        assert "�[2J�" in made.text()
    assert printable("naïve ×3") == "naïve ×3"


def test_nothing_and_no_image_are_refused() -> None:
    for refuses in (sheet, wide_sheet, plain):
        with pytest.raises(SpecError, match="there is nothing to compare; name at least one network"):
            refuses([])
    with pytest.raises(SpecError, match="batch must be an integer of at least 1, got 0"):
        known("lenet5", batch=0)
