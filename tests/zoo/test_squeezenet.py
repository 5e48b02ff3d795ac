"""SqueezeNet: Table 1's rows, the bypasses, and the sizes of Table 3 and Fig. 3."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torchvision import models

from convsmith import build, cost, trace
from convsmith.spec import Conv, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import squeezenet

from .twins import gap

pytestmark = pytest.mark.usefixtures("one_thread")

COUNTS = {"squeezenet1_0": (1_248_424, 818_924_576), "squeezenet1_1": (1_235_496, 349_151_936)}


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return squeezenet.VARIANTS[name].network(name, classes, **options)


def of(name: str, side: int | None = None, **options: Any) -> Cost:
    return cost(trace(network(name, **options), side))


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    total = of(name)
    assert (total.params, total.macs) == COUNTS[name]


# Table 1: layer -> its place here, output side and maps, parameters before pruning
TABLE1 = {
    "conv1": ("features.0", 111, 96, 14_208),
    "maxpool1": ("features.2", 55, 96, 0),
    "fire2": ("features.3", 55, 128, 11_920),
    "fire3": ("features.4", 55, 128, 12_432),
    "fire4": ("features.5", 55, 256, 45_344),
    "maxpool4": ("features.6", 27, 256, 0),
    "fire5": ("features.7", 27, 256, 49_440),
    "fire6": ("features.8", 27, 384, 104_880),
    "fire7": ("features.9", 27, 384, 111_024),
    "fire8": ("features.10", 27, 512, 188_992),
    "maxpool8": ("features.11", 13, 512, 0),  # printed 13x12
    "fire9": ("features.12", 13, 512, 197_184),
    "conv10": ("classifier.1", 13, 1000, 513_000),
    "avgpool10": ("classifier.3", 1, 1000, 0),
}


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet_bypass"])
def test_table_1_row_by_row(name: str) -> None:
    graph = trace(network(name), 227)  # the printed 224 gives 109, 54, 27 and 13
    found = {}
    for path, *_ in TABLE1.values():
        rows = [row for row in graph.rows if f"{row.path}.".startswith(f"{path}.")]
        channels, side, _ = rows[-1].out.shape
        found[path] = (path, side, channels, sum(row.facts.params for row in rows))
    assert list(found.values()) == list(TABLE1.values())
    assert sum(params for *_, params in TABLE1.values()) == of(name).params == 1_248_424


def test_table_1s_224_pixels_give_other_maps() -> None:
    sides = {row.path: row.out.rows for row in trace(network("squeezenet1_0")).rows}
    assert [sides[f"features.{i}"] for i in (0, 2, 6, 11)] == [109, 54, 27, 13]


def test_the_simple_bypass_adds_in_fire_3_5_7_and_9_and_costs_nothing() -> None:
    adds = [row.path.removesuffix(".add") for row in trace(network("squeezenet_bypass")).rows if row.kind == "add"]
    assert [name for name, (path, *_) in TABLE1.items() if path in adds] == ["fire3", "fire5", "fire7", "fire9"]
    plain, bypassed = of("squeezenet1_0", 227), of("squeezenet_bypass")
    assert (plain.params, plain.macs) == (bypassed.params, bypassed.macs)
    # Table 3: 4.8 MB with and without
    assert round(4 * bypassed.params / 2**20, 1) == 4.8


def test_a_bypass_adds_the_modules_input() -> None:
    ours, theirs = build(network("squeezenet_bypass", 5), seed=1).eval(), models.squeezenet1_0(num_classes=5).eval()
    theirs.load_state_dict(ours.state_dict())
    for index in (4, 7, 9, 12):
        theirs.features[index].register_forward_hook(lambda _module, taken, out: out + taken[0])
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert gap(ours(image), theirs(image)) <= 1e-5


def test_section_5s_metaparameters_give_table_1() -> None:
    """e_i = base + incr * floor(i / freq) with base = incr = 128 and freq = 2, half of it 3x3, squeezed by 0.125."""
    expand = [128 + 128 * (i // 2) for i in range(8)]
    assert list(squeezenet.TABLE1.values()) == [(e // 8, e // 2, e // 2) for e in expand]
    assert network("squeezenet1_0", ratio=0.125).body == network("squeezenet1_0").body


def test_the_squeeze_ratio_gives_fig_3as_model_sizes() -> None:
    """Section 5.2: 4.8 MB at 0.125 (of 2^20 bytes: 4.994 of 10^6) and 19 MB at 0.75 (of 10^6 bytes: 18.5 of 2^20)."""
    assert round(4 * of("squeezenet1_0", ratio=0.125).params / 2**20, 1) == 4.8
    assert round(4 * of("squeezenet1_0", ratio=0.75).params / 1e6) == 19


def test_numbers_in_the_docstring_are_the_nets() -> None:
    words = inspect.getdoc(squeezenet) or ""
    assert [params for params, _ in COUNTS.values() if f"{params:,}" not in words] == []


def test_options_change_what_they_say() -> None:
    rows = [row for row in trace(network("squeezenet1_1", 10, width=0.5)).rows if isinstance(row.node, Conv)]
    assert [row.out.channels for row in rows[:4]] == [32, 8, 32, 32]
    assert rows[-1].out.channels == 10
    with pytest.raises(SpecError, match="version is one of 1_0, 1_1"):
        network("squeezenet1_0", version="2")
    with pytest.raises(SpecError, match="width and ratio must be above 0"):
        network("squeezenet1_0", ratio=0)
