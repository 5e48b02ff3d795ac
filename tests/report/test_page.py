"""The page by its structure: whole, alone in its file, without scripts, honest about what is missing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from convsmith import spec
from convsmith.report import write_card, write_report
from convsmith.report.folder import RunFiles, read_folder
from convsmith.report.numbers import Limit, budget_verdict, limits, percent, quantity, wilson
from convsmith.spec import MissingExtra, RunError, write
from convsmith.views.memory import inference_memory

Plant = Callable[..., Path]

SECTIONS = ("budget", "network", "cost", "race", "training", "classes", "mistakes", "data", "reproduce", "layers")
OPTIONAL = ("race.json", "test.json", "measured.json", "metrics.jsonl", "export.json")
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a|b `c` *d*",
    "{{ 7*7 }}",
    "</svg>",
    *"56789",
]


class Page(HTMLParser):
    """Tags with their attributes, and the page's text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data + " "

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]

    def text(self) -> str:
        return " ".join(self.words.split())


def page(folder: Path) -> Page:
    found = Page(write_report(folder).read_text("utf-8"))
    assert found.open == []
    return found


def test_one_file_holds_everything_and_loads_nothing(plant: Plant) -> None:
    path = write_report(plant())
    assert path.name == "report.html"
    found = Page(path.read_text("utf-8"))
    assert {"script", "link", "iframe", "object", "embed", "base", "form"}.isdisjoint(tag for tag, _ in found.tags)
    for tag, attrs in found.tags:
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "srcset", "action"):
                assert value.startswith(("#", "data:image/png;base64,")), (tag, value)
    assert not re.search(r"url\((?!#)|@import", path.read_text("utf-8"))


def test_every_section_is_there_once_and_linked(plant: Plant) -> None:
    found = page(plant())
    assert [i for i in found.ids() if i in SECTIONS] == list(SECTIONS)
    assert len(found.ids()) == len(set(found.ids()))
    links = {attrs["href"][1:] for tag, attrs in found.tags if tag == "a"}
    assert links == set(SECTIONS)
    assert sum(tag == "svg" for tag, _ in found.tags) == 6
    assert sum(tag == "img" for tag, _ in found.tags) == 7


def test_the_verdict_has_its_interval_and_the_budget(plant: Plant) -> None:
    text = page(plant()).text()
    assert "97.4 % top-1 on 270 test images (95 % interval 94.7 % to 98.7 %) within the budget" in text
    assert "120 designs were considered; arithmetic rejected 95 as over the budget" in text
    assert "and 3 as too slow to train here" in text
    assert "resnet8 ×1 @16 chosen" in text
    assert "convsmith fit digits --max-params 100k --max-macs 4M" in text
    assert "MACs: 100% in convolution layers" in text


def test_a_budget_that_is_broken_or_absent_is_said(plant: Plant) -> None:
    assert "over the budget in MACs" in page(plant(budget={"params": 100_000, "macs": 1_000_000})).text()


def test_a_run_without_budget_or_race(plant: Plant) -> None:
    found = page(plant(budget={}, task="train", without=("race.json",)))
    assert "no budget was set" in found.text()
    assert "race" not in found.ids()


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_missing_file_is_said_in_its_section(plant: Plant, name: str) -> None:
    text = page(plant(without=(name,))).text()
    assert f"{name} is not in the run folder: " in text
    assert "None" not in text.replace("None: every", "")


def test_a_run_that_has_only_begun(plant: Plant) -> None:
    found = page(plant(without=OPTIONAL, status="interrupted"))
    assert [i for i in found.ids() if i in SECTIONS] == list(SECTIONS)
    assert "Not tested yet" in found.text()
    assert "interrupted" in found.text()
    assert "convsmith resume" in found.text()


@pytest.mark.parametrize("name", ["run.json", "spec.json", *OPTIONAL])
@pytest.mark.parametrize("content", ["{not json\n", "[1, 2]\n", '{"format": "other"}\n'])
def test_a_broken_file_is_named(plant: Plant, name: str, content: str) -> None:
    folder = plant()
    (folder / name).write_text(content)
    with pytest.raises(RunError, match=re.escape(name)):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_bytes_that_are_no_text_are_named(plant: Plant) -> None:
    folder = plant()
    (folder / "test.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"test\.json is broken"):
        write_report(folder)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("test.json", "top1", "high"),
        ("test.json", "confusion", [[1]]),
        ("test.json", "mistakes", [{"name": "a", "label": "b", "predicted": "c", "confidence": 1, "png": "PHN2Zz4="}]),
        ("test.json", "mistakes", [{"name": "a"}]),
        ("race.json", "candidates", [{"name": "a"}]),
        ("run.json", "data", {"name": "digits"}),
        ("measured.json", "latency_ms", "many"),
        ("export.json", "bytes", None),
    ],
)
def test_a_field_that_cannot_be_shown_is_named(plant: Plant, name: str, field: str, value: object) -> None:
    folder = plant()
    data = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(data | {field: value}))
    with pytest.raises(RunError, match=re.escape(name)):
        write_report(folder)


