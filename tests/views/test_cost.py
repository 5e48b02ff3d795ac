"""The cost table against torch's FlopCounterMode, fvcore and torch's own parameters."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from convsmith import build, cost, names, spec, trace
from convsmith.spec import Conv, Flatten, Linear, Norm, Pool, PoolTo, Relu, Residual, Seq, Tap

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_totals_are_the_built_networks_at_its_native_side(name: str, macs_of: Callable[..., int]) -> None:
    graph = trace(name)
    total = cost(graph)
    net = build(name, device="meta").eval()
    # the table convolution of 1998 runs as a dense one: 16 x 6 kernels instead of 60
    dense = 240_000 - 150_000 if name == "lenet5_1998" else 0
    assert macs_of(net, torch.empty(1, *graph.input.shape, device="meta")) == total.macs + dense
    heads = [sum(getattr(layer, column) for layer in total.aux) for column in ("params", "buffers")]
    assert sum(p.numel() for p in net.parameters()) == total.params + heads[0]
    stored = net.state_dict()
    assert sum(b.numel() for key, b in net.named_buffers() if key in stored) == total.buffers + heads[1]


@pytest.mark.parametrize("name", ["alexnet_2012", "resnet20"])
def test_each_layers_macs_are_torchs_count_for_its_module(name: str) -> None:
    graph = trace(name)
    net = build(name, device="meta").eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.empty(1, *graph.input.shape, device="meta"))
    counted = {
        module.removeprefix("Net."): sum(flops.values()) // 2 for module, flops in counter.get_flop_counts().items()
    }
    ours = {layer.path: layer.macs for layer in cost(graph).layers if layer.macs}
    assert len(ours) > 7
    assert {path: counted.get(path, 0) for path in ours} == ours


def test_fvcore_counts_the_same_convolutions_and_linear_layers_of_resnet50() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fvcore uses torch.jit
        from fvcore.nn import FlopCountAnalysis

        net = build("resnet50", seed=0).eval()
        analysis = FlopCountAnalysis(net, torch.zeros(1, 3, 224, 224))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator = analysis.by_operator()
    ours: dict[str, int] = {}
    for layer in cost(trace("resnet50")).layers:
        ours[layer.category] = ours.get(layer.category, 0) + layer.macs
    assert by_operator["conv"] == ours["convolution"]
    assert by_operator["linear"] == ours["linear"]
    assert by_operator["conv"] + by_operator["linear"] == 4_089_184_256


def test_a_rows_numbers_are_those_worked_out_by_hand() -> None:
    body = Seq(conv=Conv(4, 3, bias=False), bn=Norm(), relu=Relu, pool=Pool(2), flatten=Flatten, fc=Linear(5))
    total = cost(trace(body, 6, 2))
    rows = [(r.path, r.kind, r.out.shape, r.params, r.buffers, r.macs, r.ops, r.activations) for r in total.layers]
    assert rows == [
        ("conv", "conv", (4, 6, 6), 72, 0, 72 * 36, 0, 144),
        ("bn", "norm", (4, 6, 6), 8, 9, 0, 288, 144),
        ("relu", "relu", (4, 6, 6), 0, 0, 0, 144, 144),
        ("pool", "max_pool", (4, 3, 3), 0, 0, 0, 36 * 4, 36),
        ("flatten", "flatten", (36,), 0, 0, 0, 0, 36),
        ("fc", "linear", (5,), 185, 0, 180, 0, 5),
    ]
    assert (total.params, total.buffers, total.macs, total.ops) == (265, 9, 2772, 576)
    assert total.activations == 144 * 3 + 36 * 2 + 5
    assert total.conv_activations == 144
    assert total.in_place_activations == 72 + 144 + 36 + 5  # input, convolution, pool and linear layer
    assert total.weight_bytes == (265 + 9) * 4
    assert 4 * total.layers[0].activations == 576


def test_convolution_outputs_of_resnet50_are_regnets_activations() -> None:
    assert cost(trace("resnet50")).conv_activations == 11_113_984  # pycls: 11,114,984 with the linear layer's 1,000


@pytest.mark.parametrize("name", ["lenet5_1998", "vgg16_bn", "resnet50", "resnet20"])
@pytest.mark.parametrize("column", ["params", "macs", "ops", "activations"])
def test_shares_sum_to_one_and_come_largest_first(name: str, column: str) -> None:
    shares = list(cost(trace(name)).share(column).values())
    assert abs(sum(shares) - 1) < 1e-12
    assert shares == sorted(shares, reverse=True)
    assert all(0 < share <= 1 for share in shares)


def test_the_largest_layer_is_named_with_its_share() -> None:
    total = cost(trace("vgg16"))
    path, share = total.largest("params")
    assert path == "classifier.0"
    assert share == pytest.approx((25_088 * 4096 + 4096) / 138_357_544)
    assert total.largest("activations")[0] == "features.0"
    assert cost(trace(Seq(Relu), 4)).largest("macs") == ("0", 0.0)


def test_an_auxiliary_head_is_reported_apart_and_in_no_total() -> None:
    def net(*extra: tuple[str, Any]) -> Seq:
        return Seq(**dict([("a", Conv(4)), *extra, ("p", PoolTo(1)), ("f", Flatten), ("fc", Linear(3))]))

    plain = cost(trace(net(), 8))
    tapped = cost(trace(net(("aux", Tap(Seq(p=PoolTo(1), f=Flatten, fc=Linear(5))))), 8))
    totals = ("params", "buffers", "macs", "ops", "activations", "conv_activations", "in_place_activations")
    assert [getattr(tapped, t) for t in totals] == [getattr(plain, t) for t in totals]
    assert [(r.path, r.params, r.macs) for r in tapped.aux] == [("aux.p", 0, 0), ("aux.f", 0, 0), ("aux.fc", 25, 20)]
    assert [r[:2] + r.facts[:6] for r in tapped.layers] == [r[:2] + r.facts[:6] for r in plain.layers]


def test_the_count_is_at_the_requested_size_square_or_not(macs_of: Callable[..., int]) -> None:
    net = build("resnet18", device="meta").eval()
    for side in (64, (96, 160)):
        graph = trace("resnet18", side)
        assert cost(graph).macs == macs_of(net, torch.empty(1, *graph.input.shape, device="meta"))


def test_joins_cost_operations_and_no_multiply_adds() -> None:
    rows = {r.path: r for r in cost(trace(Residual(Seq(a=Conv(3))), 4)).layers}
    assert (rows["add"].category, rows["add"].macs, rows["add"].ops) == ("join", 0, 48)


def test_a_grouped_convolution_costs_its_share() -> None:
    whole, halves, depthwise = (cost(trace(Seq(Conv(8, 3, groups=groups, bias=False)), 5, 8)) for groups in (1, 2, 8))
    assert (whole.macs, halves.macs, depthwise.macs) == (14_400, 7_200, 1_800)
    assert (whole.params, halves.params, depthwise.params) == (576, 288, 72)


def test_a_spec_of_the_zoo_is_costed_without_its_name() -> None:
    assert cost(trace(spec("lenet5").body, 32, 1)).macs == 416_520
