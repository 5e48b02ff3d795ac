"""Inception-v4: timm's keys, counts, logits and gradients; the paper's grid sizes and Table 1."""

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
from convsmith.spec import AvgPool, Conv, Dropout, Linear, Network, SpecError
from convsmith.zoo import inception_v4

timm = pytest.importorskip("timm", reason="timm's net is the reference")
PUBLISHED = Path(__file__).parents[3] / "shared/data/published.csv"
PARAMS, MACS = 42_679_816, 12_253_974_624
pytestmark = pytest.mark.usefixtures("one_thread")


def network(classes: int | None = None, **options: Any) -> Network:
    return inception_v4.VARIANTS["inception_v4"].network("inception_v4", classes, **options)


def reference(**options: Any) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model("inception_v4", **options)


def twins() -> tuple[Net, nn.Module]:
    """Both nets on the same tensors, all cut from one stretch of noise."""
    theirs, ours = reference(num_classes=11), build(network(11), device="meta")
    noise = torch.randn(1 << 21, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
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
    assert f"{PARAMS:,}" in (inspect.getdoc(inception_v4) or "")


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
    assert len(wanted) == 3 * 149 + 2
    floor = 1e-10 * max(float(g.abs().max()) for g in wanted.values())
    for key, gradient in wanted.items():
        assert float((found[key] - gradient).abs().max()) <= 1e-8 * float(gradient.abs().max()) + floor, key
    buffers = dict(theirs.named_buffers())
    assert all(torch.allclose(b, buffers[k], rtol=1e-9) for k, b in ours.named_buffers() if "running" in k)


def test_normalisation_pooling_and_dropout_are_timms() -> None:
    theirs, nodes = reference(), [row.node for row in trace(network()).rows]
    norms = [
        {(m.eps, m.momentum) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
        for net in (build(network(), device="meta"), theirs)
    ]
    assert norms == [{(1e-3, 0.1)}] * 2
    means = [m.count_include_pad for m in theirs.modules() if isinstance(m, nn.AvgPool2d)]
    assert [node.count_pad for node in nodes if isinstance(node, AvgPool)] == means == [False] * 14
    assert [node.rate for node in nodes if isinstance(node, Dropout)] == [theirs.head_drop.p] == [0]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/data/published.csv is not beside this checkout")
@pytest.mark.parametrize("row", ["timm/inception_v4.tf_in1k", "imgclsmob/inceptionv4"])
def test_exact_published_counts_are_ours(row: str) -> None:
    with PUBLISHED.open(newline="") as file:
        (found,) = [line for line in csv.DictReader(file) if line["variant"] == row]
    total = cost(trace(network()))
    assert (total.params, total.macs) == (int(found["params_exact"]), int(found["macs_exact"]))
    layers = sum(r.category in ("convolution", "linear") for r in total.layers)
    assert layers == int(found["conv_fc_modules"]) == 150


# the sizes that the figures print: Fig. 3 (stem) and Fig. 9 (whole net)
FIG3 = [(32, 149, 149), (32, 147, 147), (64, 147, 147), (160, 73, 73), (192, 71, 71), (384, 35, 35)]
FIG9 = [*[(384, 35, 35)] * 4, (1024, 17, 17), *[(1024, 17, 17)] * 7, (1536, 8, 8), *[(1536, 8, 8)] * 3]


def test_grid_sizes_are_those_of_figures_3_and_9() -> None:
    ends = {row.path.split(".")[1]: row.out.shape for row in trace(network()).rows if row.path.startswith("features.")}
    assert list(ends.values()) == FIG3 + FIG9
    (pool,) = [row.out for row in trace(network()).rows if row.path == "global_pool"]
    assert pool.shape == (1536, 1, 1)


def test_reduction_a_has_table_1s_filters() -> None:
    # Table 1, row Inception-v4: k = 192, l = 224, m = 256, n = 384; Fig. 7 has n alone and k, l, m one after the other
    convs = {row.path: row.node for row in trace(network()).rows if row.path.startswith("features.10.")}
    found = {path.removeprefix("features.10."): node.out for path, node in convs.items() if isinstance(node, Conv)}
    assert found == {"branch1.0.conv": 192, "branch1.1.conv": 224, "branch1.2.conv": 256, "branch0.conv": 384}


def test_options() -> None:
    rows = trace(network(10, depths=(1, 1, 1), width=0.5, rate=0.2)).rows
    nodes = [row.node for row in rows]
    assert [n.out for n in nodes if isinstance(n, Linear)] == [10]
    assert [n.rate for n in nodes if isinstance(n, Dropout)] == [0.2]  # Fig. 9: "Dropout (keep 0.8)"
    assert rows[0].out.channels == 16
    assert [row.out.channels for row in rows if row.path == "global_pool"] == [768]
    with pytest.raises(SpecError, match="width must be above 0"):
        network(width=0)