def test_no_run_json_and_no_spec_yet(plant: Plant, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run folder: it has no run\.json"):
        write_report(tmp_path)
    folder = plant()
    (folder / "spec.json").unlink()
    with pytest.raises(RunError, match=r"no spec\.json yet: no network is chosen; `convsmith resume"):
        write_report(folder)


def test_a_torn_last_line_of_metrics_is_left_out(plant: Plant) -> None:
    folder = plant()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 61, "trai')
    assert len(read_folder(folder).metrics) == 60


def test_hostile_names_stay_text(plant: Plant) -> None:
    folder = plant(classes=HOSTILE, command="convsmith train '<script>alert(2)</script>'")
    write(replace(read_folder(folder).network, name="<script>alert(3)</script>"), folder / "spec.json")
    html = write_report(folder).read_text("utf-8")
    found = Page(html)
    assert found.open == []
    assert "script" not in {tag for tag, _ in found.tags}
    assert not [attrs for _, attrs in found.tags if any(name.startswith("on") for name in attrs)]
    for name in HOSTILE:
        assert " ".join(name.split()) in found.text()
    assert sum(tag == "img" for tag, _ in found.tags) == 7


def test_hostile_names_stay_text_in_the_card(plant: Plant) -> None:
    card = write_card(plant(classes=HOSTILE)).read_text("utf-8")
    assert "<script" not in card
    assert "<img" not in card
    rows = [line for line in card.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_large_networks_are_summed_by_block(plant: Plant) -> None:
    folder = plant()
    write(spec("resnet50"), folder / "spec.json")
    svg = write_report(folder).read_text("utf-8").split('id="cost"')[1].split("</section>")[0]
    assert ">layer3.5<" in svg
    assert "layer3.5.conv1" not in svg.split("</ul>")[1]


@pytest.mark.parametrize(("count", "drawn"), [(40, True), (201, False)])
def test_many_classes_have_a_matrix_without_numbers_or_none(plant: Plant, count: int, drawn: bool) -> None:
    folder = plant()
    matrix = [[int(i == j) for j in range(count)] for i in range(count)]
    test = json.loads((folder / "test.json").read_text())
    (folder / "test.json").write_text(
        json.dumps(test | {"classes": [f"c{i}" for i in range(count)], "confusion": matrix})
    )
    section = write_report(folder).read_text("utf-8").split('id="classes"')[1].split("</section>")[0]
    assert ("<svg" in section) is drawn
    assert (f"{count} classes are too many" in section) is not drawn


def test_a_loss_that_is_no_number_leaves_a_gap(plant: Plant) -> None:
    folder = plant()
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(last | {"epoch": 61, "val_loss": float("nan")}) + "\n")
    assert "61 epochs" in page(folder).text()


def test_a_missing_extra_says_how_to_get_it(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'convsmith[report]'")):
        write_report(plant())


def test_wilson_interval() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1.0, 270) == pytest.approx((0.9860, 1.0), abs=1e-4)
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_quantities_and_rates() -> None:
    assert [quantity(None), quantity(0.4123, "ms"), quantity(95, "s")] == ["–", "0.412 ms", "1 min 35 s"]
    assert [percent(None), percent(0.98765)] == ["–", "98.8 %"]


def test_an_unmeasured_limit_leaves_the_verdict_open(plant: Plant) -> None:
    files = read_folder(plant(budget={"latency_ms": 1}, without=("measured.json",)))
    assert budget_verdict(limits(files)) == ("none", "budget not measured: Latency")


TARGET = {"engine": "onnxruntime", "threads": 2, "batch": 1, "device": "cpu"}


def row(files: RunFiles, what: str) -> Limit:
    return next(limit for limit in limits(files) if limit.what == what)


@pytest.mark.parametrize(("most", "verdict"), [(5, "good"), (1, "bad")])
def test_a_budget_of_latency_is_judged_on_its_target(plant: Plant, most: float, verdict: str) -> None:
    folder = plant(budget={"latency_ms": most, "target": TARGET})
    assert row(read_folder(folder), "Latency").measured is None  # PyTorch's 0.412 ms are another engine's
    file = folder / "measured.json"
    there = TARGET | {"ms": 2.5, "low_ms": 2.4, "high_ms": 2.75, "runs": 100}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"target": there}))
    found = row(read_folder(folder), "Latency")
    assert (found.asked, found.measured) == (most, 2.5)
    assert found.note == "onnxruntime, 2 threads, batch 1; 95th percentile 2.75 ms"
    assert budget_verdict(limits(read_folder(folder)))[0] == verdict


def test_budgets_of_bytes_are_judged_by_arithmetic(plant: Plant) -> None:
    files = read_folder(plant(budget={"weight_bytes": 10**6, "memory_bytes": 1000}))
    peak = inference_memory(files.graph).peak()
    assert row(files, "Weights").predicted == files.found["weight_bytes"]
    assert row(files, "Memory").predicted == peak.bytes(1) > 1000
    assert row(files, "Memory").note == f"alive in a forward pass of one image, at {peak.path}"
    assert budget_verdict(limits(files)) == ("bad", "over the budget in memory")


def test_a_report_needs_no_torch(plant: Plant) -> None:
    code = "import sys; from convsmith.report import write_card, write_report; from pathlib import Path; "
    code += "f = Path(sys.argv[1]); write_report(f); write_card(f); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(plant())], check=True)


def test_a_network_of_the_zoo_brings_its_card_and_another_does_not(plant: Plant) -> None:
    folder = plant()
    assert "arXiv" not in write_report(folder).read_text("utf-8") + write_card(folder).read_text("utf-8")
    write(spec("resnet50_paper", classes=10), folder / "spec.json")
    for text in (page(folder).text(), write_card(folder).read_text("utf-8")):
        assert "Deep residual learning for image recognition (arXiv:1512.03385)" in text
        assert "top-1 error 22.85 %, top-5 error 6.71 % on ImageNet (10 crops; Table 3)" in text
    write(replace(spec("resnet34", shortcut="C", classes=10), name="resnet50_paper"), folder / "spec.json")
    assert "arXiv" not in page(folder).text()
