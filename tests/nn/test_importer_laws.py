"""Importing what we built gives back what we described: on random networks, and its cost for the whole atlas."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from convsmith import build, cost, names, spec, trace
from convsmith.nn import from_torch
from convsmith.spec import Network
from tests.spec.test_laws import networks

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTED = ("convolution", "linear")


@settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(networks())
def test_a_built_network_comes_back_with_its_layers_weights_and_cost(network: Network) -> None:
    ours = trace(network)
    back = from_torch(build(network), (ours.input.channels, ours.input.rows, ours.input.cols))
    wanted = {w.key(row.path): w.shape for row in ours.rows if row.tap is None for w in row.facts.weights}
    assert back.weights == wanted
    layers = [
        [(row.path, row.kind, row.out.shape, row.facts.macs, row.facts.window) for row in graph.rows
         if row.tap is None and row.node.category in WEIGHTED]
        for graph in (ours, back)
    ]  # fmt: skip
    assert sorted(layers[0]) == sorted(layers[1])
    assert (cost(back).params, cost(back).macs) == (cost(ours).params, cost(ours).macs)
    assert back.rows[back.output].out.shape == ours.rows[ours.output].out.shape


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_every_variant_costs_what_torchs_counter_says(name: str, macs_of: Callable[..., int]) -> None:
    network = spec(name)
    net = build(network, device="meta").eval()
    image = torch.empty(1, *net.graph.input.shape, device="meta")
    total = cost(net.graph)
    counted = macs_of(net, image)
    if name == "lenet5_1998":  # torch multiplies the zeros of its connection table, which the paper does not count
        dense = 16 * 6 * 25 * 100
        assert counted - total.macs == dense - 60 * 25 * 100
    else:
        assert counted == total.macs
    assert total.params == sum(p.numel() for p in net.parameters()) - sum(
        row.facts.params for row in net.graph.rows if row.tap is not None
    )
