"""AlexNet on ImageNet, as in 2012."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class AlexNet2012(Recipe):
    """Krizhevsky, Sutskever & Hinton, ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012.

    Section 5: "a batch size of 128 examples, momentum of 0.9, and weight decay of 0.0005"; the learning rate "was
    initialized at 0.01 and reduced three times prior to termination", "divide the learning rate by 10 when the
    validation error rate stopped improving"; "roughly 90 cycles through the training set of 1.2 million images".
    Section 4.1: "extracting random 224 × 224 patches (and their horizontal reflections) from the 256 × 256 images";
    to the pixels are added principal components times eigenvalues times "a Gaussian with mean zero and standard
    deviation 0.1".

    The course notes print the same figures. Dropout 0.5 and local response normalisation stand in the network; the
    weights' Gaussian of 0.01 and the biases of 1 are no part of a recipe either. The authors turned the rate down by
    hand: the patience is ours. Their momentum holds the rate, torch's is multiplied by it: the same between two falls.
    """

    name: str = "alexnet_2012"
    epochs: int | None = 90
    batch: int = 128
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
