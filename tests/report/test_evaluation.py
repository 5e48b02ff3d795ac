"""The evaluation's page by its structure: whole, alone in its file, and saying what the record says."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("altair", reason="altair is not installed")
pytest.importorskip("vl_convert", reason="vl-convert is not installed")

from convsmith.report import evaluation_charts
from convsmith.report.evaluation import confused, p_value, points, render, write_evaluation
from convsmith.spec import MissingExtra, RunError
from convsmith.views.svg import text_width

Record = dict[str, Any]
CLASSES = [str(digit) for digit in range(10)]
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
SECTIONS = ["runs", "calibration", "classes", "confusion", "mistakes", "method"]
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "</svg>", "a\x07b", *"56789"]


def result(classes: list[str]) -> Record:
    """27 images of each of ten classes, seven of them taken for the next class."""
    matrix = [[(26 if i < 7 else 27) * (i == j) + (j == i + 1) * (i < 7) for j in range(10)] for i in range(10)]
    rows = [
        {"class": name, "precision": 0.96, "recall": matrix[i][i] / 27, "f1": 0.96, "n": 27}
        for i, name in enumerate(classes)
    ]
    mistakes = [
        {"name": f"i{i}", "label": classes[i], "predicted": classes[i + 1], "confidence": 0.9, "png": DOT}
        for i in range(7)
    ]
    return {
        "split": "test", "n": 270, "top5": 1.0, "loss": 0.0812, "classes": classes, "confusion": matrix,
        "per_class": rows, "mistakes": mistakes,
    }  # fmt: skip


def calibration(ece: float = 0.0312) -> Record:
    """Bins that are too sure below a half and not sure enough above it; the first five are empty."""
    bins = [
        {
            "low": i / 15, "high": (i + 1) / 15, "n": 0 if i < 5 else 18 * (i - 4),
            "confidence": None if i < 5 else (i + 0.5) / 15,
            "accuracy": None if i < 5 else (i + 0.5) / 15 + (-0.06 if i < 8 else 0.02),
        }
        for i in range(15)
    ]  # fmt: skip
    return {"ece": ece, "mce": 0.06, "nll": 0.0812, "brier": 0.0431, "bins": bins}


def interval(value: float, room: float = 0.02) -> Record:
    ends = {"value": value, "low": value - room, "high": value + room}
    return {**ends, "level": 0.95, "method": "percentile bootstrap", "resamples": 10_000, "seed": 0}


def row(name: str, top1: float, classes: list[str], *, first: bool = False) -> Record:
    found = result(classes) | {"name": name, "top1": top1, "interval": interval(top1, 0.012), "protocol": "ten-crop"}
    against = None if first else interval(top1 - 0.9741, 0.011)
    test = None if first else {"b": 9, "c": 2, "p": 0.0654}
    about = {"network": "resnet8", "recipe": "default, 60 epochs", "seed": 3, "command": "convsmith train digits"}
    return found | {"calibration": calibration(), "difference": against, "mcnemar": test, "about": about}


def record(runs: int = 3, *, joined: bool = True, classes: list[str] = CLASSES) -> Record:
    rows = [row(f"runs/{'abcdefghijkl'[i]}", 0.9741 - 0.004 * i, classes, first=not i) for i in range(runs)]
    together = None
    if joined:
        together = row("ensemble", 0.9852, classes) | {"members": runs, "mean_member": 0.9701, "gain": interval(0.0151)}
        del together["about"]
    return {
        "split": "test", "protocol": "ten-crop", "n": 270, "runs": rows, "ensemble": together, "data": "digits",
        "command": "convsmith evaluate runs/a", "environment": {"python": "3.11.9", "torch": "2.9.1"},
    }  # fmt: skip


@cache
def page(runs: int = 3, joined: bool = True) -> str:
    """The page of an unchanged record, drawn once."""
    return render(record(runs, joined=joined))


class Page(HTMLParser):
    """Tags with their attributes, and the page's text; every tag that opens must close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data + " "

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)

    def text(self) -> str:
        return " ".join(self.words.split())


def test_one_file_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    path = write_evaluation(tmp_path / "e.html", record())
    html = path.read_text("utf-8")
    found = Page(html)
    assert {"script", "link", "iframe", "object", "embed", "base", "form"}.isdisjoint(tag for tag, _ in found.tags)
    for tag, attrs in found.tags:
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "srcset", "action"):
                assert value.startswith(("#", "data:image/png;base64,")), (tag, value)
    assert not re.search(r"url\((?!#)|@import", html)
    assert "--accent" in html  # the look of a run's report
    assert [entry.name for entry in tmp_path.iterdir()] == ["e.html"]


def test_sections_stand_once_and_are_linked() -> None:
    for html, sections, drawn in ((page(), SECTIONS, 7), (page(1, False), SECTIONS[1:], 3)):
        found = Page(html)
        assert found.count("svg") == drawn
        ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
        assert [name for name in ids if name in SECTIONS] == sections
        links = [attrs["href"][1:] for tag, attrs in found.tags if tag == "a"]
        assert links == sections
        assert found.count("img") == 7


def test_several_runs_are_told_with_intervals_tests_and_the_gain() -> None:
    text = Page(page()).text()
    assert "98.52 % top-1 of the ensemble of 3 on 270 test images (95 % interval 97.32 % to 99.72 %)" in text
    assert "+1.11 +0.01 to +2.21 9 : 2 0.065" in text
    assert "−0.40 −1.50 to +0.70" in text
    assert "The mean member has 97.01 %; the ensemble differs from that by +1.51 points" in text
    assert "3 runs on digits" in text
    assert "four corners and the centre, mirror images too where they keep their class" in text
    assert "95 % percentile bootstrap over images, 10,000 resamples, seed 0" in text
    without = Page(render(record(2, joined=False))).text()
    assert "97.41 % top-1 of runs/a on 270 test images" in without
    assert "ensemble" not in without.lower()


