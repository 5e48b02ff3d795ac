"""Wide ResNet: CIFAR's nets against timm's pre-activation class, and the paper's printed parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from math import floor

import pytest
from torch import nn

from convsmith import cost, trace
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import wide_resnet

from .twins import Published, alike, assert_costs, built, image, logits_differ, norms, on_meta, shapes, trained_tensors

TORCHVISION = ["wide_resnet50_2", "wide_resnet101_2"]
CIFAR = {"wrn_16_8": (16, 8), "wrn_40_4": (40, 4), "wrn_28_10": (28, 10)}
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, **options: object) -> Network:
    return wide_resnet.VARIANTS[name].network(name, **options)


def of(name: str, **options: object) -> Cost:
    return cost(trace(network(name, **options)))


def pre_activation(depth: int, widen: int) -> nn.Module:
    """WRN-depth-widen as timm's class for pre-activation, with a CIFAR stem, on the meta device."""
    pytest.importorskip("timm", reason="timm's pre-activation class is the reference of the CIFAR nets")
    from timm.layers import BatchNormAct2d, create_conv2d
    from timm.models.resnetv2 import ResNetV2

    with on_meta():
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


@pytest.mark.parametrize(("depth", "widen"), [*CIFAR.values(), (10, 1)])
def test_a_cifar_net_is_timms_pre_activation_net(depth: int, widen: int, macs_of: Callable[..., int]) -> None:
    ours, theirs = built("wrn_28_10", depth=depth, widen=widen), pre_activation(depth, widen)
    wanted = shapes(theirs, renamed)
    assert shapes(ours) == wanted | {"fc.weight": wanted["fc.weight"][:2]}  # timm's is a 1x1 convolution
    assert norms(ours) == norms(theirs, renamed)
    assert_costs(ours, theirs, macs_of)
    alike(ours, theirs, renamed)
    assert logits_differ(ours, theirs, (8, 8), (7, 13)) <= 1e-9


def test_gradients_are_timms() -> None:
    ours, theirs = built("wrn_28_10", depth=10, widen=2), pre_activation(10, 2)
    alike(ours, theirs, renamed)
    # three units, their projections, both ends
    assert trained_tensors(ours, theirs, image(12, 12, 2), renamed) == 3 * 6 + 3 + 5


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


@pytest.mark.parametrize(("name", "options", "row", "dataset"), ROWS)
def test_exact_published_counts_are_ours(
    name: str, options: dict[str, object], row: str, dataset: str, published: Published
) -> None:
    (found,) = [x for x in published if (x["variant"], x["dataset"]) == (row, dataset)]
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
