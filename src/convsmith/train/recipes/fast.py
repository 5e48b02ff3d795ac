"""High accuracy in few epochs on small images."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Fast(Recipe):
    """Ours, after the speed records on CIFAR-10.

    David Page, How to Train Your ResNet (2018): batch 512, Nesterov momentum 0.9, weight decay 5e-4, a rate that
    climbs to 0.4 in the first fifth and falls linearly to zero, label smoothing 0.2, averaged weights. Keller Jordan,
    94% on CIFAR-10 in 3.29 Seconds on a Single GPU (arXiv 2404.00498): shifts by 2 of 32 pixels into reflections, and
    flips that alternate from epoch to epoch, so that an image is not seen the same way round twice (section 3.6).

    Put together from both and not yet measured against them.
    """

    name: str = "fast"
    batch: int = 512
    lr: float = 0.4
    weight_decay: float = 5e-4
    schedule: str = "linear"
    warmup: float = 0.2
    label_smoothing: float = 0.2
    ema: float = 0.99
    shift: float = 2 / 32
    reflect: bool = True
    alternate: bool = True
    rotate: float = 0.0
    scale: float = 0.0
