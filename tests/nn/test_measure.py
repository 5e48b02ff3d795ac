"""Measuring a built network."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace

import pytest
import torch

from convsmith import build
from convsmith.nn import measure

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("name", "params", "macs"), [
    ("lenet5", 61_706, 416_520), ("lenet5_1998", 60_000, 416_520 - 840), ("resnet20", 269_722, 40_551_040),
])  # fmt: skip
def test_parameters_and_multiply_adds_are_counted_on_the_module(name: str, params: int, macs: int) -> None:
    found = measure(build(name, seed=0), runs=3)
    assert (found.params, found.macs) == (
        params,
        macs,
    )  # 1998's table runs as a dense convolution; its codes are no product
    assert found.threads == torch.get_num_threads() == 1


def test_latency_is_a_median_and_a_95th_percentile_and_plain_data() -> None:
    found = measure(build("lenet5", seed=0), runs=20)
    assert 0 < found.latency_ms <= found.latency_p95_ms < 1000
    assert json.loads(json.dumps(found.to_json())) == found.to_json()
    assert set(found.to_json()) == {"params", "macs", "latency_ms", "latency_p95_ms", "threads"}


def test_a_slow_network_takes_the_time_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) ** 2 / 1000)
    monkeypatch.setattr(importlib.import_module("convsmith.nn.measure"), "time", clock)
    found = measure(build("lenet5", seed=0), runs=3)
    # five warm-up runs read ticks 0 to 4; those that count lie between ticks 5-6, 7-8 and 9-10: 11, 15 and 19 ms
    assert found.latency_ms == pytest.approx(15)
    assert found.latency_p95_ms == pytest.approx(15)  # floor(0.95 * 2): the second of three


def test_measuring_leaves_mode_statistics_and_gradients_alone() -> None:
    net = build("resnet20", seed=0).train()
    before = {key: t.clone() for key, t in net.state_dict().items()}
    measure(net, runs=1)
    assert net.training
    assert all(torch.equal(t, before[key]) for key, t in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
