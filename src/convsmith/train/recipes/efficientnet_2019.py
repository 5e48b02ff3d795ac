"""EfficientNet on ImageNet."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class EfficientNet2019(Recipe):
    """Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv 1905.11946.

    Section 5.2: "RMSProp optimizer with decay 0.9 and momentum 0.9; batch norm momentum 0.99; weight decay 1e-5;
    initial learning rate 0.256 that decays by 0.97 every 2.4 epochs. We also use swish activation, fixed AutoAugment
    policy, and stochastic depth with survival probability 0.8"; dropout from 0.2 for B0 to 0.5 for B7.

    Swish, drop path (0.2 at the last block), dropout and the norms' momentum stand in the network. What the paper
    leaves out is from the authors' code (tensorflow/tpu, models/official/efficientnet): batch 4096, to which a rate of
    0.256 belongs (0.016 for each 256), 350 epochs, 5 of them to warm up, label smoothing 0.1, averaged weights at
    0.9999, eps 0.001 inside the root (TensorFlow's form), norms not decayed, crops of 8 to 100 % of the area. There
    biases do decay; here decay spares them with the norms.
    """

    name: str = "efficientnet_2019"
    epochs: int | None = 350
    batch: int = 4096
    optimiser: str = "rmsprop_tf"
    lr: float = 0.256
    nesterov: bool = False
    eps: float = 1e-3
    alpha: float = 0.9
    weight_decay: float = 1e-5
    schedule: str = "exponential"
    warmup: float = 5 / 350
    factor: float = 0.97
    every: float = 2.4
    label_smoothing: float = 0.1
    ema: float = 0.9999
    shift: float = 0.0
    flip: bool | None = True
    rotate: float = 0.0
    scale: float = 0.0
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    policy: str = "auto"
