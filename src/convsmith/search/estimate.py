"""What a training will take, before it starts: memory by arithmetic, time from a short measurement on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from convsmith.nn import build
from convsmith.search.designs import Design
from convsmith.train import Recipe
from convsmith.views.cost import BYTES, Cost

LEAST, ENOUGH = 3, 0.5
"""Timed steps of a probe, after one to warm up, and the seconds after which no further one is made."""


@dataclass(frozen=True)
class Speed:
    """Seconds of a training step: `per_layer` for each row, `per_mac` for each MAC of the batch's forward pass."""

    per_layer: float
    per_mac: float

    def step(self, design: Design, batch: int) -> float:
        """Seconds of one step."""
        return self.per_layer * len(design.graph.rows) + self.per_mac * batch * design.cost.macs

    def training(self, design: Design, images: int, recipe: Recipe) -> float:
        """Seconds of a whole training."""
        assert recipe.epochs is not None  # settled before anything is planned
        return recipe.epochs * -(-images // recipe.batch) * self.step(design, min(recipe.batch, images))


def training_bytes(cost: Cost, batch: int) -> int:
    """Memory of a training step: weights, gradients, momentum, and the batch's outputs with their gradients."""
    return 3 * BYTES * cost.params + BYTES * cost.buffers + 2 * BYTES * batch * cost.activations


def measure_speed(field: Sequence[Design], recipe: Recipe) -> Speed:
    """Time a few training steps of the field's cheapest and dearest design and read both constants off them."""
    probes = sorted(field, key=lambda design: design.cost.macs)
    small, large = probes[0], probes[-1]
    batch = recipe.batch
    a, b = step_seconds(small, batch), step_seconds(large, batch)
    rows = (len(small.graph.rows), len(large.graph.rows))
    macs = (batch * small.cost.macs, batch * large.cost.macs)
    determinant = rows[0] * macs[1] - rows[1] * macs[0]
    per_layer = (a * macs[1] - b * macs[0]) / determinant if determinant else 0.0
    per_mac = (rows[0] * b - rows[1] * a) / determinant if determinant else b / macs[1]
    if per_layer <= 0 or per_mac <= 0:  # one of the two hides the other: charge all to MACs
        return Speed(0.0, b / macs[1])
    return Speed(per_layer, per_mac)


def step_seconds(design: Design, batch: int) -> float:
    """Seconds of one training step of this design: the least of several, as anything above it is other work's."""
    net = build(replace(design.network, init="torch"), seed=0)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    images = torch.randn(batch, *design.graph.input.shape)
    labels = torch.arange(batch) % design.classes
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) <= LEAST or (time.perf_counter() - begun < ENOUGH and len(times) < 50):
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(net(images), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        times.append(time.perf_counter() - start)
    return min(times[1:])
