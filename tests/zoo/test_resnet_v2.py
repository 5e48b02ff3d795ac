"""ResNet v2 against timm's class and Fig. 4 written out, and the paper's printed parameters."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convsmith import build, cost, trace
from convsmith.spec import Conv, Linear, Network, Seq, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import resnet_v2

PUBLISHED = Path(__file__).parents[3] / "shared/data/published.csv"
TIMM = ["resnetv2_50", "resnetv2_101", "resnetv2_152"]
IMAGENET = {"resnetv2_152_paper": (3, 8, 36, 3), "resnetv2_200": (3, 24, 36, 3)}
CIFAR = {"resnetv2_110": (True, 18), "resnetv2_164": (False, 18), "resnetv2_1001": (False, 111)}
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, **options: object) -> Network:
    return resnet_v2.VARIANTS[name].network(name, **options)


def of(name: str, **options: object) -> Cost:
    return cost(trace(network(name, **options)))


def reference(name: str) -> nn.Module:
    """timm's net on the meta device; for the paper's own nets timm's class, rearranged as the authors' code is."""
    timm = pytest.importorskip("timm", reason="timm is the reference of pre-activation nets")
    from timm.layers import BatchNormAct2d, create_conv2d
    from timm.models.resnetv2 import ResNetV2

    layers = {"norm_layer": BatchNormAct2d, "conv_layer": create_conv2d}
    with torch.device("meta"):
        if name in TIMM:
            return timm.create_model(name).eval()
        if name in IMAGENET:
            net = ResNetV2(list(IMAGENET[name]), **layers)
            stem = {"conv": net.stem.conv, "norm": net.stages[0].blocks[0].norm1, "pool": net.stem.pool}
        else:
            basic, n = CIFAR[name]
            channels = (16, 32, 64) if basic else (64, 128, 256)
            ratio = {"basic": True, "bottle_ratio": 1.0} if basic else {}
            net = ResNetV2([n] * 3, channels, 10, stem_chs=16, **ratio, **layers)
            stem = {"conv": nn.Conv2d(3, 16, 3, padding=1, bias=False), "norm": net.stages[0].blocks[0].norm1}
        # "the first activation right after conv1 and before splitting into two paths" (section 3.2)
        net.stem, net.stages[0].blocks[0].norm1 = nn.Sequential(), nn.Identity()
        for key, part in stem.items():
            net.stem.add_module(key, part)
    for stage in net.stages:
        block = stage.blocks[0]
        if hasattr(block, "conv3"):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    return net.eval()


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


def renamed(name: str, key: str) -> str:
    """Our key for timm's: in the CIFAR nets the first activation belongs to the first unit."""
    return key.replace("stem.norm.", "stages.0.blocks.0.norm1.") if name in CIFAR else key


def twins(name: str) -> tuple[nn.Module, nn.Module]:
    ours, theirs = build(network(name), device="meta").eval(), reference(name)
    state = state_for(theirs)
    theirs.load_state_dict(state, strict=True, assign=True)
    ours.load_state_dict({renamed(name, key): tensor for key, tensor in state.items()}, strict=True, assign=True)
    return ours, theirs


