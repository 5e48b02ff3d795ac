"""Inception-v3: the auxiliary classifier, and Table 1's module sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

from convsmith import cost, trace
from convsmith.spec import Network, Norm, SpecError
from convsmith.zoo import inception_v3

from .twins import alike, built, gap, image, reference, still

pytestmark = pytest.mark.usefixtures("one_thread")

PARAMS, WITH_HEAD, MACS = 23_834_568, 27_161_264, 5_713_216_096


def network(classes: int | None = None, **options: Any) -> Network:
    return inception_v3.VARIANTS["inception_v3"].network("inception_v3", classes, **options)


def test_the_head_counts_in_training_alone(macs_of: Callable[..., int]) -> None:
    total, bare, theirs = cost(trace(network())), cost(trace(network(aux=False))), reference("inception_v3")
    blank = torch.empty(2, 3, 299, 299, device="meta")  # in training the head normalises a 1x1 map: two images
    assert (total.params, total.macs) == (bare.params, bare.macs) == (PARAMS, MACS)
    assert 2 * (total.macs + sum(row.macs for row in total.aux)) == macs_of(theirs.train(), blank)
    assert total.params + sum(row.params for row in total.aux) == WITH_HEAD
    assert total.params < 25e6  # abstract: "using less than 25 million parameters"


def test_both_outputs_are_equal_in_training() -> None:
    ours, theirs = built("inception_v3", classes=11), reference("inception_v3", 11)
    alike(ours, theirs)
    x = image(299, 299, 2)  # the head wants 17x17 maps
    with torch.no_grad():
        found, wanted = still(ours)(x), still(theirs)(x)
    assert list(found) == ["logits", "AuxLogits"]
    assert gap(found["logits"], wanted.logits) <= 1e-9
    assert gap(found["AuxLogits"], wanted.aux_logits) <= 1e-9


def test_stage_sizes_are_table_1s() -> None:
    graph = trace(network())
    outs = {row.path.split(".")[0]: row.out for row in graph.rows if row.tap is None}
    sizes = {name: (out.rows, out.channels) for name, out in outs.items()}
    # Table 1's input sizes of the next row: 149x149x32, 147x147x32, 147x147x64, 73x73x64, ..., 35x35x288, 17x17x768
    assert [sizes[n] for n in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1")] == [
        (149, 32), (147, 32), (147, 64), (73, 64),
    ]  # fmt: skip
    assert (sizes["Conv2d_3b_1x1"], sizes["Conv2d_4a_3x3"]) == ((73, 80), (71, 192))  # the table: 71x71x80, 35x35x192
    assert [sizes[n] for n in ("Mixed_5d", "Mixed_6a", "Mixed_6e", "Mixed_7a", "Mixed_7c", "avgpool")] == [
        (35, 288), (17, 768), (17, 768), (8, 1280), (8, 2048), (1, 2048),
    ]  # fmt: skip


def test_the_batch_normalisation_is_tensorflows() -> None:
    nodes = [row.node for row in trace(network()).rows]
    assert {(node.eps, node.momentum) for node in nodes if isinstance(node, Norm)} == {(0.001, 0.1)}


def test_numbers_in_the_docstring_are_the_nets() -> None:
    words = inspect.getdoc(inception_v3) or ""
    assert [n for n in (PARAMS, WITH_HEAD) if f"{n:,}" not in words] == []


def test_width_scales_every_convolution() -> None:
    assert cost(trace(network(width=0.5, classes=10))).layers[0].out.shape == (16, 149, 149)
    with pytest.raises(SpecError, match="width must be above 0"):
        network(width=0)
