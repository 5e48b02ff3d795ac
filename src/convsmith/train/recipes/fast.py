"""High accuracy in few epochs on small images."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Fast(Recipe):
    """Ours, after the speed records on CIFAR-10.

    Keller Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU (arXiv 2404.00498): a first convolution that whitens
    patches and is kept (section 3.2, after David Page, How to Train Your ResNet, 2018), shifts by 2 of 32 pixels into
    reflections, flips that alternate from epoch to epoch, so that an image is not seen the same way round twice
    (section 3.6), label smoothing 0.2. From the same author's later record (kellerjordan.github.io/posts/muon) Muon, at
    which one rate suits convolutions and all else, so that no warm-up is needed; the rate falls linearly to zero.

    Meant for nets such as `airbench94`, whose first layer has few filters; `--set whiten=false` is for the others.
    """

    name: str = "fast"
    batch: int = 500
    optimiser: str = "muon"
    lr: float = 0.12
    momentum: float = 0.85
    weight_decay: float = 0.0
    schedule: str = "linear"
    warmup: float = 0.0
    label_smoothing: float = 0.2
    shift: float = 2 / 32
    reflect: bool = True
    alternate: bool = True
    rotate: float = 0.0
    scale: float = 0.0
    whiten: bool = True
