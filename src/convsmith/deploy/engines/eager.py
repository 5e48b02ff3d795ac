"""PyTorch, layer by layer, on the CPU or a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from convsmith.nn import Net, build
from convsmith.search.latency.units import Unit
from convsmith.search.target import Target
from convsmith.search.timing import Call, Inside
from convsmith.spec.errors import TrainingError
from convsmith.spec.network import Network
from convsmith.train import machine

LEAST, WARM = 4, 1
"""Runs of a look inside, and those of them that do not count."""


def version() -> str:
    """Torch's."""
    return f"torch {torch.__version__}"


def prepared(network: Network, target: Target) -> Call:
    """The network as it was built, in evaluation mode, without gradients; freed memory is kept."""
    net, images = ready(network, target)
    return called(net, images)


def opened(network: Network, target: Target, units: Sequence[Unit]) -> tuple[Call, Inside]:
    """The network, and a look inside by a hook before the first layer of each unit: it lasts until the next begins.

    The image's own unit lasts from the call to the first layer.
    """
    net, images = ready(network, target)
    call = called(net, images)
    layers = [net.get_submodule(net.graph.rows[unit.rows[0]].path) for unit in units[1:]]

    def inside(seconds: float) -> list[float]:
        stamps: list[float] = []
        stamp, now = stamps.append, time.perf_counter

        def hook(*_: Any) -> None:
            stamp(now())

        hooks = [layer.register_forward_pre_hook(hook) for layer in layers]
        runs: list[list[float]] = []
        try:
            end = now() + seconds
            while now() < end or len(runs) < LEAST:
                stamps.clear()
                stamp(now())
                call()
                stamp(now())
                runs.append([1e3 * (b - a) for a, b in pairwise(stamps)])
        finally:
            for one in hooks:
                one.remove()
        return [statistics.median(values) for values in zip(*runs[WARM:], strict=True)]

    return call, inside


def ready(network: Network, target: Target) -> tuple[Net, Tensor]:
    """The network and its images, where they run. Raises TrainingError for a device that is not there."""
    if target.device == "cpu":
        machine.keep_memory()
    elif not torch.cuda.is_available():
        raise TrainingError(f"there is no {target.device} here: torch sees no GPU; choose cpu")
    net = build(network, seed=0).eval().to(target.device)
    return net, torch.randn(target.batch, *net.graph.input.shape, device=target.device)


def called(net: Callable[[Tensor], object], images: Tensor) -> Call:
    """One forward pass, to its end."""

    def call() -> None:
        with torch.inference_mode():
            net(images)
        if images.is_cuda:  # a GPU returns before it is done
            torch.cuda.synchronize(images.device)

    return call
