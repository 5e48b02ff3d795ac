"""MnasNet: torchvision's four nets of B1, A1 as timm has it, and Fig. 7's maps."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from convsmith import build, cost, trace
from convsmith.spec import Conv, Linear, Network, Norm, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import mnasnet

PUBLISHED = Path(__file__).parents[3] / "shared/data/published.csv"
TORCHVISION = ["mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return mnasnet.VARIANTS[name].network(name, classes, **options)


def of(name: str, **options: Any) -> Cost:
    return cost(trace(network(name, **options)))


def reference(name: str, classes: int = 1000, rate: float = 0.2) -> nn.Module:
    """torchvision's net, or timm's A1, on the meta device."""
    if name != "mnasnet_a1":
        with torch.device("meta"):
            return models.get_model(name, num_classes=classes, dropout=rate)
    timm = pytest.importorskip("timm", reason="timm's semnasnet_100 is the reference of MnasNet-A1")
    with torch.device("meta"):
        return timm.create_model("semnasnet_100", num_classes=classes, drop_rate=rate, bn_eps=1e-3, bn_momentum=0.01)


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
    """Our key for timm's (torchvision's are ours)."""
    if key.startswith(("layers.", "classifier.1.")):
        return key
    found = re.match(r"blocks\.(\d)\.(\d)\.(se\.\w+|\w+)(.+)", key)
    if not found:
        head, _, name = key.partition(".")
        return f"{ENDS[head]}.{name}"
    stage, block, part, name = int(found[1]), found[2], found[3], found[4]
    if stage == 0:
        return f"layers.{SEPCONV[part]}{name}"
    last = {"conv_pwl": "7", "bn3": "8"} if stage in WITH_SE else {"conv_pwl": "6", "bn3": "7"}
    return f"layers.{stage + 7}.{block}.layers.{(EXPANDED | last)[part]}{name}"


def twins(name: str) -> tuple[nn.Module, nn.Module]:
    theirs, ours = reference(name, 11, 0.0), build(network(name, 11, rate=0.0), device="meta")
    draw = torch.Generator().manual_seed(5)
    state = theirs.state_dict()  # with its metadata: torchvision refuses a state without the version
    for key, old in state.items():
        noise = torch.randn(old.shape, generator=draw, dtype=torch.float64)
        state[key] = (
            noise * (2 / old[0].numel()) ** 0.5 if old.dim() > 1
            else 0.1 * noise + 1.0 * key.endswith((".weight", "running_var")) if old.dim() else torch.tensor(0)
        )  # fmt: skip
    ours.load_state_dict({renamed(key): tensor.clone() for key, tensor in state.items()}, assign=True)
    theirs.load_state_dict(state, assign=True)
    return ours, theirs


def gap(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    assert b.abs().max() > 0.01
    return float((a - b).abs().max() / b.abs().max())


def test_every_mnasnet_of_torchvision_is_here() -> None:
    assert set(TORCHVISION) == {n for n in models.list_models(models) if n.startswith("mnasnet")}
    assert list(mnasnet.VARIANTS) == [*TORCHVISION, "mnasnet_a1"]


@pytest.mark.parametrize("name", mnasnet.VARIANTS)
def test_keys_and_counts_are_the_references(name: str, macs_of: Callable[..., int]) -> None:
    theirs, total, ours = reference(name).eval(), of(name), build(network(name), device="meta")
    state = {renamed(key): tuple(t.shape) for key, t in theirs.state_dict().items()}
    assert list(trace(network(name)).weights.items()) == list(state.items())
    assert list(ours.state_dict()) == list(state)
    assert [k for k, _ in ours.named_parameters()] == [renamed(k) for k, _ in theirs.named_parameters()]
    assert total.params == sum(p.numel() for p in theirs.parameters())
    assert total.macs == macs_of(theirs, torch.empty(1, 3, 224, 224, device="meta"))


@pytest.mark.parametrize("name", mnasnet.VARIANTS)
def test_normalisation_is_the_references(name: str) -> None:
    theirs = {(m.eps, m.momentum) for m in reference(name).modules() if isinstance(m, nn.BatchNorm2d)}
    nodes = [row.node for row in trace(network(name)).rows]
    assert {(node.eps, node.momentum) for node in nodes if isinstance(node, Norm)} == theirs


@pytest.mark.parametrize("name", mnasnet.VARIANTS)
def test_logits_are_the_references(name: str) -> None:
    ours, theirs = twins(name)
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for side in ((64, 64), (45, 71)):
            image = torch.randn(2, 3, *side, generator=draw, dtype=torch.float64)
            assert gap(ours.eval()(image), theirs.eval()(image)) <= 1e-9


@pytest.mark.parametrize(("name", "norms"), [("mnasnet0_5", 52), ("mnasnet_a1", 49)])
def test_gradients_are_the_references(name: str, norms: int) -> None:
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found, wanted = (
        dict(zip(dict(net.named_parameters()), torch.autograd.grad(net(image).square().mean(), list(net.parameters())),
                 strict=True))
        for net in twins(name)
    )  # fmt: skip
    assert list(found) == [renamed(key) for key in wanted]
    assert len(wanted) == 3 * norms + 2 + (4 * 8 if name == "mnasnet_a1" else 0)
    floor = 1e-12 * max(float(g.abs().max()) for g in wanted.values())
    for key, gradient in wanted.items():
        assert float((found[renamed(key)] - gradient).abs().max()) <= 1e-9 * float(gradient.abs().max()) + floor, key


def test_table_1() -> None:
    """MnasNet-A1: 3.9 M parameters and 312 M multiply-adds, here 311.6 M."""
    total = of("mnasnet_a1")
    assert (total.params, total.macs) == (3_887_038, 311_579_072)
    assert (round(total.params / 1e6, 1), round(total.macs / 1e6)) == (3.9, 312)


ROWS = [*[(name, f"torchvision/{name}.IMAGENET1K_V1") for name in TORCHVISION], ("mnasnet1_0", "imgclsmob/mnasnet_b1"),
        ("mnasnet_a1", "imgclsmob/mnasnet_a1")]  # fmt: skip


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/data/published.csv is not beside this checkout")
@pytest.mark.parametrize(("name", "row"), ROWS)
def test_exact_published_counts_are_ours(name: str, row: str) -> None:
    with PUBLISHED.open(newline="") as file:
        (found,) = [x for x in csv.DictReader(file) if x["variant"] == row]
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
