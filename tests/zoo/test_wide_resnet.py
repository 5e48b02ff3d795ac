"""Wide ResNet against torchvision's nets, timm's pre-activation class, and the paper's printed parameters."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import partial
from math import floor
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model

from convsmith import build, cost, trace
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import wide_resnet

PUBLISHED = Path(__file__).parents[3] / "shared/data/published.csv"
TORCHVISION = ["wide_resnet50_2", "wide_resnet101_2"]
CIFAR = {"wrn_16_8": (16, 8), "wrn_40_4": (40, 4), "wrn_28_10": (28, 10)}
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, **options: object) -> Network:
    return wide_resnet.VARIANTS[name].network(name, **options)


def of(name: str, **options: object) -> Cost:
    return cost(trace(network(name, **options)))


def reference(depth: int, widen: int) -> nn.Module:
    """WRN-depth-widen as timm's class for pre-activation, with a CIFAR stem, on the meta device."""
    pytest.importorskip("timm", reason="timm's pre-activation class is the reference of the CIFAR nets")
    from timm.layers import BatchNormAct2d, create_conv2d
    from timm.models.resnetv2 import ResNetV2

    with torch.device("meta"):
        net = ResNetV2(
            [(depth - 4) // 6] * 3, tuple(widen * c for c in (16, 32, 64)), 10, stem_chs=16, basic=True,
            bottle_ratio=1.0, norm_layer=BatchNormAct2d, conv_layer=partial(create_conv2d),
        )  # fmt: skip
        net.stem = nn.Sequential()
        net.stem.add_module("conv", nn.Conv2d(3, 16, 3, padding=1, bias=False))
    return net.eval()


def renamed(key: str) -> str:
    """Our key for timm's."""
    key = re.sub(r"^stages\.(\d)\.blocks\.", lambda found: f"layer{int(found[1]) + 1}.", key)
    return key.replace("stem.conv.", "conv1.").replace("head.fc.", "fc.")


def state_for(module: nn.Module) -> dict[str, Tensor]:
    """Weights that keep signals of order one, all cut from one stretch of noise."""
    noise = torch.randn(1 << 18, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    state: dict[str, Tensor] = {}
    for i, (key, tensor) in enumerate(module.state_dict().items()):
        start, many = 997 * i % len(noise), tensor.numel()
        source = noise if start + many <= len(noise) else noise.repeat(-(-(start + many) // len(noise)))
        cut = source[start : start + many].view(tensor.shape)
        scale, shift = (1.5 / tensor[0].numel()) ** 0.5 if tensor.dim() > 1 else 0.1, 0.0
        if tensor.dim() == 1 and key.endswith(("running_var", ".weight")):
            shift = 1.0
        state[key] = cut * scale + shift if tensor.is_floating_point() else torch.zeros_like(tensor, device="cpu")
    return state


def image(rows: int, cols: int) -> Tensor:
    return torch.randn(2, 3, rows, cols, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def gap(a: Tensor, b: Tensor) -> float:
    assert b.abs().max() > 0.01
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", TORCHVISION)
def test_keys_parameters_and_multiply_adds_are_torchvisions(name: str, macs_of: Callable[..., int]) -> None:
    with torch.device("meta"):
        theirs = get_model(name).eval()
    ours, total = build(network(name), device="meta"), of(name)
    assert [(k, t.shape) for k, t in ours.state_dict().items()] == [
        (k, t.shape) for k, t in theirs.state_dict().items()
    ]
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    assert total.params == sum(p.numel() for p in theirs.parameters())
    assert total.macs == macs_of(theirs, torch.empty(1, 3, 224, 224, device="meta"))


@pytest.mark.parametrize("name", TORCHVISION)
def test_logits_are_torchvisions(name: str) -> None:
    with torch.device("meta"):
        theirs = get_model(name).eval()
    ours, state = build(network(name), device="meta").eval(), state_for(theirs)
    for net in (ours, theirs):
        net.load_state_dict(state, strict=True, assign=True)
    with torch.no_grad():
        for size in ((32, 32), (33, 49)):
            assert gap(ours(image(*size)[:1]), theirs(image(*size)[:1])) <= 1e-9


@pytest.mark.parametrize(("depth", "widen"), [*CIFAR.values(), (10, 1)])
def test_a_cifar_net_is_timms_pre_activation_net(depth: int, widen: int, macs_of: Callable[..., int]) -> None:
    theirs = reference(depth, widen)
    total = of("wrn_28_10", depth=depth, widen=widen)
    assert total.params == sum(p.numel() for p in theirs.parameters())
    assert total.macs == macs_of(theirs, torch.empty(1, 3, 32, 32, device="meta"))
    state = state_for(theirs)
    theirs.load_state_dict(state, strict=True, assign=True)
    ours = build(network("wrn_28_10", depth=depth, widen=widen), device="meta").eval()
    found = {renamed(key): tensor for key, tensor in state.items()} | {"fc.weight": state["head.fc.weight"].flatten(1)}
    assert {k: t.shape for k, t in ours.state_dict().items()} == {k: t.shape for k, t in found.items()}
    ours.load_state_dict(found, strict=True, assign=True)
    with torch.no_grad():
        for size in ((8, 8), (7, 13)):
            assert gap(ours(image(*size)[:1]), theirs(image(*size)[:1])) <= 1e-9


def test_gradients_are_timms() -> None:
    theirs, ours = reference(10, 2).train(), build(network("wrn_28_10", depth=10, widen=2), device="meta").train()
    state = state_for(theirs)
    theirs.load_state_dict(state, assign=True)
    copies = {renamed(k): t.clone() for k, t in state.items()}
    ours.load_state_dict(copies | {"fc.weight": copies["fc.weight"].flatten(1)}, assign=True)
    found = []
    for net in (ours, theirs):
        loss = nn.functional.cross_entropy(net(image(12, 12)), torch.tensor([1, 2]))
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        found.append(dict(zip(dict(net.named_parameters()), gradients, strict=True)))
    assert len(found[0]) == len(found[1]) == 3 * 6 + 3 + 5  # three units, their projections, both ends
    for key, gradient in found[1].items():
        mine = found[0][renamed(key)].view_as(gradient)
        assert float((mine - gradient).abs().max()) <= 1e-9 * float(gradient.abs().max()) + 1e-13, key


# Tables 4 and 5: depth, widen, parameters in millions
PRINTED = [
    (40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (40, 8, 35.7), (28, 10, 36.5), (28, 12, 52.5), (22, 8, 17.2),
    (22, 10, 26.8), (16, 8, 11.0), (16, 10, 17.1),
]  # fmt: skip


@pytest.mark.parametrize(("depth", "widen", "millions"), PRINTED)
def test_the_papers_printed_parameters(depth: int, widen: int, millions: float) -> None:
    params = of("wrn_28_10", depth=depth, widen=widen).params
    assert millions in (round(params / 1e6, 1), floor(params / 1e5) / 10)


def test_table_8_prints_the_parameters_of_the_wide_bottleneck() -> None:
    assert round(of("wide_resnet50_2").params / 1e6, 1) == 68.9


ROWS = [
    *[(n, {}, f"torchvision/{n}.IMAGENET1K_V1", "ImageNet-1k") for n in TORCHVISION],
    *[(n, {"classes": c}, n.upper().replace("_", "-"), f"CIFAR-{c}") for n in CIFAR for c in (10, 100)],
    ("wrn_40_4", {"widen": 8}, "imgclsmob/wrn40_8_cifar10", "CIFAR-10"),
    ("wrn_16_8", {"widen": 10}, "imgclsmob/wrn16_10_cifar10", "CIFAR-10"),
    ("wrn_28_10", {}, "imgclsmob/wrn28_10_cifar10", "CIFAR-10"),
]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/data/published.csv is not beside this checkout")
@pytest.mark.parametrize(("name", "options", "row", "dataset"), ROWS)
def test_exact_published_counts_are_ours(name: str, options: dict[str, object], row: str, dataset: str) -> None:
    with PUBLISHED.open(newline="") as file:
        (found,) = [x for x in csv.DictReader(file) if (x["variant"], x["dataset"]) == (row, dataset)]
    total = of(name, **options)
    assert (str(total.params), str(total.macs)) == (found["params_exact"], found["macs_exact"])


@pytest.mark.parametrize(("depth", "widen"), CIFAR.values())
def test_table_1_gives_the_shapes_and_the_depth(depth: int, widen: int) -> None:
    """n = 6N + 4 counts the 3x3 convolutions and the three projections."""
    rows = trace(network("wrn_28_10", depth=depth, widen=widen)).rows
    assert sum(isinstance(row.node, Conv) for row in rows) == depth
    assert sum(isinstance(row.node, Linear) for row in rows) == 1
    ends = [[r.out.shape for r in rows if r.path.startswith(f"layer{i}.") and r.kind == "add"] for i in (1, 2, 3)]
    shapes = [(16 * widen, 32, 32), (32 * widen, 16, 16), (64 * widen, 8, 8)]
    assert ends == [[shape] * ((depth - 4) // 6) for shape in shapes]


def test_dropout_stands_between_the_convolutions_after_the_activation() -> None:
    rows = [
        r.path for r in trace(network("wrn_28_10", depth=10, widen=2, dropout=0.3)).rows if r.path[:8] == "layer1.0"
    ]
    at = rows.index("layer1.0.dropout")
    assert (rows[at - 1], rows[at + 1]) == ("layer1.0.relu2", "layer1.0.conv2")
    assert of("wrn_28_10", dropout=0.3).params == of("wrn_28_10").params


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="depth is 6N"):
        network("wrn_28_10", depth=20)
    with pytest.raises(SpecError, match="widen >= 1"):
        network("wrn_28_10", widen=0)
    with pytest.raises(SpecError, match="depth is 50, 101 or 152"):
        network("wide_resnet50_2", depth=18)
