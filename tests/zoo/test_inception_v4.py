"""Inception-v4: the paper's grid sizes and Table 1, and how timm pools."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from torch import nn

from convsmith import cost, trace
from convsmith.spec import AvgPool, Conv, Dropout, Linear, Network, Norm, SpecError
from convsmith.zoo import inception_v4

from .twins import Published, reference

PARAMS, MACS = 42_679_816, 12_253_974_624
pytestmark = pytest.mark.usefixtures("one_thread")


def network(classes: int | None = None, **options: Any) -> Network:
    return inception_v4.VARIANTS["inception_v4"].network("inception_v4", classes, **options)


def test_counts_are_those_of_the_docstring() -> None:
    total = cost(trace(network()))
    assert (total.params, total.macs) == (PARAMS, MACS)
    assert f"{PARAMS:,}" in (inspect.getdoc(inception_v4) or "")


def test_normalisation_pooling_and_dropout_are_timms() -> None:
    theirs, nodes = reference("inception_v4"), [row.node for row in trace(network()).rows]
    assert {(n.eps, n.momentum) for n in nodes if isinstance(n, Norm)} == {(1e-3, 0.1)}
    means = [m.count_include_pad for m in theirs.modules() if isinstance(m, nn.AvgPool2d)]
    assert [node.count_pad for node in nodes if isinstance(node, AvgPool)] == means == [False] * 14
    assert [node.rate for node in nodes if isinstance(node, Dropout)] == [theirs.head_drop.p] == [0]


@pytest.mark.parametrize("row", ["timm/inception_v4.tf_in1k", "imgclsmob/inceptionv4"])
def test_exact_published_counts_are_ours(row: str, published: Published) -> None:
    (found,) = [line for line in published if line["variant"] == row]
    total = cost(trace(network()))
    assert (total.params, total.macs) == (int(found["params_exact"]), int(found["macs_exact"]))
    layers = sum(r.category in ("convolution", "linear") for r in total.layers)
    assert layers == int(found["conv_fc_modules"]) == 150


# the sizes that the figures print: Fig. 3 (stem) and Fig. 9 (whole net)
FIG3 = [(32, 149, 149), (32, 147, 147), (64, 147, 147), (160, 73, 73), (192, 71, 71), (384, 35, 35)]
FIG9 = [*[(384, 35, 35)] * 4, (1024, 17, 17), *[(1024, 17, 17)] * 7, (1536, 8, 8), *[(1536, 8, 8)] * 3]


def test_grid_sizes_are_those_of_figures_3_and_9() -> None:
    ends = {row.path.split(".")[1]: row.out.shape for row in trace(network()).rows if row.path.startswith("features.")}
    assert list(ends.values()) == FIG3 + FIG9
    (pool,) = [row.out for row in trace(network()).rows if row.path == "global_pool"]
    assert pool.shape == (1536, 1, 1)


def test_reduction_a_has_table_1s_filters() -> None:
    # Table 1, row Inception-v4: k = 192, l = 224, m = 256, n = 384; Fig. 7 has n alone and k, l, m one after the other
    convs = {row.path: row.node for row in trace(network()).rows if row.path.startswith("features.10.")}
    found = {path.removeprefix("features.10."): node.out for path, node in convs.items() if isinstance(node, Conv)}
    assert found == {"branch1.0.conv": 192, "branch1.1.conv": 224, "branch1.2.conv": 256, "branch0.conv": 384}


def test_options() -> None:
    rows = trace(network(10, depths=(1, 1, 1), width=0.5, rate=0.2)).rows
    nodes = [row.node for row in rows]
    assert [n.out for n in nodes if isinstance(n, Linear)] == [10]
    assert [n.rate for n in nodes if isinstance(n, Dropout)] == [0.2]  # Fig. 9: "Dropout (keep 0.8)"
    assert rows[0].out.channels == 16
    assert [row.out.channels for row in rows if row.path == "global_pool"] == [768]
    with pytest.raises(SpecError, match="width must be above 0"):
        network(width=0)
