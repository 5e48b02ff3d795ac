"""What is done today."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Modern(Recipe):
    """Ours, after torchvision's second recipe for ResNet-50 (pytorch/vision issue 3995) for trainings of any length.

    Theirs: 600 epochs, batch 1024 at rate 0.5 (here 128 at 0.0625: the same an image), 5 epochs of warm-up, cosine,
    weight decay 2e-5 that spares norms, label smoothing 0.1, mixup 0.2 (Zhang et al. 2017), CutMix 1 (Yun et al.
    2019), TrivialAugment (Müller & Hutter 2021), random erasing 0.1 (Zhong et al. 2017), averaged weights, training
    at 176 pixels for tests at 224 (Touvron et al. 2019).

    Ours: epochs by the number of images, and with so few a tenth of them to warm up, weight decay 1e-4, crops of 35 %
    of the area and more, averaged weights at 0.999, and images that begin at 128/224 of the side and grow to all of
    it (progressive resizing: Tan & Le 2021, section 4).
    """

    name: str = "modern"
    batch: int = 128
    lr: float = 0.0625
    weight_decay: float = 1e-4
    warmup: float = 0.1
    ema: float = 0.999
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    area: tuple[float, float] = (0.35, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    policy: str = "trivial"
    erase: float = 0.1
    mixup: float = 0.2
    cutmix: float = 1.0
    start_side: float = 128 / 224
