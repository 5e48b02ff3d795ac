"""ShuffleNet v2: torchvision's four nets, and Table 5's maps and sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from convsmith import build, cost, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import shufflenet_v2

NAMES = list(shufflenet_v2.VARIANTS)
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return shufflenet_v2.VARIANTS[name].network(name, classes, **options)


def of(name: str, **options: Any) -> Cost:
    return cost(trace(network(name, **options)))


def reference(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return models.get_model(name, **options)


def twins(name: str) -> tuple[Net, nn.Module]:
    theirs, ours = reference(name, num_classes=11), build(network(name, 11), device="meta")
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


def test_every_shufflenet_of_torchvision_is_here() -> None:
    assert [f"shufflenet_v2_x{x}" for x in ("0_5", "1_0", "1_5", "2_0")] == NAMES
    assert set(NAMES) == {n for n in models.list_models(models) if n.startswith("shufflenet")}


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_counts_are_torchvisions(name: str, macs_of: Callable[..., int]) -> None:
    theirs, total, ours = reference(name).eval(), of(name), build(network(name), device="meta")
    state = {key: tuple(t.shape) for key, t in theirs.state_dict().items()}
    assert list(trace(network(name)).weights.items()) == list(state.items())
    assert list(ours.state_dict()) == list(state)
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    assert total.params == sum(p.numel() for p in theirs.parameters())
    assert total.macs == macs_of(theirs, torch.empty(1, 3, 224, 224, device="meta"))
    enum = models.get_model_weights(name)
    assert enum.__name__ == shufflenet_v2.VARIANTS[name].weights
    for entry in enum:
        assert (entry.meta["num_params"], entry.meta["_ops"]) == (
            total.params,
            pytest.approx(total.macs / 1e9, abs=1e-3),
        )


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
        for net in twins("shufflenet_v2_x0_5")
    )  # fmt: skip
    assert list(found) == list(wanted)
    assert len(wanted) == 3 * 56 + 2
    floor = 1e-12 * max(float(g.abs().max()) for g in wanted.values())
    for key, gradient in wanted.items():
        assert float((found[key] - gradient).abs().max()) <= 1e-9 * float(gradient.abs().max()) + floor, key


# Table 5: million FLOPs and million weights printed, and the multiply-adds that there are
TABLE5 = {
    "shufflenet_v2_x0_5": (41, 1.4, 40_476_448),
    "shufflenet_v2_x1_0": (146, 2.3, 144_907_992),
    "shufflenet_v2_x1_5": (299, 3.5, 295_759_392),
    "shufflenet_v2_x2_0": (591, 7.4, 583_253_464),
}


@pytest.mark.parametrize("name", NAMES)
def test_table_5(name: str) -> None:
    """The weights are those printed; the FLOPs printed are 0.7 to 1.4 % above the multiply-adds, which counting
    normalisation or pooling too does not make up for at all four scales."""
    flops, params, macs = TABLE5[name]
    total = of(name)
    assert (round(total.params / 1e6, 1), total.macs) == (params, macs)
    assert 1.007 < flops * 1e6 / total.macs < 1.014


@pytest.mark.parametrize("name", NAMES)
def test_table_5s_maps(name: str) -> None:
    rows = trace(network(name)).rows
    ends = {row.path.split(".")[0]: (row.out.rows, row.out.channels) for row in rows}
    widths = shufflenet_v2.VARIANTS[name].options["scale"]
    first, two, three, four, last = shufflenet_v2.TABLE5[widths]
    assert list(ends.values())[:6] == [(112, first), (56, first), (28, two), (14, three), (7, four), (7, last)]
    assert sum(isinstance(row.node, Conv | Linear) for row in rows) == 57


def test_options_change_what_they_say() -> None:
    rows = {row.path: row.out.channels for row in trace(network(NAMES[0], channels=(8, 16, 32, 64, 128))).rows}
    assert (rows["conv1.0"], rows["stage4.3.shuffle"], rows["conv5.0"]) == (8, 64, 128)
    assert "stage3.2.shuffle" not in {row.path for row in trace(network(NAMES[0], depth=(2, 2, 2))).rows}
    with pytest.raises(SpecError, match=r"scale is one of 0.5, 1.0, 1.5, 2.0, got 3"):
        network(NAMES[0], scale=3)
    with pytest.raises(SpecError, match="of which 3 even"):
        network(NAMES[0], channels=(8, 15, 32, 64, 128))
