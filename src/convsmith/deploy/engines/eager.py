"""PyTorch, layer by layer, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from convsmith.deploy.engines import Call
from convsmith.nn import Net, build
from convsmith.search.target import Target
from convsmith.spec.errors import TrainingError
from convsmith.spec.network import Network
from convsmith.train import machine


def version() -> str:
    """Torch's."""
    return f"torch {torch.__version__}"


def prepared(network: Network, target: Target) -> Call:
    """The network as it was built, in evaluation mode, without gradients; freed memory is kept."""
    net, images = ready(network, target)
    return called(net, images)


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
