"""ResNet v2: the paper's nets against timm's class rearranged, Fig. 4 written out, and the printed parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convsmith import build, cost, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Linear, Network, Seq, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import resnet_v2

from .twins import (
    Published,
    Rename,
    alike,
    assert_costs,
    built,
    gap,
    image,
    lively,
    logits_differ,
    norms,
    on_meta,
    shapes,
    trained_tensors,
)

IMAGENET = {"resnetv2_152_paper": (3, 8, 36, 3), "resnetv2_200": (3, 24, 36, 3)}
CIFAR = {"resnetv2_110": (True, 18), "resnetv2_164": (False, 18), "resnetv2_1001": (False, 111)}
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, **options: object) -> Network:
    return resnet_v2.VARIANTS[name].network(name, **options)


def of(name: str, **options: object) -> Cost:
    return cost(trace(network(name, **options)))


def rearranged(name: str) -> nn.Module:
    """timm's class on the meta device, its stem and strides as in the authors' code."""
    pytest.importorskip("timm", reason="timm is the reference of pre-activation nets")
    from timm.layers import BatchNormAct2d, create_conv2d
    from timm.models.resnetv2 import ResNetV2

    layers = {"norm_layer": BatchNormAct2d, "conv_layer": create_conv2d}
    with on_meta():
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


def renamed(name: str, key: str) -> str:
    """Our key for timm's: in the CIFAR nets the first activation belongs to the first unit."""
    return key.replace("stem.norm.", "stages.0.blocks.0.norm1.") if name in CIFAR else key


def twins(name: str) -> tuple[Net, nn.Module, Rename]:
    return built(name), rearranged(name), partial(renamed, name)


@pytest.mark.parametrize("name", [*IMAGENET, *CIFAR])
def test_keys_norms_parameters_and_multiply_adds_are_the_references(name: str, macs_of: Callable[..., int]) -> None:
    """timm registers a block's projection first, so its keys come in another order."""
    ours, theirs, ours_for = twins(name)
    assert shapes(ours) == shapes(theirs, ours_for)
    assert norms(ours) == norms(theirs, ours_for)
    assert_costs(ours, theirs, macs_of)


@pytest.mark.parametrize("name", [*IMAGENET, *CIFAR])
def test_logits_are_the_references(name: str) -> None:
    ours, theirs, ours_for = twins(name)
    alike(ours, theirs, ours_for)
    sizes = ((8, 8), (7, 13)) if name in CIFAR else ((32, 32), (33, 49))
    assert logits_differ(ours, theirs, *sizes) <= 1e-9


def test_gradients_are_the_references() -> None:
    ours, theirs, ours_for = twins("resnetv2_110")
    alike(ours, theirs, ours_for)
    assert trained_tensors(ours, theirs, image(33, 33, 2), ours_for) == 111 + 2 * 109 + 2


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
    state = lively(net)
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


@pytest.mark.parametrize("row", ROWS)
def test_exact_published_counts_are_ours(row: str, published: Published) -> None:
    name, options, more = ROWS[row]
    side = str(resnet_v2.VARIANTS[name].side)
    (found,) = [x for x in published if x["variant"] == row and x["input_size"] == side]
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
