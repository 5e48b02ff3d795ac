"""What a step minimises."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

AUX_WEIGHT = 0.3
"""Weight of each auxiliary head's loss (Szegedy et al. 2014, section 5), where a recipe does not say."""


def loss_of(
    out: Tensor | dict[str, Tensor], targets: Tensor, smoothing: float, aux: float = AUX_WEIGHT
) -> tuple[Tensor, Tensor]:
    """Mean cross entropy, with `aux` times that of each auxiliary head, in float32; and the main logits.

    `targets` are labels, int64 (N,), or shares of the classes, float32 (N, K), as mixing makes them.
    """
    heads = out if isinstance(out, dict) else {"logits": out}
    losses = {name: F.cross_entropy(x.float(), targets, label_smoothing=smoothing) for name, x in heads.items()}
    total = losses.pop("logits")
    for loss in losses.values():
        total = total + aux * loss
    return total, heads["logits"].detach()
