"""VGG on ImageNet."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class VGG2014(Recipe):
    """Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv 1409.1556.

    Section 3.1: "The batch size was set to 256, momentum to 0.9"; "weight decay (the L2 penalty multiplier set to
    5 · 10^-4) and dropout regularisation for the first two fully-connected layers (dropout ratio set to 0.5). The
    learning rate was initially set to 10^-2, and then decreased by a factor of 10 when the validation set accuracy
    stopped improving. In total, the learning rate was decreased 3 times, and the learning was stopped after 370K
    iterations (74 epochs)"; crops of 224 from images whose smaller side S is 256 (also 384, or anything from 256 to
    512), "random horizontal flipping and random RGB colour shift", which is AlexNet's.

    Deep nets begin as shallow ones: "we initialised the first four convolutional layers and the last three
    fully-connected layers with the layers of net A". That is a choice of first weights, and so is no field here.
    Dropout 0.5 stands in the network. The patience is ours.
    """

    name: str = "vgg_2014"
    epochs: int | None = 74
    batch: int = 256
    lr: float = 0.01
    nesterov: bool = False
    weight_decay: float = 5e-4
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
    colour_noise: float = 0.1
