"""GoogLeNet on ImageNet."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class GoogLeNet2014(Recipe):
    """Szegedy et al., Going Deeper with Convolutions, arXiv 1409.4842.

    Section 6: "asynchronous stochastic gradient descent with 0.9 momentum, fixed learning rate schedule (decreasing
    the learning rate by 4% every 8 epochs). Polyak averaging was used to create the final model"; patches "whose size
    is distributed evenly between 8% and 100% of the image area and whose aspect ratio is chosen randomly between 3/4
    and 4/3"; "photometric distortions by Andrew Howard", which are brightness, contrast and colour. Section 5: "the
    losses of the auxiliary classifiers were weighted by 0.3".

    The paper gives neither learning rate, batch, weight decay nor epochs. Those here are of Caffe's replication
    (models/bvlc_googlenet: rate 0.01, batch 32, decay 2e-4 of weights alone, 10 million steps, which are 250 epochs).
    The average's decay of 0.9999 is the one of Google's later training code; the jitter of 0.4 is ours. Dropout (0.4,
    in the auxiliary heads 0.7) stands in the network.
    """

    name: str = "googlenet_2014"
    epochs: int | None = 250
    batch: int = 32
    lr: float = 0.01
    nesterov: bool = False
    weight_decay: float = 2e-4
    schedule: str = "exponential"
    warmup: float = 0.0
    factor: float = 0.96
    every: float = 8.0
    label_smoothing: float = 0.0
    aux: float = 0.3
    ema: float = 0.9999
    shift: float = 0.0
    flip: bool | None = True
    rotate: float = 0.0
    scale: float = 0.0
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    jitter: float = 0.4
