"""What can be said of a network before it is trained: zero-cost proxies. Larger is to mean better.

They are filters, not judges: how far their ranks follow accuracy is measured on every search's own trials, and counting
parameters often does as well (White et al. 2022; Abdelfattah et al. 2021, whose forms these are).
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.nn import Net, build
from convsmith.nn.look.walk import own_draws, training_copy, walk
from convsmith.search.costs import costs_of
from convsmith.spec.errors import UnknownName, nearest
from convsmith.spec.network import Network

BATCH = 32
"""Training images that proxies look at."""

Proxy = Callable[[Net, Tensor, Tensor], float]
"""Of a network at its start, images as it takes them (N, C, H, W) and labels (N,)."""


def parameters(net: Net, images: Tensor, labels: Tensor) -> float:
    """Logarithm of the number of parameters: the prior that larger is better."""
    return log(costs_of(net.graph)[0])


def macs(net: Net, images: Tensor, labels: Tensor) -> float:
    """Logarithm of the multiply-adds of an image."""
    return log(costs_of(net.graph)[2])


def synflow(net: Net, images: Tensor, labels: Tensor) -> float:
    """Logarithm of the sum of |weight x gradient| of the sum of outputs, for an image of ones and all weights positive
    (Tanaka et al. 2020, equation 3). Normalisations do nothing: at the start they hold mean 0 and variance 1."""
    copy = training_copy(net).eval().double()
    with torch.no_grad():
        for weight in copy.parameters():
            weight.abs_()
    with torch.inference_mode(False), torch.enable_grad():
        copy(torch.ones_like(images[:1], dtype=torch.float64)).sum().backward()
    flows = [(weight.detach() * weight.grad).abs().sum() for weight in copy.parameters() if weight.grad is not None]
    return float(torch.stack(flows).sum().log())


def naswot(net: Net, images: Tensor, labels: Tensor) -> float:
    """Log-determinant of how alike the images' patterns of positive activations are (Mellor et al. 2021, equation 2):
    large where the untrained network tells images apart."""
    copy, rows = training_copy(net), net.graph.rows
    alike = torch.zeros(len(images), len(images), dtype=torch.float64)

    def see(i: int, value: Tensor) -> Tensor:
        if rows[i].category == "activation" and rows[i].tap is None:
            code = (value > 0).flatten(1).double()
            alike.add_(code @ code.T + (1 - code) @ (1 - code).T)
        return value

    with torch.no_grad(), own_draws(0, images):
        walk(copy, images, see)
    return float(torch.linalg.slogdet(alike)[1])


def gradient_norm(net: Net, images: Tensor, labels: Tensor) -> float:
    """Norm of the loss's gradient on a batch, summed over the weights' tensors."""
    copy = training_copy(net).requires_grad_()
    with own_draws(0, images), torch.inference_mode(False), torch.enable_grad():
        out = copy(images)
        F.cross_entropy(out["logits"] if isinstance(out, dict) else out, labels).backward()  # type: ignore[no-untyped-call]
    return float(sum(weight.grad.norm() for weight in copy.parameters() if weight.grad is not None))


PROXIES: dict[str, Proxy] = {
    "params": parameters, "macs": macs, "synflow": synflow, "naswot": naswot, "grad-norm": gradient_norm,
}  # fmt: skip


def proxy(name: str) -> Proxy:
    """The proxy of this name. Raises UnknownName."""
    if name not in PROXIES:
        raise UnknownName(f"no proxy is called {name!r}{nearest(name, PROXIES)} (there are {', '.join(PROXIES)})")
    return PROXIES[name]


def score(network: Network, of: Proxy, images: Tensor, labels: Tensor, seed: int = 0) -> float:
    """A proxy of a description, built anew from `seed`."""
    return of(build(network, seed=seed), images, labels)
