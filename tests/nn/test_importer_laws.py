"""Importing what we built gives back what we described, on random networks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from convsmith import build, cost, trace
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
