"""The cost table as a value, and the ways to write it."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser

import pytest

import convsmith
from convsmith import spec, trace
from convsmith.nn import from_torch
from convsmith.spec import Conv, Seq, SpecError, UnknownName
from convsmith.views import Sheet, cost, describe, sheet
from convsmith.views.cost import intensity
from convsmith.views.sheet import FORMATS, Column
from convsmith.views.table import COLUMNS

SMALL = Sheet(
    "a <net>",
    "rule",
    (Column("layer", False), Column("size")),
    (("con|v", 1234), ("relu", 0)),
    ("total", 1234),
    ("note",),
)


def described(name: str, **how: object) -> dict[str, object]:
    network = spec(name)
    return describe(network, trace(network), **how)  # type: ignore[arg-type]


def test_text_lines_up() -> None:
    assert SMALL.text().splitlines() == [
        "a <net>", "rule", "", "layer   size", "────────────", "con|v  1,234", "relu       ·", "────────────",
        "total  1,234", "", "note",
    ]  # fmt: skip
    assert str(SMALL) == SMALL.text()


def test_markdown_is_a_github_table() -> None:
    assert SMALL.markdown().splitlines() == [
        "**a <net>**", "", "rule", "", "| layer | size |", "| --- | ---: |", "| con\\|v | 1,234 |", "| relu | · |",
        "| **total** | **1,234** |", "", "- note",
    ]  # fmt: skip


def test_csv_has_plain_numbers_and_no_totals() -> None:
    assert list(csv.reader(io.StringIO(SMALL.csv()))) == [["layer", "size"], ["con|v", "1234"], ["relu", "0"]]


def test_html_is_escaped_well_formed_and_what_a_notebook_shows() -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.cells: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

        def handle_data(self, data: str) -> None:
            if self.open[-1:] and self.open[-1] in ("td", "th"):
                self.cells.append(data)

    reader = Reader()
    reader.feed(SMALL._repr_html_())
    assert reader.open == []
    assert reader.cells == ["layer", "size", "con|v", "1,234", "relu", "·", "total", "1,234"]
    assert "a &lt;net&gt;" in SMALL.html()


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_has_every_layer(form: str) -> None:
    written = sheet(described("lenet5")).write(form)
    assert all(row.path in written for row in trace(spec("lenet5")).rows)


def test_a_csv_of_all_columns_adds_up_to_the_totals() -> None:
    found = described("resnet18")
    rows = list(csv.DictReader(io.StringIO(sheet(found, columns=tuple(COLUMNS)).csv())))
    total = cost(trace(spec("resnet18")))
    assert sum(int(row["params"]) for row in rows) == total.params
    assert sum(int(row["buffers"]) for row in rows) == total.buffers
    assert sum(int(row["weight bytes"]) for row in rows) == total.weight_bytes == found["weight_bytes"]
    assert sum(int(row["activation bytes"]) for row in rows) == found["activation_bytes"]
    assert rows[0]["field"] == "7"


@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_gathering_layers_loses_nothing(depth: int) -> None:
    found = described("resnet50")
    table = sheet(found, depth=depth, columns=("params", "macs", "ops", "activations"))
    sums = [sum(row[i] for row in table.rows) for i in range(3, 7)]
    assert sums == [found[name] for name in ("params", "macs", "ops", "activations")]
    paths = [row[0] for row in table.rows]
    assert len(set(paths)) == len(paths)
    if depth == 1:
        stages = ["layer1", "layer2", "layer3", "layer4"]
        assert paths == ["conv1", "bn1", "relu", "maxpool", *stages, "avgpool", "flatten", "fc"]
        assert table.rows[4][1:3] == ("32 layers", "256×56×56")
    if depth == 9:
        assert len(paths) == len(found["layers"])  # type: ignore[arg-type]


def test_intensity_is_macs_by_bytes_moved() -> None:
    found = described("lenet5")
    layers = found["layers"]
    conv = layers[0]  # type: ignore[index]
    assert conv["intensity"] == round(117_600 / (4 * (156 + 32 * 32 + 4_704)), 4)
    whole = cost(trace(spec("lenet5")))
    assert found["intensity"] == round(whole.intensity, 4)
    assert intensity(whole.layers[0]) == pytest.approx(conv["intensity"], abs=1e-4)
    assert sheet(found, depth=1, columns=("intensity",)).total[-1] == found["intensity"]


def test_a_batch_multiplies_work_and_not_weights() -> None:
    one, eight = described("lenet5"), described("lenet5", batch=8, dtype="float16")
    for name in ("macs", "ops", "activations", "conv_activations", "in_place_activations", "reads"):
        assert eight[name] == 8 * one[name]  # type: ignore[operator]
    assert eight["params"] == one["params"]
    assert (eight["weight_bytes"], eight["activation_bytes"]) == (2 * 61_706, 2 * 8 * 15_002)
    assert eight["intensity"] > one["intensity"]  # type: ignore[operator]
    head = sheet(eight).text().splitlines()[0]
    assert head == "lenet5 (paper) · input 1×32×32 · 10 classes · batch 8"


def test_as_in_training_auxiliary_heads_count() -> None:
    without, with_heads = described("googlenet"), described("googlenet", train=True)
    assert with_heads["params"] == 13_004_888
    heads = sum(row["params"] for row in without["aux"])  # type: ignore[attr-defined]
    assert with_heads["params"] - without["params"] == heads  # type: ignore[operator]
    assert with_heads["aux"] == []
    assert "aux1.fc2" in {row["path"] for row in with_heads["layers"]}  # type: ignore[attr-defined]
    assert "as in training, with auxiliary heads" in sheet(with_heads).title


def test_an_imported_graph_needs_no_description() -> None:
    from torch import nn

    graph = from_torch(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5)), 8)
    found = describe(None, graph)
    assert (found["name"], found["provenance"], found["hash"], found["classes"]) == ("Sequential", "imported", None, 5)
    assert sheet(found).title == "Sequential (imported) · input 3×8×8 · 5 classes"


def test_what_has_no_rule_stands_at_the_foot() -> None:
    import torch
    from torch import nn

    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft2(x).real

    found = describe(None, from_torch(Odd(), 8, allow_unknown=True))
    assert any(note.startswith("without a rule, counted as nothing: fft_fft2") for note in sheet(found).notes)


@pytest.mark.parametrize(("how", "message"), [
    ({"batch": 0}, "batch must be an integer of at least 1, got 0"),
    ({"dtype": "float31"}, "no dtype 'float31'; did you mean 'float32'? (there are float64, "),
])  # fmt: skip
def test_what_cannot_be_is_refused(how: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        described("lenet5", **how)
    assert message in str(caught.value)


def test_the_front_door_makes_a_sheet_of_anything() -> None:
    from torch import nn

    named = convsmith.sheet("lenet5", depth=1, columns=("params",))
    assert named.title.startswith("lenet5 (paper)")
    assert convsmith.sheet(spec("lenet5"), depth=1, columns=("params",)) == named
    assert convsmith.sheet(trace(spec("lenet5"))).rows == convsmith.sheet("lenet5").rows
    assert convsmith.sheet(Seq(conv=Conv(4)), side=8).title == "network (own) · input 3×8×8 · puts out 4×8×8"
    assert convsmith.sheet(from_torch(nn.Conv2d(3, 4, 1), 8)).total[3] == 16


def test_an_unknown_column_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no column 'parms'; did you mean 'params'"):
        sheet(described("lenet5"), columns=("parms",))
