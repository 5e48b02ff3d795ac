"""Wide ResNet on CIFAR."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class WRN2016(Recipe):
    """Zagoruyko & Komodakis, Wide Residual Networks, arXiv 1605.07146.

    Section 3: "we use SGD with Nesterov momentum and cross-entropy loss. The initial learning rate is set to 0.1,
    weight decay to 0.0005, dampening to 0, momentum to 0.9 and minibatch size to 128. On CIFAR learning rate dropped
    by 0.2 at 60, 120 and 160 epochs and we train for total 200 epochs"; "horizontal flips and take random crops from
    image padded by 4 pixels on each side, filling missing pixels with reflections of original image".

    Dropout (0.3 on CIFAR, inside the blocks) stands in the network.
    """

    name: str = "wrn_2016"
    epochs: int | None = 200
    batch: int = 128
    lr: float = 0.1
    weight_decay: float = 5e-4
    decay: str = "all"
    schedule: str = "steps"
    warmup: float = 0.0
    milestones: tuple[float, ...] = (60 / 200, 120 / 200, 160 / 200)
    factor: float = 0.2
    label_smoothing: float = 0.0
    shift: float = 4 / 32
    reflect: bool = True
    flip: bool | None = True
    rotate: float = 0.0
    scale: float = 0.0
