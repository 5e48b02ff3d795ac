"""`describe`'s contract, the table made from it, and counts written for people."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from convsmith import names, spec, trace
from convsmith.spec import Conv, Flatten, Linear, Network, Norm, PoolTo, Relu, Seq, SpecError, Tap, content_hash
from convsmith.views import describe, table
from convsmith.views.cost import RULE
from convsmith.views.units import seconds, short, size_of
from convsmith.zoo import variant


def found_of(name: str) -> dict[str, Any]:
    return describe(spec(name), trace(name))


def with_head() -> Network:
    head = Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(7))
    body = Seq(conv=Conv(4, 3), aux=Tap(head), bn=Norm(), relu=Relu, pool=PoolTo(1), flatten=Flatten, fc=Linear(5))
    return Network(body, (6, 8), 2, 5, name="mine")


def test_the_contract_holds_for_lenet_row_by_row() -> None:
    found = found_of("lenet5")
    top = {
        key: found[key]
        for key in ("name", "provenance", "side", "channels", "classes", "params", "macs", "activations")
    }
    assert top == {
        "name": "lenet5", "provenance": "paper", "side": 32, "channels": 1, "classes": 10, "params": 61_706,
        "macs": 416_520,
        "activations": 2 * 4704 + 1176 + 2 * 1600 + 2 * 400 + 2 * 120 + 2 * 84 + 10,
    }  # fmt: skip
    keys = ("path", "kind", "out", "params", "macs", "receptive_field")
    assert [tuple(row[key] for key in keys) for row in found["layers"][:5]] == [
        ("conv1", "conv", [6, 28, 28], 156, 117_600, 5), ("act1", "tanh", [6, 28, 28], 0, 0, 5),
        ("pool1", "avg_pool", [6, 14, 14], 0, 0, 6), ("conv2", "conv", [16, 10, 10], 2_416, 240_000, 14),
        ("act2", "tanh", [16, 10, 10], 0, 0, 14),
    ]  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_every_networks_description_is_plain_json_with_the_agreed_keys(name: str) -> None:
    found = found_of(name)
    assert json.loads(json.dumps(found)) == found
    assert {"name", "provenance", "side", "classes", "params", "macs", "activations", "layers"} <= found.keys()
    wanted = {"path", "kind", "out", "params", "macs", "receptive_field"}
    assert all(wanted <= row.keys() for row in found["layers"])
    for column in ("params", "macs", "ops", "activations"):
        assert sum(row[column] for row in found["layers"]) == found[column]
    assert (found["name"], found["hash"]) == (name, content_hash(spec(name)))
    assert len(found["layers"]) + len(found["aux"]) == len(trace(name).rows)


def test_an_image_that_is_not_square_has_pairs() -> None:
    found = describe(with_head(), trace(with_head()))
    assert found["side"] == [6, 8]
    assert found["layers"][0]["receptive_field"] == 3
    assert found["layers"][-1]["receptive_field"] == found["receptive_field"] == [8, 10]
    assert found["layers"][3]["jump"] == [6, 8]  # global pooling


def test_a_jump_below_a_pixel_is_a_plain_number() -> None:
    body = Seq(pool=PoolTo(4), flatten=Flatten, fc=Linear(2))
    network = Network(body, 2, 1, 2)
    found = describe(network, trace(network))
    assert found["layers"][0]["jump"] == 0.5
    assert json.dumps(found)


def test_auxiliary_heads_and_remarks_stand_apart() -> None:
    found = describe(with_head(), trace(with_head()), ("so it is",))
    assert [row["path"] for row in found["aux"]] == ["aux.pool", "aux.flatten", "aux.fc"]
    assert found["params"] == 4 * 2 * 9 + 4 + 8 + 25
    assert found["remarks"] == ["so it is"]
    text = table(found)
    assert "auxiliary heads, in no total: 35 parameters, 28 MACs" in text
    assert text.endswith("note: so it is")


def test_concentration_names_the_largest_layer_of_each_column() -> None:
    found = found_of("vgg16")["concentration"]
    assert found["params"]["largest"] == "classifier.0"
    assert found["params"]["largest_share"] == pytest.approx(0.7427, abs=1e-4)  # 102,764,544 of 138,357,544
    assert found["activations"]["largest"] == "features.0"
    assert found["macs"]["by_category"]["convolution"] == pytest.approx(1 - 123_633_664 / 15_470_264_320, abs=1e-4)


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "vgg16_bn", "alexnet_2012"])
def test_the_table_says_its_rule_and_its_total_is_the_sum_of_its_rows(name: str) -> None:
    lines = table(found_of(name)).splitlines()
    assert (
        RULE
        == "MACs: convolutions and linear layers, one multiply-add = 1. Ops: pooling, normalisation, activation, joins."
    )
    assert lines[1] == RULE
    assert lines[0].startswith(f"{name} (")
    assert lines[3].split() == ["layer", "kind", "output", "params", "MACs", "ops", "activations", "field"]
    rules = [i for i, line in enumerate(lines) if set(line) == {"─"}]
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[rules[0] + 1 : rules[1]]]

    def number(cell: str) -> int:
        return 0 if cell == "·" else int(cell.replace(",", ""))

    total = lines[rules[1] + 1].split()
    assert total[0] == "total"
    for column in range(4):
        assert sum(number(row[3 + column]) for row in rows) == number(total[1 + column])
    assert len(rows) == len(trace(name).rows)


@pytest.mark.parametrize(("network", "head"), [
    (spec("vgg_d", classes=7), "vgg_d (paper) · input 3×224×224 · 7 classes"),
    (spec("dcgan_generator"), "dcgan_generator (paper) · input 100×1×1 · puts out 3×64×64"),
    (spec("inception_reduced"), "inception_reduced (paper) · input 256×28×28 · puts out 480×28×28"),
    (Network(Conv(5), (6, 8), 2, 5, "bare"), "bare (own) · input 2×6×8 · puts out 5×6×8"),
    (Network(PoolTo(1), 4, 5, 5, "pooled"), "pooled (own) · input 5×4×4 · puts out 5×1×1"),
    (Network(Seq(Flatten), 4, 5, 3, "flat"), "flat (own) · input 5×4×4 · puts out 80"),
    (Network(Seq(Flatten), 1, 3, 3, "same"), "same (own) · input 3×1×1 · 3 classes"),
], ids=lambda item: getattr(item, "name", ""))  # fmt: skip
def test_the_head_says_classes_only_of_a_classifier_and_else_what_comes_out(network: Network, head: str) -> None:
    assert table(describe(network, trace(network))).splitlines()[0] == head


@pytest.mark.parametrize("name", [name for name in names() if variant(name).part])
def test_the_classes_of_a_part_are_the_channels_it_puts_out(name: str) -> None:
    found = found_of(name)
    channels, rows, cols = found["layers"][-1]["out"]
    assert channels == found["classes"]
    assert table(found).splitlines()[0].endswith(f" · puts out {channels}×{rows}×{cols}")


def test_the_short_table_leaves_out_layers_without_parameters() -> None:
    text = table(found_of("lenet5"), every_row=False)
    assert [line.split()[0] for line in text.splitlines()[5:10]] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    assert "act1" not in text
    assert "416,520" in text


def test_the_foot_says_which_activations_are_meant() -> None:
    text = table(found_of("vgg_d"))
    assert "138.4 M parameters, 15.47 G MACs, weights 553.4 MB in float32" in text
    assert "15.24 M with element-wise layers in place (input included)" in text
    assert "13.55 M in convolutions' outputs" in text


@pytest.mark.parametrize(("count", "unit", "text"), [
    (25_557_032, "", "25.56 M"), (4_089_184_256, "", "4.089 G"), (61_706, "", "61.71 k"), (999, "", "999"), (1000,
    "", "1 k"),
    (0, "", "0"), (2.5, "", "2.5"), (246_824, "B", "246.8 kB"), (12, "B", "12 B"), (-1500, "", "-1.5 k"), (3e12, "",
    "3 T"), (999_949, "", "999.9 k"), (999_999, "", "1 M"), (999_950_000, "", "1 G"), (999.4, "", "999.4"),
])  # fmt: skip
def test_counts_are_written_short(count: float, unit: str, text: str) -> None:
    assert short(count, unit) == text


@pytest.mark.parametrize(("text", "size"), [
    ("100k", 100_000), ("4M", 4_000_000), ("4m", 4_000_000), ("1.2G", 1_200_000_000), ("250_000", 250_000),
    ("1,234,567", 1_234_567),
    (" 7 ", 7), ("2 T", 2 * 10**12), ("0.5k", 500), ("1.5", 2), ("9007199254740993", 9_007_199_254_740_993),
    ("0.0001M", 100),
])  # fmt: skip
def test_sizes_are_read_exactly(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", [
    "", "0", "0.2", "-3", "1e6", "4 MB", "k", "nan", "1.2.3", "1,2G", "12,34", "٣", "0x10", ".5k", "_5", "9" * 400,
    "5 0",
])  # fmt: skip
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        size_of(text)
    assert str(caught.value) == (f"{text!r} is not a size: write a number of at least 1 like 250000, 100k, 4M or 1.2G")


@pytest.mark.parametrize(("value", "text"), [
    (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (10, "10 s"), (59.4, "59 s"), (59.7, "1 min 0 s"), (95,
    "1 min 35 s"),
    (3599.6, "1 h 0 min"), (3600, "1 h 0 min"), (90_061, "25 h 1 min"),
])  # fmt: skip
def test_durations_are_written_for_people(value: float, text: str) -> None:
    assert seconds(value) == text
