"""DenseNet: Table 1's columns and Table 2's nets, held to torchvision's class and plain torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.densenet import DenseNet

from convsmith import cost, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Dropout, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import densenet

from .twins import (
    alike,
    assert_costs,
    built,
    gap,
    image,
    logits_differ,
    norms,
    on_meta,
    reference,
    shapes,
    trained_tensors,
)

pytestmark = pytest.mark.usefixtures("one_thread")

PAPER = [name for name, variant in densenet.VARIANTS.items() if variant.provenance == "paper"]


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return densenet.VARIANTS[name].network(name, classes, **options)


def of(name: str, **options: Any) -> Cost:
    return cost(trace(network(name, **options)))


class Plain(nn.Module):
    """Table 2's nets in torch, without a library: `bc` is bottleneck and compression."""

    def __init__(self, depth: int, growth: int, bc: bool, classes: int = 10) -> None:
        super().__init__()
        width = 2 * growth if bc else 16
        self.features = nn.Module()
        self.features.conv0 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        for block in (1, 2, 3):
            layers = nn.Module()
            for index in range((depth - 4) // (6 if bc else 3)):
                layer = nn.Module()
                layer.norm1 = nn.BatchNorm2d(width)
                inner = 4 * growth if bc else growth
                layer.conv1 = nn.Conv2d(width, inner, 1 if bc else 3, padding=0 if bc else 1, bias=False)
                if bc:
                    layer.norm2 = nn.BatchNorm2d(inner)
                    layer.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)
                layers.add_module(f"denselayer{index + 1}", layer)
                width += growth
            self.features.add_module(f"denseblock{block}", layers)
            if block < 3:
                between = nn.Module()
                between.norm = nn.BatchNorm2d(width)
                between.conv = nn.Conv2d(width, width // 2 if bc else width, 1, bias=False)
                width = width // 2 if bc else width
                self.features.add_module(f"transition{block}", between)
        self.features.norm5 = nn.BatchNorm2d(width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        parts = dict(self.features.named_children())
        x = parts.pop("conv0")(x)
        last = parts.pop("norm5")
        for part in parts.values():
            if hasattr(part, "conv"):
                x = nn.functional.avg_pool2d(part.conv(part.norm(x).relu()), 2)
                continue
            for layer in part.children():
                new = layer.conv1(layer.norm1(x).relu())
                x = torch.cat([x, layer.conv2(layer.norm2(new).relu()) if hasattr(layer, "conv2") else new], 1)
        return self.classifier(last(x).relu().mean((2, 3)))


def theirs_of(name: str) -> nn.Module:
    with on_meta():
        if name == "densenet264":  # Table 1, on torchvision's class
            return DenseNet(32, (6, 12, 64, 48), 64)
        depth, growth, *bc = (word.lstrip("k") for word in name.removeprefix("densenet").split("_"))
        return Plain(int(depth), int(growth), bc == ["bc"])


def twins(name: str) -> tuple[Net, nn.Module]:
    ours, theirs = built(name), theirs_of(name)
    alike(ours, theirs)
    return ours, theirs


@pytest.mark.parametrize("name", PAPER)
def test_keys_shapes_and_norms_are_the_references_in_the_same_order(name: str) -> None:
    ours, theirs = built(name), theirs_of(name)
    wanted = list(shapes(theirs).items())
    assert list(trace(network(name)).weights.items()) == list(shapes(ours).items()) == wanted
    assert norms(ours) == norms(theirs)


@pytest.mark.parametrize(("name", "params", "macs"), [
    ("densenet121", 7_978_856, 2_834_161_664), ("densenet161", 28_681_000, 7_727_907_072),
    ("densenet169", 14_149_480, 3_359_843_328), ("densenet201", 20_013_928, 4_291_365_888),
    ("densenet264", 33_337_704, None),
    ("densenet40_k12", 1_019_722, 264_812_928), ("densenet100_k12", 6_979_642, 1_769_516_448),
    ("densenet100_k24", 27_249_082, 6_889_347_744), ("densenet100_k12_bc", 769_162, 287_929_692),
    ("densenet250_k24_bc", 15_324_406, 5_418_785_724), ("densenet190_k40_bc", 25_624_430, 9_301_945_740),
])  # fmt: skip
def test_counts_are_the_references(name: str, params: int, macs: int | None, macs_of: Callable[..., int]) -> None:
    total = of(name)
    assert total.params == params
    assert macs in (total.macs, None)
    if name in PAPER:
        assert_costs(built(name), theirs_of(name), macs_of)


@pytest.mark.parametrize("name", PAPER)
def test_logits_are_equal(name: str) -> None:
    sizes = ((64, 64), (45, 75)) if densenet.VARIANTS[name].side == 224 else ((16, 16), (9, 14))
    assert logits_differ(*twins(name), *sizes) <= 1e-9


def test_gradients_and_running_statistics_are_equal() -> None:
    assert trained_tensors(*twins("densenet40_k12"), image(16, 16, 4)) == 39 + 2 * 39 + 2


@pytest.mark.parametrize("name", ["densenet121", "densenet161", "densenet169", "densenet201", "densenet264"])
def test_depth_and_output_sizes_are_table_1s(name: str) -> None:
    graph = trace(network(name))
    assert sum(isinstance(row.node, Conv | Linear) for row in graph.rows) == {
        "densenet264": 265  # 1 + 2 * (6 + 12 + 64 + 48) + 3 + 1: the paper's own column misses its name by one
    }.get(name, int(name.removeprefix("densenet")))
    sizes = {row.path.removeprefix("features."): row.out.rows for row in graph.rows}
    assert [sizes[path] for path in ("conv0", "pool0", "transition1.conv", "transition1.pool", "transition2.conv",
                                     "transition2.pool", "transition3.conv", "transition3.pool", "norm5", "avgpool")
            ] == [112, 56, 56, 28, 28, 14, 14, 7, 7, 1]  # fmt: skip


# Table 2: (L, k, BC) -> parameters, as printed
TABLE2 = {
    (40, 12, False): "1.0M", (100, 12, False): "7.0M", (100, 24, False): "27.2M",
    (100, 12, True): "0.8M", (250, 24, True): "15.3M", (190, 40, True): "25.6M",
}  # fmt: skip


def test_table_2s_parameters_and_depths() -> None:
    assert tuple(TABLE2) == densenet.TABLE2
    for (depth, growth, bc), printed in TABLE2.items():
        name = f"densenet{depth}_k{growth}{'_bc' if bc else ''}"
        assert f"{of(name).params / 1e6:.1f}M" == printed
        rows = trace(network(name)).rows
        assert sum(isinstance(row.node, Conv | Linear) for row in rows) == depth
        sides = [row.out.rows for row in rows if row.path.endswith(("conv0", "transition1.pool", "transition2.pool"))]
        assert sides == [32, 16, 8]  # section 3: "the feature-map sizes in the three dense blocks"


def test_dropout_follows_the_convolutions_that_each_form_names() -> None:
    rows = trace(network("densenet121", rate=0.2)).rows
    drops = [row.path for row in rows if isinstance(row.node, Dropout)]
    assert len(drops) == 6 + 12 + 24 + 16
    assert drops[0] == "features.denseblock1.denselayer1.drop"
    for name in ("densenet40_k12", "densenet100_k12_bc"):
        rows = trace(network(name, rate=0.2)).rows
        convs = [i for i, row in enumerate(rows) if isinstance(row.node, Conv)]
        assert [isinstance(rows[i + 1].node, Dropout) for i in convs] == [False] + [True] * (len(convs) - 1)


def test_dropout_is_torchvisions_draw_for_draw() -> None:
    pair, outputs = (built("densenet121", rate=0.2), reference("densenet121", drop_rate=0.2)), []
    alike(*pair)
    for net in pair:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(1)
            outputs.append(net.train()(image(48, 48, 2)))
    assert gap(*outputs) <= 1e-9


def test_a_block_repeats_one_value() -> None:
    children = dict(dict(network("densenet121").body.children)["features"].children)  # type: ignore[attr-defined]
    layers = [layer for i in (1, 2, 3, 4) for _, layer in children[f"denseblock{i}"].children]
    assert len({id(layer) for layer in layers}) == 1
    assert len({id(children[f"transition{i}"]) for i in (1, 2, 3)}) == 1


def test_options_change_what_they_say() -> None:
    assert of("densenet121", growth=16).layers[0].out.shape == (32, 112, 112)
    wide = {row.path: row.out for row in trace(network("densenet121", compression=1.0)).rows}
    assert wide["features.transition1.conv"].channels == 64 + 6 * 32
    with pytest.raises(SpecError, match="depth is one of 121, 161, 169, 201, 264, got 100"):
        network("densenet121", depth=100)
    with pytest.raises(SpecError, match=r"depth is 6n \+ 4 with neck, got 101"):
        network("densenet100_k12_bc", depth=101)
    with pytest.raises(SpecError, match="compression is above 0 and at most 1"):
        network("densenet121", compression=1.5)
