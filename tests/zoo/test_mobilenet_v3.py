"""MobileNet v3: torchvision's two nets at several widths, and the maps and sizes of Tables 1 to 3."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.mobilenetv3 import _mobilenet_v3_conf

from convsmith import build, cost, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Linear, Network, Norm, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import mobilenet_v3

PUBLISHED = Path(__file__).parents[3] / "shared/data/published.csv"
NAMES = ["mobilenet_v3_large", "mobilenet_v3_small"]
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return mobilenet_v3.VARIANTS[name].network(name, classes, **options)


def of(name: str, **options: Any) -> Cost:
    return cost(trace(network(name, **options)))


def reference(name: str, width: float = 1.0, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return models.MobileNetV3(*_mobilenet_v3_conf(name, width_mult=width), **options)


def twins(name: str) -> tuple[Net, nn.Module]:
    theirs, ours = reference(name, num_classes=11, dropout=0.0), build(network(name, 11, rate=0.0), device="meta")
    draw = torch.Generator().manual_seed(5)
    state: dict[str, Tensor] = {}
    for key, old in theirs.state_dict().items():
        noise = torch.randn(old.shape, generator=draw, dtype=torch.float64)
        state[key] = (
            noise * (2 / old[0].numel()) ** 0.5 if old.dim() > 1
            else 0.1 * noise + 1.0 * key.endswith((".weight", "running_var")) if old.dim() else torch.tensor(0)
        )  # fmt: skip
    for net in (ours, theirs):
        net.load_state_dict({key: tensor.clone() for key, tensor in state.items()}, assign=True)
    return ours, theirs


def gap(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    assert b.abs().max() > 0.01
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("width", [0.35, 0.75, 1.0, 1.25])
@pytest.mark.parametrize("name", NAMES)
def test_keys_and_counts_are_torchvisions(name: str, width: float, macs_of: Callable[..., int]) -> None:
    theirs, total = reference(name, width).eval(), of(name, width=width)
    ours = build(network(name, width=width), device="meta")
    state = {key: tuple(t.shape) for key, t in theirs.state_dict().items()}
    assert list(trace(network(name, width=width)).weights.items()) == list(state.items())
    assert list(ours.state_dict()) == list(state)
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    assert total.params == sum(p.numel() for p in theirs.parameters())
    assert total.macs == macs_of(theirs, torch.empty(1, 3, 224, 224, device="meta"))


@pytest.mark.parametrize("name", NAMES)
def test_normalisation_is_torchvisions(name: str) -> None:
    theirs = {(m.eps, m.momentum) for m in reference(name).modules() if isinstance(m, nn.BatchNorm2d)}
    nodes = [row.node for row in trace(network(name)).rows]
    assert {(node.eps, node.momentum) for node in nodes if isinstance(node, Norm)} == theirs


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_torchvisions(name: str) -> None:
    ours, theirs = twins(name)
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for side in ((64, 64), (45, 71)):
            image = torch.randn(2, 3, *side, generator=draw, dtype=torch.float64)
            assert gap(ours.eval()(image), theirs.eval()(image)) <= 1e-9


def test_gradients_are_torchvisions() -> None:
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found, wanted = (
        dict(zip(dict(net.named_parameters()), torch.autograd.grad(net(image).square().mean(), list(net.parameters())),
                 strict=True))
        for net in twins("mobilenet_v3_small")
    )  # fmt: skip
    assert list(found) == list(wanted)
    assert len(wanted) == 3 * 34 + 4 * 9 + 4
    floor = 1e-12 * max(float(g.abs().max()) for g in wanted.values())
    for key, gradient in wanted.items():
        assert float((found[key] - gradient).abs().max()) <= 1e-9 * float(gradient.abs().max()) + floor, key


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/data/published.csv is not beside this checkout")
@pytest.mark.parametrize("name", NAMES)
def test_exact_published_counts_are_ours(name: str) -> None:
    with PUBLISHED.open(newline="") as file:
        lines = [x for x in csv.DictReader(file) if x["variant"].startswith(f"torchvision/{name}.")]
    assert lines
    total, rows = of(name), trace(network(name)).rows
    for line in lines:
        assert (str(total.params), str(total.macs)) == (line["params_exact"], line["macs_exact"])
        assert str(sum(isinstance(r.node, Conv | Linear) for r in rows)) == line["conv_fc_modules"]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/data/published.csv is not beside this checkout")
def test_the_authors_printed_counts() -> None:
    """Large: 217 M multiply-adds and 5.4 M parameters. At 0.75 they print 155 M and 4.0 M, where torchvision's rule,
    which scales the hidden linear layer too, gives 140 M and 3.4 M."""
    with PUBLISHED.open(newline="") as file:
        lines = {x["variant"]: x for x in csv.DictReader(file) if x["variant"].startswith("MobileNetV3 ")}
    line, total = lines["MobileNetV3 Large dm=1"], of("mobilenet_v3_large")
    assert line["macs_published"] == f"{round(total.macs / 1e6)}000000"
    assert line["params_published"] == f"{total.params // 10**5}00000"
    thin = of("mobilenet_v3_large", width=0.75)
    assert (lines["MobileNetV3 Large dm=0.75"]["macs_published"], round(thin.macs / 1e6)) == ("155000000", 140)
    assert round(thin.params / 1e6, 1) == 3.4


# Input of each bneck row, then the output of the last: Tables 1 and 2
MAPS = {
    "mobilenet_v3_large": [(112, 16), (112, 16), (56, 24), (56, 24), *[(28, 40)] * 3, *[(14, 80)] * 4, *[(14, 112)] * 2,
                           *[(7, 160)] * 3],
    "mobilenet_v3_small": [(112, 16), (56, 16), (28, 24), (28, 24), *[(14, 40)] * 3, *[(14, 48)] * 2, *[(7, 96)] * 3],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_tables_1_and_2(name: str) -> None:
    rows = trace(network(name)).rows
    ends = {row.path.split(".")[1]: (row.out.rows, row.out.channels) for row in rows if row.path[:9] == "features."}
    assert list(ends.values())[:-1] == MAPS[name]
    assert ends[str(len(MAPS[name]))] == (7, {"mobilenet_v3_large": 960, "mobilenet_v3_small": 576}[name])


def test_table_3() -> None:
    """Large 219 M multiply-adds and 5.4 M parameters, Small 56 M and 2.5 M: 216.6, 5.48 and 56.5, 2.54 here."""
    large, small = of("mobilenet_v3_large"), of("mobilenet_v3_small")
    assert (large.macs, large.params) == (216_589_760, 5_483_032)
    assert (small.macs, small.params) == (56_510_400, 2_542_856)
    assert (large.params // 10**5, small.params // 10**5, small.macs // 10**6) == (54, 25, 56)


def test_options_change_what_they_say() -> None:
    assert trace(network("mobilenet_v3_large", width=0.5)).rows[0].out.channels == 8
    with pytest.raises(SpecError, match="form is 'large' or 'small'"):
        network("mobilenet_v3_large", form="medium")
    with pytest.raises(SpecError, match="width above 0"):
        network("mobilenet_v3_large", width=0)