def image(rows: int, cols: int) -> Tensor:
    return torch.randn(2, 3, rows, cols, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def gap(a: Tensor, b: Tensor) -> float:
    assert b.abs().max() > 0.01
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", resnet_v2.VARIANTS)
def test_keys_parameters_and_multiply_adds_are_the_references(name: str, macs_of: Callable[..., int]) -> None:
    """timm registers a block's projection first, so its keys come in another order."""
    theirs, total = reference(name), of(name)
    ours = {key: tensor.shape for key, tensor in build(network(name), device="meta").state_dict().items()}
    assert ours == {renamed(name, key): tensor.shape for key, tensor in theirs.state_dict().items()}
    assert total.params == sum(p.numel() for p in theirs.parameters())
    side = resnet_v2.VARIANTS[name].side
    assert total.macs == macs_of(theirs, torch.empty(1, 3, side, side, device="meta"))


@pytest.mark.parametrize("name", resnet_v2.VARIANTS)
def test_logits_are_the_references(name: str) -> None:
    ours, theirs = twins(name)
    with torch.no_grad():
        for size in ((8, 8), (7, 13)) if name in CIFAR else ((32, 32), (33, 49)):
            assert gap(ours(image(*size)[:1]), theirs(image(*size)[:1])) <= 1e-9


@pytest.mark.parametrize("name", ["resnetv2_50", "resnetv2_110"])
def test_gradients_are_the_references(name: str) -> None:
    found = []
    for net in twins(name):
        net.train()
        loss = nn.functional.cross_entropy(net(image(33, 33)), torch.tensor([1, 2]))
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        found.append(dict(zip(dict(net.named_parameters()), gradients, strict=True)))
    ours, theirs = found
    least = 1e-12 * max(float(g.abs().max()) for g in theirs.values())
    assert len(ours) == len(theirs)
    for key, gradient in theirs.items():
        difference = float((ours[renamed(name, key)] - gradient).abs().max())
        assert difference <= 1e-9 * float(gradient.abs().max()) + least, key


def fig_4(order: str, x: Tensor, state: dict[str, Tensor], stride: int, project: bool) -> Tensor:
    """Fig. 4 by hand: w a weight layer, n its normalisation."""

    def n(i: int, x: Tensor, at: str = "") -> Tensor:
        key = f"block.{at}norm{i}." if i else "block.downsample.norm."
        mean, var, weight, bias = (state[key + part] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias)

    def w(i: int, x: Tensor) -> Tensor:
        return F.conv2d(x, state[f"block.conv{i}.weight"], stride=stride if i == 1 else 1, padding=1)

    def skip(x: Tensor) -> Tensor:
        return F.conv2d(x, state["block.downsample.conv.weight"], stride=stride) if project else x

    def shortcut(x: Tensor) -> Tensor:
        return n(0, skip(x)) if project else x

    if order == "a":
        return F.relu(n(2, w(2, F.relu(n(1, w(1, x))))) + shortcut(x))
    if order == "b":
        return F.relu(n(2, w(2, F.relu(n(1, w(1, x)))) + skip(x), "after."))
    if order == "c":
        return F.relu(n(2, w(2, F.relu(n(1, w(1, x)))))) + shortcut(x)
    if order == "d":
        return n(2, w(2, F.relu(n(1, w(1, F.relu(x)))))) + (skip(F.relu(x)) if project else x)
    start = F.relu(n(1, x))
    return w(2, F.relu(n(2, w(1, start)))) + (skip(start) if project else x)


@pytest.mark.parametrize(("stride", "project"), [(1, False), (2, True)])
@pytest.mark.parametrize("order", resnet_v2.FIG4)
def test_a_unit_is_fig_4s_in_each_order(order: str, stride: int, project: bool) -> None:
    width = 12 if project else 8
    unit = resnet_v2.unit(resnet_v2.basic(width, stride), order, stride, project, "shared" if project else "own")
    net = build(Seq(block=unit), side=9, channels=8, device="meta").eval()
    state = state_for(net)
    net.load_state_dict(state, strict=True, assign=True)
    x = torch.randn(2, 8, 9, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with torch.no_grad():
        wanted = fig_4(order, x, state, stride, project)
        assert gap(net(x), wanted) <= 1e-12
        alike = [fig_4(o, x, state, stride, project) for o in "acd" if o != order and order in "acd" and not project]
    assert all(gap(other, wanted) > 0.01 for other in alike)  # these three have the same keys, and differ


# order -> what follows the stem's convolution before the first unit's own, what precedes the head's pooling
ENDS = {"a": ("conv norm relu conv", "relu"), "b": ("conv norm relu conv", "relu"), "c": ("conv norm relu conv", "add"),
        "d": ("conv norm relu conv", "relu"), "e": ("conv norm relu conv", "relu")}  # fmt: skip


@pytest.mark.parametrize("order", resnet_v2.FIG4)
def test_every_order_activates_once_behind_the_stem_and_before_the_head(order: str) -> None:
    rows = trace(network("resnetv2_110", depth=8, order=order)).rows
    kinds = [row.node.label if row.kind == "activation" else row.kind for row in rows]  # type: ignore[union-attr]
    assert " ".join(kinds[:4]) == ENDS[order][0]
    assert kinds[kinds.index("avg_pool_to") - 1] == ENDS[order][1]
    assert [row.out.shape for row in rows if row.kind == "add"] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_the_orders_have_the_same_parameters_but_for_the_projections_normalisations() -> None:
    counts = {order: of("resnetv2_110", order=order).params for order in resnet_v2.FIG4}
    assert {counts[order] for order in "bde"} == {1_730_522}
    assert {counts[order] for order in "ac"} == {1_730_522 + 2 * (32 + 64)}  # ResNet-110 with projections


@pytest.mark.parametrize(("name", "millions"), [("resnetv2_110", 1.7), ("resnetv2_164", 1.7)])
def test_the_printed_parameters(name: str, millions: float) -> None:
    """ "1.7M" and "1.7M", as Wide ResNet's Table 5 repeats them."""
    assert round(of(name).params / 1e6, 1) == millions


def test_the_1001_layers_printed_parameters_leave_normalisation_out() -> None:
    """Printed "10.2M"; the authors' released net has 10,327,706, of which convolutions and the classifier 10.18 M."""
    rows = trace(network("resnetv2_1001")).rows
    assert sum(row.facts.params for row in rows) == 10_327_706
    assert round(sum(row.facts.params for row in rows if row.kind == "conv") / 1e6, 1) == 10.2


@pytest.mark.parametrize("name", resnet_v2.VARIANTS)
def test_the_depth_in_a_name_counts_convolutions_off_the_shortcut_and_the_classifier(name: str) -> None:
    rows = trace(network(name)).rows
    depth = sum(isinstance(row.node, Conv | Linear) and "downsample" not in row.path for row in rows)
    assert name.split("_")[1] == str(depth)


# row of published.csv -> our variant, options, parameters that theirs has more
ROWS: dict[str, tuple[str, dict[str, object], int]] = {
    "timm/resnetv2_152": ("resnetv2_152", {}, 0),
    "timm/resnetv2_101.a1h_in1k": ("resnetv2_101", {}, 0),
    "imgclsmob/preresnet110_cifar10": ("resnetv2_110", {}, 0),
    "imgclsmob/preresnet164bn_cifar10": ("resnetv2_164", {"stride_in": "3x3"}, 0),
    # imgclsmob normalises behind conv1 and again in the first unit: 2 * 64 parameters more
    "imgclsmob/preresnet152": ("resnetv2_152_paper", {}, 128),
    "imgclsmob/preresnet200b": ("resnetv2_200", {"stride_in": "3x3"}, 128),
}


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/data/published.csv is not beside this checkout")
@pytest.mark.parametrize("row", ROWS)
def test_exact_published_counts_are_ours(row: str) -> None:
    name, options, more = ROWS[row]
    side = str(resnet_v2.VARIANTS[name].side)
    with PUBLISHED.open(newline="") as file:
        (found,) = [x for x in csv.DictReader(file) if x["variant"] == row and x["input_size"] == side]
    total = of(name, **options)
    assert (str(total.params + more), str(total.macs)) == (found["params_exact"], found["macs_exact"])


def test_what_cannot_be_is_refused() -> None:
    for name, options, message in (
        ("resnetv2_50", {"depth": 34}, "depth is one of"), ("resnetv2_50", {"order": "f"}, "order one of a, b, c, d"),
        ("resnetv2_50", {"stride_in": "5x5"}, "stride_in '3x3' or '1x1'"), ("resnetv2_110", {"depth": 111}, "depth 6n"),
        ("resnetv2_164", {"block": "wide"}, "block is 'basic'"), ("resnetv2_164", {"depth": 166}, "depth 9n"),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=message):
            network(name, **options)
    with pytest.raises(SpecError, match="order is one of"):
        resnet_v2.unit(resnet_v2.basic(8), "z")