def test_one_run_is_told_alone() -> None:
    text = Page(page(1, False)).text()
    assert "resnet8 on digits 97.41 % top-1 on 270 test images" in text
    assert "McNemar" not in text
    assert "The largest gap of a bin (MCE) is 6.0 %, in one of " in text
    assert "resnet8, recipe default, 60 epochs, seed 3" in text


def test_an_exact_interval_and_an_own_set_are_said() -> None:
    data = record(1, joined=False) | {"split": "photos/", "data": "photos/"}
    data["runs"][0]["interval"] |= {"resamples": 0, "method": "Clopper-Pearson"}
    data["runs"][0]["top1"] = 1.0
    text = Page(render(data)).text()
    assert "on 270 images" in text
    assert "exact (Clopper and Pearson), as every answer is right" in text


def test_hostile_names_stay_text() -> None:
    data = record(classes=HOSTILE)
    data["runs"][1]["name"] = "<script>alert(3)</script>"
    data["command"] = "convsmith evaluate '</pre><script>'"
    found = Page(render(data))
    assert "script" not in {tag for tag, _ in found.tags}
    assert not [attrs for _, attrs in found.tags if any(name.startswith("on") for name in attrs)]
    assert "<script>alert(1)</script>" in found.text()
    assert found.count("img") == 7


def test_classes_without_images_and_many_classes() -> None:
    data = record(1, joined=False)
    data["runs"][0]["per_class"][3] |= {"recall": None, "precision": None, "f1": None, "n": 0}
    assert "1 class has no images here" in Page(render(data)).text()
    names = [f"c{i}" for i in range(250)]
    many = copy.deepcopy(data)
    rates = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "n": 4}
    matrix = [[2 * (i == j) + 2 * (j == (i + 1) % 250) for j in range(250)] for i in range(250)]
    many["runs"][0] |= {
        "classes": names,
        "per_class": [{"class": name, **rates} for name in names],
        "confusion": matrix,
    }
    text = Page(render(many)).text()
    assert "The lowest 40 of 250 classes are drawn." in text
    assert "250 classes are too many for a matrix" in text
    none = evaluation_charts.recalls([{"class": "a", "recall": None, "n": 0}])
    assert none == ""


def test_many_runs_have_the_last_diagrams_drawn() -> None:
    found = Page(render(record(12, joined=False)))
    assert found.count("svg") == 1 + 9 + 2
    assert "The last 9 of 12 are drawn." in found.text()


def test_the_lowest_recall_comes_first() -> None:
    rows = [{"class": name, "recall": recall, "n": 50} for name, recall in (("good", 0.98), ("bad", 0.4), ("ok", 0.8))]
    svg = evaluation_charts.recalls(rows)
    places = [svg.index(f">{name}<") for name in ("bad", "ok", "good")]
    assert places == sorted(places)


def test_equal_intervals_and_certain_networks_can_be_drawn() -> None:
    certain = [{"name": "a", "top1": 1.0, "interval": {"low": 1.0, "high": 1.0}}] * 2
    assert evaluation_charts.forest(certain).startswith("<svg")
    bins = [{"low": 14 / 15, "high": 1.0, "n": 3, "confidence": 1.0, "accuracy": 1.0}]
    assert "ECE 0.00 %" in evaluation_charts.reliability({"ece": 0.0, "bins": bins}, title="a")


def test_names_have_room_and_long_paths_keep_their_end() -> None:
    """Without room of its own a name's beginning is cut off, in fonts that are wider than the one that was measured."""
    rows = [{"name": f"/a/very/long/path/to/some/folder/of/runs/net-{i}", "top1": 0.5 + i / 10,
             "interval": {"low": 0.4, "high": 0.7}} for i in range(2)]  # fmt: skip
    svg = evaluation_charts.forest(rows)
    assert "…g/path/to/some/folder/of/runs/net-1<" in svg
    width = float(re.findall(r'<svg[^>]* width="([\d.]+)"', svg)[0])
    assert width > 560 + text_width("…g/path/to/some/folder/of/runs/net-1", 11)


def test_confusions_are_ranked() -> None:
    pairs = confused([[5, 3, 0], [0, 9, 1], [1, 0, 1]], ["a", "b", "c"])
    assert [(p["true"], p["predicted"], p["count"]) for p in pairs] == [("a", "b", 3), ("c", "a", 1), ("b", "c", 1)]
    assert pairs[0]["share"] == 3 / 8


def test_numbers_in_words() -> None:
    assert [points(0.0053), points(-0.1), points(0)] == ["+0.53", "−10.00", "+0.00"]
    assert [p_value(p) for p in (1, 0.251, 0.0312, 0.00012, 0.00001)] == [
        "1.00",
        "0.25",
        "0.031",
        "0.00012",
        "< 0.0001",
    ]


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="cannot write"):
        write_evaluation(tmp_path / "no" / "e.html", record(1, joined=False))
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'convsmith[report]'")):
        write_evaluation(tmp_path / "e.html", record(1, joined=False))


def test_a_page_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(record(1, joined=False)))
    code = "import json, sys; from pathlib import Path; from convsmith.report.evaluation import write_evaluation; "
    code += "write_evaluation(Path(sys.argv[1]), json.load(open(sys.argv[2]))); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "e.html"), str(tmp_path / "r.json")], check=True)
