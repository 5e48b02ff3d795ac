"""DenseNet: torchvision's four, Table 1's columns and Table 2's nets, held to torchvision's class and plain torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.densenet import DenseNet

from convsmith import build, cost, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Dropout, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import densenet

pytestmark = pytest.mark.usefixtures("one_thread")

TORCHVISION = [name for name, variant in densenet.VARIANTS.items() if variant.provenance == "torchvision"]


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


def theirs_of(name: str, classes: int | None = None, **options: Any) -> nn.Module:
    found = densenet.VARIANTS[name]
    classes = classes or found.classes
    if found.provenance == "torchvision":
        return models.get_model(name, num_classes=classes, **options)
    if name == "densenet264":  # Table 1, on torchvision's class
        return DenseNet(32, (6, 12, 64, 48), 64, num_classes=classes, **options)
    depth, growth, *bc = (word.lstrip("k") for word in name.removeprefix("densenet").split("_"))
    return Plain(int(depth), int(growth), bc == ["bc"], classes)


def twins(name: str, rate: float = 0.0) -> tuple[Net, nn.Module]:
    with torch.device("meta"):
        theirs = theirs_of(name, 11, **({"drop_rate": rate} if rate else {}))
    ours = build(network(name, 11, rate=rate), device="meta")
    draw = torch.Generator().manual_seed(5)
    state: dict[str, Tensor] = {}
    for key, old in theirs.state_dict().items():
        noise = torch.randn(old.shape, generator=draw, dtype=torch.float64)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
        elif old.dim() > 1:
            state[key] = noise * (2 / old[0].numel()) ** 0.5
        else:
            state[key] = 0.1 * noise + (key.endswith("running_var") or ("norm" in key and key.endswith("weight")))
    for net in (ours, theirs):
        net.load_state_dict({key: tensor.clone() for key, tensor in state.items()}, assign=True)
    return ours, theirs


def gap(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    assert b.abs().max() > 0.01
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", densenet.VARIANTS)
def test_keys_and_shapes_are_the_references_in_the_same_order(name: str) -> None:
    with torch.device("meta"):
        theirs = theirs_of(name).state_dict()
    wanted = [(key, tuple(tensor.shape)) for key, tensor in theirs.items()]
    assert list(trace(network(name)).weights.items()) == wanted
    assert [(k, tuple(t.shape)) for k, t in build(network(name), device="meta").state_dict().items()] == wanted


@pytest.mark.parametrize(("name", "params", "macs"), [
    ("densenet121", 7_978_856, 2_834_161_664), ("densenet161", 28_681_000, 7_727_907_072),
    ("densenet169", 14_149_480, 3_359_843_328), ("densenet201", 20_013_928, 4_291_365_888),
    ("densenet264", 33_337_704, None),
    ("densenet40_k12", 1_019_722, 264_812_928), ("densenet100_k12", 6_979_642, 1_769_516_448),
    ("densenet100_k24", 27_249_082, 6_889_347_744), ("densenet100_k12_bc", 769_162, 287_929_692),
    ("densenet250_k24_bc", 15_324_406, 5_418_785_724), ("densenet190_k40_bc", 25_624_430, 9_301_945_740),
])  # fmt: skip
def test_counts_are_the_references(name: str, params: int, macs: int | None, macs_of: Callable[..., int]) -> None:
    total, side = of(name), densenet.VARIANTS[name].side
    with torch.device("meta"):
        theirs, image = theirs_of(name), torch.empty(1, 3, side, side)
    assert total.params == params == sum(p.numel() for p in theirs.parameters())
    assert total.macs == macs_of(theirs, image)
    assert macs in (total.macs, None)
    if name in TORCHVISION:
        (entry,) = models.get_model_weights(name)
        assert (entry.meta["num_params"], entry.meta["_ops"]) == (total.params, round(total.macs / 1e9, 3))


@pytest.mark.parametrize("name", densenet.VARIANTS)
def test_logits_are_equal(name: str) -> None:
    ours, theirs = twins(name)
    for rows, cols in ((64, 64), (45, 75)) if densenet.VARIANTS[name].side == 224 else ((16, 16), (9, 14)):
        image = torch.randn(1, 3, rows, cols, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        with torch.no_grad():
            assert gap(ours.eval()(image), theirs.eval()(image)) <= 1e-9


@pytest.mark.parametrize("name", ["densenet121", "densenet40_k12"])
def test_training_logits_gradients_and_running_statistics_are_equal(name: str) -> None:
    ours, theirs = twins(name)
    side = 64 if name == "densenet121" else 16
    image = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found, wanted = (
        dict(zip(dict(net.named_parameters()),
                 torch.autograd.grad(net.train()(image).square().mean(), list(net.parameters())), strict=True))
        for net in (ours, theirs)
    )  # fmt: skip
    assert list(found) == list(wanted)
    floor = 1e-10 * max(float(g.abs().max()) for g in wanted.values())
    for key, gradient in wanted.items():
        assert float((found[key] - gradient).abs().max()) <= 1e-8 * float(gradient.abs().max()) + floor, key
    buffers = dict(theirs.named_buffers())
    assert all(torch.allclose(b, buffers[k].to(b.dtype), rtol=1e-9) for k, b in ours.named_buffers())


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
    image, outputs = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(3), dtype=torch.float64), []
    for net in twins("densenet121", 0.2):
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(1)
            outputs.append(net.train()(image))
    assert gap(*outputs) <= 1e-9


def test_a_block_repeats_one_value() -> None:
    children = dict(dict(network("densenet121").body.children)["features"].children)  # type: ignore[attr-defined]
    layers = [layer for i in (1, 2, 3, 4) for _, layer in children[f"denseblock{i}"].children]
    assert len({id(layer) for layer in layers}) == 1
    assert len({id(children[f"transition{i}"]) for i in (1, 2, 3)}) == 1


def test_options_change_what_they_say() -> None:
    assert of("densenet121", growth=16).layers[0].out == (32, 112, 112)
    wide = {row.path: row.out for row in trace(network("densenet121", compression=1.0)).rows}
    assert wide["features.transition1.conv"].channels == 64 + 6 * 32
    with pytest.raises(SpecError, match="depth is one of 121, 161, 169, 201, 264, got 100"):
        network("densenet121", depth=100)
    with pytest.raises(SpecError, match=r"depth is 6n \+ 4 with neck, got 101"):
        network("densenet100_k12_bc", depth=101)
    with pytest.raises(SpecError, match="compression is above 0 and at most 1"):
        network("densenet121", compression=1.5)
