"""ResNet on ImageNet."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class ResNet2015(Recipe):
    """He, Zhang, Ren & Sun, Deep Residual Learning for Image Recognition, arXiv 1512.03385.

    Section 3.4: "SGD with a mini-batch size of 256. The learning rate starts from 0.1 and is divided by 10 when the
    error plateaus, and the models are trained for up to 60 × 10^4 iterations", which are 120 epochs. "We use a weight
    decay of 0.0001 and a momentum of 0.9. We do not use dropout". "The image is resized with its shorter side randomly
    sampled in [256, 480] for scale augmentation. A 224×224 crop is randomly sampled from an image or its horizontal
    flip"; "the standard color augmentation", which is AlexNet's.

    The course notes print a weight decay of 1e-5 (part 5, ResNet): the paper says 1e-4. The patience is ours. A crop
    of 224 from a side of 256 to 480 is that share of the side, squared in `area`; all of it is cut from 256 pixels, so
    that the smallest crops are enlarged. As stairs without validation: schedule steps, milestones 1/4, 1/2, 3/4.
    """

    name: str = "resnet_2015"
    epochs: int | None = 120
    batch: int = 256
    lr: float = 0.1
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay: str = "all"
    schedule: str = "plateau"
    warmup: float = 0.0
    factor: float = 0.1
    patience: int = 5
    label_smoothing: float = 0.0
    canvas: float = 256 / 224
    shift: float = 0.0
    flip: bool | None = True
    rotate: float = 0.0
    scale: float = 0.0
    area: tuple[float, float] = ((224 / 480) ** 2, (224 / 256) ** 2)
    colour_noise: float = 0.1
