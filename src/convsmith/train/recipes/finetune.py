"""From weights that know other images already."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Finetune(Recipe):
    """Ours, for `--weights`: all layers at a tenth of the usual rate, as the notes on transfer learning have it.

    After Kornblith, Shlens & Le, Do Better ImageNet Models Transfer Better? (arXiv 1805.08974), appendix A.4:
    Nesterov momentum 0.9 and a cosine without restarts, rates and decay chosen for each data set; ours stand at 0.01
    for a batch of 64 and 1e-4. Crops keep 35 % of the area or more.
    """

    name: str = "finetune"
    batch: int = 64
    lr: float = 0.01
    weight_decay: float = 1e-4
    warmup: float = 0.1
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    area: tuple[float, float] = (0.35, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
