"""What a training will take, before it starts: memory by arithmetic, time by timing a few steps on this machine."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
import torch.nn.functional as F

from convsmith.nn import build
from convsmith.search.designs import Design
from convsmith.train import Recipe
from convsmith.views.cost import BYTES, Cost

LEAST, ENOUGH = 2, 0.3
"""Timed steps at least, after one to warm up, and the seconds after which no further one is made."""

STEP_MACS = 3 * 10**9
"""Forward MACs of a timed step at most: of a larger network a smaller batch is timed, and scaled."""


def training_bytes(cost: Cost, batch: int) -> int:
    """Memory of a training step: weights, gradients, momentum, and the batch's outputs with their gradients."""
    return 3 * BYTES * cost.params + BYTES * cost.buffers + 2 * BYTES * batch * cost.activations


def training_seconds(design: Design, images: int, recipe: Recipe) -> float:
    """Seconds of a whole training of this design here; augmentation and evaluation come on top. `recipe` is settled."""
    assert recipe.epochs is not None
    batch = min(recipe.batch, images)
    timed = max(1, min(batch, STEP_MACS // design.cost.macs))
    return recipe.epochs * -(-images // recipe.batch) * step_seconds(design, timed) * batch / timed


def step_seconds(design: Design, batch: int) -> float:
    """Seconds of one training step of this design: the least of several, as anything above it is other work's."""
    net = build(replace(design.network, init="torch"), seed=0)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    images = torch.randn(batch + batch % 2, *design.graph.input.shape)  # batch normalisation needs two
    labels = torch.arange(len(images)) % design.classes
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) <= LEAST or time.perf_counter() - begun < ENOUGH:
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(net(images), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        times.append(time.perf_counter() - start)
    return min(times[1:])
