"""Charts of several networks: the points are the numbers, and the page is whole and safe."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from typing import Any

import pytest

pytest.importorskip("altair", reason="altair is not installed")
pytest.importorskip("vl_convert", reason="vl-convert is not installed")

import convsmith
from convsmith.report.chart_file import drawn
from convsmith.report.compare_charts import PALETTE, accuracy, by_depth
from convsmith.spec import MissingExtra, SpecError
from convsmith.views.compare import totals
from convsmith.views.cost import cost
from convsmith.views.pareto import pareto
from convsmith.zoo.cards import card

NAMES = ("alexnet", "vgg16", "googlenet", "resnet50", "resnet50_paper", "mobilenet_v2", "efficientnet_b0")


def saved(chart: Any, form: str) -> str:
    return drawn(chart, form, title="a chart").decode()


def rows(*names: str) -> list[dict[str, Any]]:
    return [totals(convsmith.trace(name), card(name)).plain() for name in names or NAMES]


def values(chart: Any) -> list[list[dict[str, Any]]]:
    """The data of every layer or panel."""
    chart = chart.to_dict()
    parts = chart.get("layer") or chart.get("hconcat") or [chart]
    return [chart["datasets"][(part.get("data") or chart["data"])["name"]] for part in parts]


def test_the_bubbles_are_the_published_top1_against_the_macs() -> None:
    found = {row["name"]: row for row in values(accuracy(rows()))[0]}
    assert set(found) == set(NAMES)
    for name, row in found.items():
        best, total = card(name).best, cost(convsmith.trace(name))
        assert best is not None
        assert (row["macs"], row["params"], row["top1"]) == (total.macs, total.params, best.top1)
    encoding = accuracy(rows()).to_dict()["layer"][0]["encoding"]
    assert encoding["x"]["scale"]["type"] == "log"
    assert encoding["size"]["field"] == "params"
    sizes = encoding["size"]["scale"]
    assert (sizes["domain"], sizes["range"][0]) == ([0, 138_357_544], 0)  # area = parameters, whatever the year
    assert encoding["y"]["scale"]["domain"][0] < min(row["top1"] for row in found.values())
    assert encoding["color"]["field"] == "family"


def test_each_family_has_one_colour_of_its_own() -> None:
    families = {card(name).family for name in convsmith.zoo.VARIANTS if card(name).best}
    assert len(families) <= len(PALETTE) == len(set(PALETTE))
    scale = accuracy(rows()).to_dict()["layer"][0]["encoding"]["color"]["scale"]
    assert len(scale["domain"]) == len(scale["range"]) == 6


def test_the_front_is_that_of_every_year_and_of_one_crop() -> None:
    chart = accuracy(rows())
    front = values(chart)[1]
    for until in (2014, 2015, 2019):
        known = [r for r in rows() if r["year"] <= until and r["name"] != "resnet50_paper"]
        assert [r["name"] for r in front if r["until"] == until] == [r["name"] for r in pareto(known)]
    slider = chart.to_dict()["params"][0]
    assert (slider["value"], slider["bind"]["min"], slider["bind"]["max"]) == (2019, 2014, 2019)


def test_cost_by_depth_ends_at_the_whole_and_never_falls() -> None:
    graphs = [(name, convsmith.trace(name)) for name in ("alexnet", "vgg16", "googlenet", "vgg16")]
    points = values(by_depth(graphs))[0]
    named = list(dict.fromkeys(row["network"] for row in points))
    assert named == ["alexnet", "vgg16", "googlenet", "vgg16 (2)"]
    for name in named:
        mine = [row for row in points if row["network"] == name]
        for column in ("depth", "macs", "params"):
            series = [row[column] for row in mine]
            assert series == sorted(series)
            assert (series[0], series[-1]) == (0, 1)
    total = cost(convsmith.trace("vgg16"))
    fc6 = next(row for row in points if row["network"] == "vgg16" and row["path"] == "classifier.0")
    assert fc6["depth"] == 14 / 16
    upto = total.layers[: [layer.path for layer in total.layers].index("classifier.0") + 1]
    assert fc6["params"] == sum(layer.params for layer in upto) / total.params


def test_the_page_is_offline_and_has_the_slider() -> None:
    page = saved(accuracy(rows()), "html")
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", page)
    assert '"input": "range"' in page
    assert '"max": 2019' in page
    assert len(page) < 3_000_000


def test_pictures_show_every_name() -> None:
    root = ET.fromstring(saved(accuracy(rows()), "svg"))
    texts = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(NAMES) <= texts
    depths = ET.fromstring(saved(by_depth([("vgg16", convsmith.trace("vgg16"))]), "svg"))
    assert "vgg16" in {node.text for node in depths.iter("{http://www.w3.org/2000/svg}text")}


def test_of_many_networks_only_those_on_the_front_are_named_and_no_label_covers_another() -> None:
    many = [row | {"name": f"{row['name']}_{i}", "macs": row["macs"] + i} for i in range(4) for row in rows()]
    root = ET.fromstring(saved(accuracy(many), "svg"))
    texts = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    shown = {name for name in texts if name and name.rpartition("_")[0] in NAMES}
    front = {row["name"] for row in pareto([row for row in many if row["top1_protocol"] == "single crop"])}
    assert shown
    assert shown <= front
    crowded = [row | {"name": f"n{i}", "top1": 0.7 + i / 10**6, "macs": 10**9 + i} for i, row in enumerate(many)]
    crowded.append(crowded[0] | {"name": "low", "top1": 0.4, "macs": 10**10})
    named = [row for row in values(accuracy(crowded))[1] if row["until"] == 2019 and row["named"]]
    assert len(named) == 1


def test_hostile_names_end_no_script_and_no_element() -> None:
    name = "</script><script>alert(1)</script>"
    hostile = [row | {"name": name, "family": name} for row in rows("alexnet", "vgg16")]
    for chart in (accuracy(hostile), by_depth([(name, convsmith.trace("lenet5"))])):
        page = saved(chart, "html")
        assert page.count("<script") == page.count("</script") == 2
        assert "alert(1)" in page
        svg = saved(chart, "svg")
        ET.fromstring(svg)
        assert "<script" not in svg


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="none of these networks has a published top-1 on ImageNet; name others"):
        accuracy(rows("lenet5"))
    monkeypatch.setitem(sys.modules, "altair", None)
    for draw in (lambda: accuracy(rows()), lambda: by_depth([])):
        with pytest.raises(MissingExtra, match=r"pip install 'convsmith\[report\]'"):
            draw()
