"""MobileNet v2 on ImageNet."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class MobileNetV2(Recipe):
    """Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv 1801.04381.

    Section 6.1: "the standard RMSPropOptimizer with both decay and momentum set to 0.9"; "the standard weight decay is
    set to 0.00004"; "initial learning rate of 0.045, and learning rate decay rate of 0.98 per epoch. We use 16 GPU
    asynchronous workers, and a batch size of 96".

    What the paper leaves out is from the authors' code (tensorflow/models, research/slim, nets/mobilenet/README.md):
    label smoothing 0.1, averaged weights at 0.9999, Inception's crops and colours (5 to 100 % of the area, by our
    jitter of 0.2), 5.5 million steps on one GPU, which are 412 epochs; there the rate falls every 2.5 epochs. eps is
    1, the default of its training script; RMSProp is TensorFlow's form. Dropout stands in the network.
    """

    name: str = "mobilenet_v2"
    epochs: int | None = 412
    batch: int = 96
    optimiser: str = "rmsprop_tf"
    lr: float = 0.045
    nesterov: bool = False
    eps: float = 1.0
    alpha: float = 0.9
    weight_decay: float = 4e-5
    schedule: str = "exponential"
    warmup: float = 0.0
    factor: float = 0.98
    every: float = 1.0
    label_smoothing: float = 0.1
    ema: float = 0.9999
    shift: float = 0.0
    flip: bool | None = True
    rotate: float = 0.0
    scale: float = 0.0
    area: tuple[float, float] = (0.05, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    jitter: float = 0.2
