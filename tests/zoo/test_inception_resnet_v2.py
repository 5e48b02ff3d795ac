"""Inception-ResNet-v2: the paper's filters, grids and residual scales, and how timm pools."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from torch import nn

from convsmith import cost, trace
from convsmith.spec import AvgPool, Conv, Dropout, Linear, Network, Norm, SpecError, Times
from convsmith.zoo import inception_resnet_v2

from .twins import Published, reference

PARAMS, MACS = 55_843_464, 13_155_794_016
pytestmark = pytest.mark.usefixtures("one_thread")


def network(classes: int | None = None, **options: Any) -> Network:
    return inception_resnet_v2.VARIANTS["inception_resnet_v2"].network("inception_resnet_v2", classes, **options)


def test_counts_are_those_of_the_docstring() -> None:
    total = cost(trace(network()))
    assert (total.params, total.macs) == (PARAMS, MACS)
    assert f"{PARAMS:,}" in (inspect.getdoc(inception_resnet_v2) or "")


def test_normalisation_pooling_scales_and_dropout_are_timms() -> None:
    theirs, rows = reference("inception_resnet_v2"), trace(network()).rows
    assert {(row.node.eps, row.node.momentum) for row in rows if isinstance(row.node, Norm)} == {(1e-3, 0.1)}
    assert [row.node.count_pad for row in rows if isinstance(row.node, AvgPool)] == [False]
    assert [m.count_include_pad for m in theirs.modules() if isinstance(m, nn.AvgPool2d)] == [False]
    assert [row.node.rate for row in rows if isinstance(row.node, Dropout)] == [theirs.head_drop.p] == [0]
    scales = {row.path.removesuffix(".scale"): row.node.by for row in rows if isinstance(row.node, Times)}
    wanted = {path: m.scale for path, m in theirs.named_modules() if hasattr(m, "scale")}
    assert wanted.pop("block8") == 1
    assert scales == wanted
    assert all(0.1 <= scale <= 0.3 for scale in scales.values())  # section 3.3: "between 0.1 and 0.3"
    assert [row.path for row in rows if row.path.endswith(".after")] == [f"{p}.after" for p in wanted]


@pytest.mark.parametrize("row", ["timm/inception_resnet_v2.tf_in1k", "imgclsmob/inceptionresnetv2"])
def test_exact_published_counts_are_ours(row: str, published: Published) -> None:
    (found,) = [line for line in published if line["variant"] == row]
    total = cost(trace(network()))
    assert (total.params, total.macs) == (int(found["params_exact"]), int(found["macs_exact"]))
    assert sum(r.category in ("convolution", "linear") for r in total.layers) == int(found["conv_fc_modules"]) == 245


def widths(prefix: str) -> dict[str, int]:
    rows = [row for row in trace(network()).rows if row.path.startswith(prefix) and isinstance(row.node, Conv)]
    return {row.path.removeprefix(prefix).removesuffix(".conv"): row.out.channels for row in rows}


def test_reductions_have_the_papers_filters() -> None:
    # Table 1, row Inception-ResNet-v2: k = 256, l = 256, m = 384, n = 384; Fig. 7 has k, l, m one after the other
    assert widths("mixed_6a.") == {"branch1.0": 256, "branch1.1": 256, "branch1.2": 384, "branch0": 384}
    # Fig. 18
    assert widths("mixed_7a.") == {
        "branch0.0": 256, "branch0.1": 384, "branch1.0": 256, "branch1.1": 288,
        "branch2.0": 256, "branch2.1": 288, "branch2.2": 320,
    }  # fmt: skip


# Figs. 16, 17 and 19: the filters of the branches; the last 1x1 puts out what enters (the figures: 384, 1154, 2048)
FIGURES = {
    "repeat.3.": (
        {"branch0": 32, "branch1.0": 32, "branch1.1": 32, "branch2.0": 32, "branch2.1": 48, "branch2.2": 64},
        320,
    ),
    "repeat_1.3.": ({"branch0": 192, "branch1.0": 128, "branch1.1": 160, "branch1.2": 192}, 1088),
    "repeat_2.3.": ({"branch0": 192, "branch1.0": 192, "branch1.1": 224, "branch1.2": 256}, 2080),
}


@pytest.mark.parametrize("prefix", FIGURES)
def test_a_module_has_its_figures_filters(prefix: str) -> None:
    branches, out = FIGURES[prefix]
    assert widths(prefix) == branches | {"conv2d": out}


def test_grids_are_the_papers_35_17_and_8() -> None:
    ends = {row.path.split(".")[0]: row.out.shape for row in trace(network()).rows}
    assert [ends[n] for n in ("mixed_5b", "repeat", "mixed_6a", "repeat_1", "mixed_7a", "block8", "conv2d_7b")] == [
        (320, 35, 35), (320, 35, 35), (1088, 17, 17), (1088, 17, 17), (2080, 8, 8), (2080, 8, 8), (1536, 8, 8),
    ]  # fmt: skip


def test_options() -> None:
    rows = trace(network(10, depths=(1, 2, 2), scales=(0.3, 1, 0.1), width=0.5, rate=0.2)).rows
    assert [row.node.by for row in rows if isinstance(row.node, Times)] == [0.3, 0.1]
    assert [row.node.out for row in rows if isinstance(row.node, Linear)] == [10]
    assert [row.node.rate for row in rows if isinstance(row.node, Dropout)] == [0.2]
    assert rows[0].out.channels == 16
    with pytest.raises(SpecError, match="width must be above 0"):
        network(width=0)
    with pytest.raises(SpecError, match="2 or more, got 1"):
        network(depths=(1, 1, 1))
