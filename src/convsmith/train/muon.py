"""Muon for convolutions, in one optimiser with SGD for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that pushes singular values towards 1 (Jordan et al. 2024, kellerjordan.github.io/posts/muon)."""

ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Groups with `orthogonal` true: weights of two or more axes, taken as matrices (first axis × the others).

        momentum_buffer <- momentum · buffer + (1 - momentum) · g
        weight          <- (1 - lr · weight_decay) · weight - lr · sqrt(max(1, rows / columns)) · orthogonal(u)

    with u = (1 - momentum) · g + momentum · buffer (Nesterov), or the buffer; all singular values of orthogonal(u) are
    near 1, so that steps have the same length whatever the gradient's. torch.optim.Muon does this for two axes alone,
    and in an optimiser of its own. The other groups are torch's SGD: L2 penalty in the gradient, buffer <- momentum ·
    buffer + g. Both have the same learning rate: 0.02 to 0.1 suits both.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float, momentum: float, nesterov: bool, weight_decay: float = 0.0
    ) -> None:
        rest = {"nesterov": nesterov, "weight_decay": weight_decay, "orthogonal": False}
        super().__init__(params, {"lr": lr, "momentum": momentum, **rest})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step on every weight that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._turned if group["orthogonal"] else self._plain
            for weight in group["params"]:
                if weight.grad is not None:
                    update(group, weight, weight.grad)
        return loss

    def _turned(self, group: dict[str, Any], weight: Tensor, gradient: Tensor) -> None:
        buffer, momentum = self._buffer(weight), group["momentum"]
        buffer.lerp_(gradient, 1 - momentum)
        matrix = (gradient.lerp(buffer, momentum) if group["nesterov"] else buffer).flatten(1)
        rows, columns = matrix.shape
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        length = group["lr"] * max(1.0, rows / columns) ** 0.5
        weight.add_(orthogonal(matrix).reshape(weight.shape), alpha=-length)

    def _plain(self, group: dict[str, Any], weight: Tensor, gradient: Tensor) -> None:
        buffer, momentum = self._buffer(weight), group["momentum"]
        gradient = gradient.add(weight, alpha=group["weight_decay"])
        buffer.mul_(momentum).add_(gradient)
        weight.add_(gradient.add(buffer, alpha=momentum) if group["nesterov"] else buffer, alpha=-group["lr"])

    def _buffer(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors and singular values between about 0.7 and 1.2; bfloat16, as published.

    Five rounds of X <- a X + (b A + c A²) X with A = X Xᵀ, from X = matrix / its Frobenius norm.
    """
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)
