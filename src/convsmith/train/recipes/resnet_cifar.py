"""ResNet on CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class ResNetCifar(Recipe):
    """He, Zhang, Ren & Sun, Deep Residual Learning for Image Recognition, arXiv 1512.03385, section 4.2.

    "We use a weight decay of 0.0001 and momentum of 0.9"; "a mini-batch size of 128"; "a learning rate of 0.1, divide
    it by 10 at 32k and 48k iterations, and terminate training at 64k iterations, which is determined on a 45k/5k
    train/val split"; "4 pixels are padded on each side, and a 32×32 crop is randomly sampled from the padded image or
    its horizontal flip".

    64,000 steps of 128 are 182 epochs of 45,000 images. The net of 110 layers begins at 0.01 for about 400 steps,
    until its training error is below 80 %: `warmup=0.006` does the like.
    """

    name: str = "resnet_cifar"
    epochs: int | None = 182
    batch: int = 128
    lr: float = 0.1
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay: str = "all"
    schedule: str = "steps"
    warmup: float = 0.0
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1
    label_smoothing: float = 0.0
    shift: float = 4 / 32
    flip: bool | None = True
    rotate: float = 0.0
    scale: float = 0.0
