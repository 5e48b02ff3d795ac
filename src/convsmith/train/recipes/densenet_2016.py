"""DenseNet on ImageNet, and what differs on CIFAR."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class DenseNet2016(Recipe):
    """Huang, Liu, van der Maaten & Weinberger, Densely Connected Convolutional Networks, arXiv 1608.06993.

    Section 4.2: "On ImageNet, we train models for 90 epochs with a batch size of 256. The learning rate is set to 0.1
    initially, and is lowered by 10 times at epoch 30 and 60"; "a weight decay of 10^-4 and a Nesterov momentum of 0.9
    without dampening". Section 4.1: for ImageNet "the same data augmentation scheme" as ResNet's public code, which
    is crops of 8 to 100 % of the area at 3/4 to 4/3, flips, colour jitter of 0.4 and AlexNet's noise.

    "On CIFAR and SVHN we train using batch size 64 for 300 and 40 epochs"; "0.1, and is divided by 10 at 50% and 75%":
    batch 64, epochs 300, milestones 0.5, 0.75, area 1, 1, aspect 1, 1, shift 0.125, jitter 0 and colour_noise 0. The
    dropout of 0.2 where nothing is augmented stands in the network.
    """

    name: str = "densenet_2016"
    epochs: int | None = 90
    batch: int = 256
    lr: float = 0.1
    weight_decay: float = 1e-4
    decay: str = "all"
    schedule: str = "steps"
    warmup: float = 0.0
    milestones: tuple[float, ...] = (1 / 3, 2 / 3)
    factor: float = 0.1
    label_smoothing: float = 0.0
    shift: float = 0.0
    flip: bool | None = True
    rotate: float = 0.0
    scale: float = 0.0
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    colour_noise: float = 0.1
    jitter: float = 0.4
