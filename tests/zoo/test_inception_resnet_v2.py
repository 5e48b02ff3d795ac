"""Inception-ResNet-v2: timm's keys, counts, logits and gradients; the paper's filters and residual scales."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convsmith import build, cost, trace
from convsmith.nn import Net
from convsmith.spec import AvgPool, Conv, Dropout, Linear, Network, SpecError, Times
from convsmith.zoo import inception_resnet_v2

timm = pytest.importorskip("timm", reason="timm's net is the reference")
PUBLISHED = Path(__file__).parents[3] / "shared/data/published.csv"
PARAMS, MACS = 55_843_464, 13_155_794_016
pytestmark = pytest.mark.usefixtures("one_thread")


def network(classes: int | None = None, **options: Any) -> Network:
    return inception_resnet_v2.VARIANTS["inception_resnet_v2"].network("inception_resnet_v2", classes, **options)


def reference(**options: Any) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model("inception_resnet_v2", **options)


def twins() -> tuple[Net, nn.Module]:
    """Both nets on the same tensors, all cut from one stretch of noise."""
    theirs, ours = reference(num_classes=11), build(network(11), device="meta")
    noise = torch.randn(5_000_000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    state: dict[str, Tensor] = {}
    for i, (key, old) in enumerate(theirs.state_dict().items()):
        cut = noise[997 * i :][: old.numel()].view(old.shape)
        if old.dim() > 1:
            state[key] = cut * (2 / old[0].numel()) ** 0.5
        else:
            state[key] = 0.1 * cut + key.endswith(("running_var", "bn.weight")) if old.dim() else torch.tensor(0)
    for net in (ours, theirs):
        net.load_state_dict({key: tensor.clone() for key, tensor in state.items()}, strict=True, assign=True)
    return ours, theirs


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def gap(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    assert b.abs().max() > 0.01
    return float((a - b).abs().max() / b.abs().max())


def test_keys_and_shapes_are_timms_in_the_same_order() -> None:
    wanted = [(key, tuple(tensor.shape)) for key, tensor in reference().state_dict().items()]
    ours = build(network(), device="meta")
    assert list(trace(network()).weights.items()) == wanted
    assert [(k, tuple(t.shape)) for k, t in ours.state_dict().items()] == wanted
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in reference().named_parameters()]


def test_counts_are_timms(macs_of: Callable[..., int]) -> None:
    total, theirs = cost(trace(network())), reference().eval()
    assert total.params == sum(p.numel() for p in theirs.parameters()) == PARAMS
    assert total.macs == macs_of(theirs, torch.empty(1, 3, 299, 299, device="meta")) == MACS
    assert f"{PARAMS:,}" in (inspect.getdoc(inception_resnet_v2) or "")


def test_logits_are_timms_in_evaluation() -> None:
    ours, theirs = twins()
    for side in ((75, 75), (83, 106)):
        with torch.no_grad():
            assert gap(ours.eval()(image(1, 3, *side)), theirs.eval()(image(1, 3, *side))) <= 1e-9


def test_gradients_and_running_statistics_are_timms() -> None:
    ours, theirs = twins()
    x = image(2, 3, 107, 107)
    found, wanted = (
        dict(zip(dict(net.named_parameters()),
                 torch.autograd.grad(net.train()(x).square().mean(), list(net.parameters())), strict=True))
        for net in (ours, theirs)
    )  # fmt: skip
    assert list(found) == list(wanted)
    assert len(wanted) == 3 * 204 + 2 * 40 + 2
    floor = 1e-10 * max(float(g.abs().max()) for g in wanted.values())
    for key, gradient in wanted.items():
        assert float((found[key] - gradient).abs().max()) <= 1e-8 * float(gradient.abs().max()) + floor, key
    buffers = dict(theirs.named_buffers())
    assert all(torch.allclose(b, buffers[k], rtol=1e-9) for k, b in ours.named_buffers() if "running" in k)


def test_normalisation_pooling_scales_and_dropout_are_timms() -> None:
    theirs, rows = reference(), trace(network()).rows
    norms = [
        {(m.eps, m.momentum) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
        for net in (build(network(), device="meta"), theirs)
    ]
    assert norms == [{(1e-3, 0.1)}] * 2
    assert [row.node.count_pad for row in rows if isinstance(row.node, AvgPool)] == [False]
    assert [m.count_include_pad for m in theirs.modules() if isinstance(m, nn.AvgPool2d)] == [False]
    assert [row.node.rate for row in rows if isinstance(row.node, Dropout)] == [theirs.head_drop.p] == [0]
    scales = {row.path.removesuffix(".scale"): row.node.by for row in rows if isinstance(row.node, Times)}
    wanted = {path: m.scale for path, m in theirs.named_modules() if hasattr(m, "scale")}
    assert wanted.pop("block8") == 1
    assert scales == wanted
    assert all(0.1 <= scale <= 0.3 for scale in scales.values())  # section 3.3: "between 0.1 and 0.3"
    assert [row.path for row in rows if row.path.endswith(".after")] == [f"{p}.after" for p in wanted]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/data/published.csv is not beside this checkout")
@pytest.mark.parametrize("row", ["timm/inception_resnet_v2.tf_in1k", "imgclsmob/inceptionresnetv2"])
def test_exact_published_counts_are_ours(row: str) -> None:
    with PUBLISHED.open(newline="") as file:
        (found,) = [line for line in csv.DictReader(file) if line["variant"] == row]
    total = cost(trace(network()))
    assert (total.params, total.macs) == (int(found["params_exact"]), int(found["macs_exact"]))
    assert sum(r.category in ("convolution", "linear") for r in total.layers) == int(found["conv_fc_modules"]) == 245


def widths(prefix: str) -> dict[str, int]:
    rows = [row for row in trace(network()).rows if row.path.startswith(prefix) and isinstance(row.node, Conv)]
    return {row.path.removeprefix(prefix).removesuffix(".conv"): row.out.channels for row in rows}


def test_reductions_have_the_papers_filters() -> None:
    # Table 1, row Inception-ResNet-v2: k = 256, l = 256, m = 384, n = 384; Fig. 7 has k, l, m one after the other
    assert widths("mixed_6a.") == {"branch1.0": 256, "branch1.1": 256, "branch1.2": 384, "branch0": 384}
    # Fig. 18
    assert widths("mixed_7a.") == {
        "branch0.0": 256, "branch0.1": 384, "branch1.0": 256, "branch1.1": 288,
        "branch2.0": 256, "branch2.1": 288, "branch2.2": 320,
    }  # fmt: skip


# Figs. 16, 17 and 19: the filters of the branches; the last 1x1 puts out what enters (the figures: 384, 1154, 2048)
FIGURES = {
    "repeat.3.": (
        {"branch0": 32, "branch1.0": 32, "branch1.1": 32, "branch2.0": 32, "branch2.1": 48, "branch2.2": 64},
        320,
    ),
    "repeat_1.3.": ({"branch0": 192, "branch1.0": 128, "branch1.1": 160, "branch1.2": 192}, 1088),
    "repeat_2.3.": ({"branch0": 192, "branch1.0": 192, "branch1.1": 224, "branch1.2": 256}, 2080),
}


@pytest.mark.parametrize("prefix", FIGURES)
def test_a_module_has_its_figures_filters(prefix: str) -> None:
    branches, out = FIGURES[prefix]
    assert widths(prefix) == branches | {"conv2d": out}


def test_grids_are_the_papers_35_17_and_8() -> None:
    ends = {row.path.split(".")[0]: row.out.shape for row in trace(network()).rows}
    assert [ends[n] for n in ("mixed_5b", "repeat", "mixed_6a", "repeat_1", "mixed_7a", "block8", "conv2d_7b")] == [
        (320, 35, 35), (320, 35, 35), (1088, 17, 17), (1088, 17, 17), (2080, 8, 8), (2080, 8, 8), (1536, 8, 8),
    ]  # fmt: skip


def test_options() -> None:
    rows = trace(network(10, depths=(1, 2, 2), scales=(0.3, 1, 0.1), width=0.5, rate=0.2)).rows
    assert [row.node.by for row in rows if isinstance(row.node, Times)] == [0.3, 0.1]
    assert [row.node.out for row in rows if isinstance(row.node, Linear)] == [10]
    assert [row.node.rate for row in rows if isinstance(row.node, Dropout)] == [0.2]
    assert rows[0].out.channels == 16
    with pytest.raises(SpecError, match="width must be above 0"):
        network(width=0)
    with pytest.raises(SpecError, match="2 or more, got 1"):
        network(depths=(1, 1, 1))
