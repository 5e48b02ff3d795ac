"""What a step minimises."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

AUX_WEIGHT = 0.3
"""Weight of each auxiliary head's loss (Szegedy et al. 2014, section 5), where a recipe does not say."""


def loss_of(
    out: Tensor | dict[str, Tensor],
    targets: Tensor,
    smoothing: float,
    aux: float = AUX_WEIGHT,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean cross entropy, with `aux` times that of each auxiliary head, in float32; and the main logits.

    `targets` are labels, int64 (N,), or shares of the classes, float32 (N, K), as mixing makes them. `weights`, float32
    (K,), multiply each class's term, as in `torch.nn.functional.cross_entropy`, from which two things differ:

    The sum is always divided by the number of images. Torch divides so for shares, but for labels by the sum of their
    weights: then weights would cancel in a batch of one class, and the mean over several processes' parts would be
    another than that of the whole batch.

    Smoothing spreads a part of the weighted target evenly. Torch smooths first and weighs what was spread, too: of two
    classes of 100 to 1 images, weighted so and smoothed by 0.1, the best answer to every image is the rare class.
    """
    heads = out if isinstance(out, dict) else {"logits": out}
    losses = {name: _cross_entropy(x.float(), targets, smoothing, weights) for name, x in heads.items()}
    total = losses.pop("logits")
    for loss in losses.values():
        total = total + aux * loss
    return total, heads["logits"].detach()


def _cross_entropy(logits: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None) -> Tensor:
    if weights is None:
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)
    shares = targets if targets.is_floating_point() else F.one_hot(targets, len(weights)).float()
    weighted = shares * weights
    wanted = weighted.lerp(weighted.mean(1, keepdim=True), smoothing)
    return -(wanted * logits.log_softmax(1)).sum(1).mean()
