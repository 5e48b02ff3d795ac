"""What a training will take, before it starts: memory by arithmetic, time by timing a few steps on this machine."""

from __future__ import annotations

import time

import torch

from convsmith.nn import build
from convsmith.spec.network import Network
from convsmith.spec.trace import trace
from convsmith.train import Recipe
from convsmith.train.execution import Execution
from convsmith.train.loop import loss_of
from convsmith.views.cost import BYTES, Cost, cost

LEAST, ENOUGH = 2, 0.3
"""Timed steps at least, after one to warm up, and the seconds after which no further one is made."""

STEP_MACS = 10**10
"""Forward MACs of a timed step at most: of a larger network a smaller batch is timed, and scaled."""


def training_bytes(cost: Cost, batch: int) -> int:
    """Memory of a training step: weights, gradients, momentum and the update, and every output of the batch once.

    A rough figure, as what is saved for the way back depends on the layer: measured peaks of seven trainings
    (ResNet-18, 20, 50 and 56, VGG-11) were 0.80 to 1.16 of it.
    """
    return BYTES * (4 * cost.params + cost.buffers + batch * cost.activations)


FORWARD = 1 / 3
"""Share of a step that the way forward takes, about: back, a gradient is made for the maps and one for the weights."""


def training_seconds(network: Network, images: int, recipe: Recipe, execution: Execution | None = None) -> float:
    """Seconds of a whole training of this network here, but for augmentation and evaluation. `recipe` is settled.

    Where the head alone learns, all images go forward once; where some stages do, the way back is about half as long.
    """
    assert recipe.epochs is not None
    batch = min(recipe.batch, images)
    timed = max(1, min(batch, STEP_MACS // max(1, cost(trace(network)).macs)))
    whole = -(-images // recipe.batch) * step_seconds(network, timed, execution) * batch / timed
    if recipe.trains == "head":
        return whole * FORWARD
    return recipe.epochs * whole * (1 if recipe.trains == "all" else (1 + FORWARD) / 2)


def step_seconds(network: Network, batch: int, execution: Execution | None = None) -> float:
    """Seconds of one training step of this network: the least of several, as anything above it is other work's."""
    execution = execution or Execution()
    net = execution.prepare(build(network, init="torch", seed=0))
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    images = execution.images(torch.randn(batch + batch % 2, *net.graph.input.shape))  # batch normalisation needs two
    labels = torch.arange(len(images), device=images.device) % network.classes
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) <= LEAST or time.perf_counter() - begun < ENOUGH:
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        with execution.autocast():
            loss = loss_of(net(images), labels, 0.0)[0]
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        times.append(time.perf_counter() - start)
    return min(times[1:])
