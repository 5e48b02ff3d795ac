"""RMSProp as TensorFlow has it, by which MobileNet v2 and EfficientNet were trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class RMSPropTF(torch.optim.Optimizer):
    """With the gradient g (and weight_decay · weight added to it), per weight:

        square   <- alpha · square + (1 - alpha) · g²          begins at 1
        velocity <- momentum · velocity + lr · g / sqrt(square + eps)
        weight   <- weight - velocity

    torch's own RMSprop differs in three ways: `square` begins at 0, so that the first steps are up to
    1 / sqrt(1 - alpha) times too long; eps is added to the root, so that 1e-3 damps as 1e-6 does inside it; and the
    velocity is multiplied by the learning rate of the day, not summed of steps at the rates of their days.
    State: `square_avg` and `momentum_buffer`, each of its weight's shape.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float, alpha: float, momentum: float, eps: float, weight_decay: float = 0.0
    ) -> None:
        defaults = {"lr": lr, "alpha": alpha, "momentum": momentum, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step on every weight that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._update(group, weights)
        return loss

    def _update(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        for weight in weights:
            if not self.state[weight]:
                self.state[weight].update(square_avg=torch.ones_like(weight), momentum_buffer=torch.zeros_like(weight))
        gradients: Any = [weight.grad for weight in weights]
        squares = [self.state[weight]["square_avg"] for weight in weights]
        velocities = [self.state[weight]["momentum_buffer"] for weight in weights]
        if group["weight_decay"]:
            gradients = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        torch._foreach_mul_(squares, group["alpha"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["alpha"])
        roots = torch._foreach_add(squares, group["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_addcdiv_(velocities, gradients, roots, value=group["lr"])
        torch._foreach_sub_(weights, velocities)
