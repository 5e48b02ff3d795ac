"""MnasNet: A1 as timm has it, Table 1, and Fig. 7's maps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from convsmith import cost, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import mnasnet

from .twins import Published, alike, assert_costs, built, image, in_timm, logits_differ, norms, shapes, trained_tensors

TORCHVISION = ["mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return mnasnet.VARIANTS[name].network(name, classes, **options)


def of(name: str, **options: Any) -> Cost:
    return cost(trace(network(name, **options)))


def a1s_twins(classes: int = 1000) -> tuple[Net, nn.Module]:
    """Ours and timm's A1."""
    theirs = in_timm("semnasnet_100", num_classes=classes, bn_eps=1e-3, bn_momentum=0.01)
    return built("mnasnet_a1", classes=classes), theirs


ENDS = {"conv_stem": "layers.0", "bn1": "layers.1", "conv_head": "layers.14", "bn2": "layers.15",
        "classifier": "classifier.1"}  # fmt: skip
SEPCONV = {"conv_dw": "3", "bn1": "4", "conv_pw": "6", "bn2": "7"}
EXPANDED = {
    "conv_pw": "0",
    "bn1": "1",
    "conv_dw": "3",
    "bn2": "4",
    "se.conv_reduce": "6.fc1",
    "se.conv_expand": "6.fc2",
}
WITH_SE = (2, 4, 5)


def renamed(key: str) -> str:
    """Our key for timm's."""
    found = re.match(r"blocks\.(\d)\.(\d)\.(se\.\w+|\w+)(.+)", key)
    if not found:
        head, _, name = key.partition(".")
        return f"{ENDS[head]}.{name}"
    stage, block, part, name = int(found[1]), found[2], found[3], found[4]
    if stage == 0:
        return f"layers.{SEPCONV[part]}{name}"
    last = {"conv_pwl": "7", "bn3": "8"} if stage in WITH_SE else {"conv_pwl": "6", "bn3": "7"}
    return f"layers.{stage + 7}.{block}.layers.{(EXPANDED | last)[part]}{name}"


def test_b1_is_in_torchvisions_widths_and_a1_in_one() -> None:
    assert list(mnasnet.VARIANTS) == [*TORCHVISION, "mnasnet_a1"]


def test_a1s_keys_norms_and_counts_are_timms(macs_of: Callable[..., int]) -> None:
    ours, theirs = a1s_twins()
    wanted = shapes(theirs, renamed)
    assert list(ours.graph.weights.items()) == list(shapes(ours).items()) == list(wanted.items())
    assert [k for k, _ in ours.named_parameters()] == [renamed(k) for k, _ in theirs.named_parameters()]
    assert norms(ours) == norms(theirs, renamed)
    assert_costs(ours, theirs, macs_of)


def test_a1s_logits_are_timms() -> None:
    ours, theirs = a1s_twins()
    alike(ours, theirs, renamed)
    assert logits_differ(ours, theirs, (64, 64), (45, 71)) <= 1e-9


def test_a1s_gradients_are_timms() -> None:
    ours, theirs = a1s_twins(11)
    alike(ours, theirs, renamed)
    assert trained_tensors(ours, theirs, image(64, 64, 2), renamed) == 3 * 49 + 4 * 8 + 2


def test_table_1() -> None:
    """MnasNet-A1: 3.9 M parameters and 312 M multiply-adds, here 311.6 M."""
    total = of("mnasnet_a1")
    assert (total.params, total.macs) == (3_887_038, 311_579_072)
    assert (round(total.params / 1e6, 1), round(total.macs / 1e6)) == (3.9, 312)


ROWS = [*[(name, f"torchvision/{name}.IMAGENET1K_V1") for name in TORCHVISION], ("mnasnet1_0", "imgclsmob/mnasnet_b1"),
        ("mnasnet_a1", "imgclsmob/mnasnet_a1")]  # fmt: skip


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_exact_published_counts_are_ours(name: str, row: str, published: Published) -> None:
    (found,) = [x for x in published if x["variant"] == row]
    total = of(name)
    assert (str(total.params), str(total.macs)) == (found["params_exact"], found["macs_exact"])
    rows = trace(network(name)).rows
    assert str(sum(isinstance(r.node, Conv | Linear) for r in rows)) == found["conv_fc_modules"]


# Fig. 7a: side and maps after each row
MAPS = {
    "mnasnet_a1": [(112, 16), (56, 24), (28, 40), (14, 80), (14, 112), (7, 160), (7, 320)],
    "mnasnet1_0": [(112, 16), (56, 24), (28, 40), (14, 80), (14, 96), (7, 192), (7, 320)],
}


@pytest.mark.parametrize("name", MAPS)
def test_fig_7s_maps(name: str) -> None:
    rows = trace(network(name)).rows
    ends = {row.path.split(".")[1]: (row.out.rows, row.out.channels) for row in rows if row.path[:7] == "layers."}
    assert [ends[str(index)] for index in range(7, 14)] == MAPS[name]


def test_options_change_what_they_say() -> None:
    rows = {row.path: row.out.channels for row in trace(network("mnasnet_a1", reduction=8, width=0.5)).rows}
    assert (rows["layers.0"], rows["layers.9.0.layers.6.fc1"], rows["layers.14"]) == (16, 2, 1280)
    with pytest.raises(SpecError, match="form is one of A1, B1"):
        network("mnasnet1_0", form="C")
    with pytest.raises(SpecError, match="width above 0"):
        network("mnasnet1_0", width=0)
