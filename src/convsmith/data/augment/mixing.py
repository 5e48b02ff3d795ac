"""Mixup and CutMix: pictures made of two, with targets to match."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.data.augment.draws import normal, whole
from convsmith.data.keyed import keyed_uniforms
from convsmith.spec.errors import DataError

STREAM = 0x6D6978  # apart from the draws of image number `step`
TRIES = 16  # each is accepted in at least 95 % of cases
KIND, CENTRE, GAMMAS = 0, slice(1, 3), 3  # columns; then 2 gammas x (TRIES normals, TRIES uniforms, 1 uniform)


@dataclass(frozen=True)
class Mix:
    """One share a batch, Beta(alpha, alpha); 0 is off. With both on, each batch is mixed by one or the other.

    mixup   alpha of Zhang et al. 2017, "mixup: beyond empirical risk minimization", section 2: weighted mean of two
    cutmix  alpha of Yun et al. 2019, "CutMix", section 3: a rectangle of one in the other; its clipped area counts
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.mixup < float("inf") or not 0 <= self.cutmix < float("inf"):
            raise DataError(f"mixing takes alphas of 0 or more, got {self}")

    def __call__(
        self,
        images: Tensor,
        labels: Tensor,
        classes: int,
        *,
        seed: int,
        epoch: int,
        step: int,
        others: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Images 0..255 (N, C, H, W) and labels int64 (N,) -> mixed images and targets float32 (N, classes).

        Untouched (labels and all) if both alphas are 0. Mixup gives float32, CutMix the images' own type. Image i is
        mixed with the one before it in the batch, or with `others` (images and labels), if the batch is only a part of
        the one that is mixed: share and rectangle depend on (seed, epoch, step) alone.
        """
        if not (self.mixup or self.cutmix):
            return images, labels
        other, other_labels = others if others is not None else (images.roll(1, 0), labels.roll(1, 0))
        u = keyed_uniforms(seed ^ STREAM, epoch, torch.tensor([step]), GAMMAS + 2 * (2 * TRIES + 1))[0]
        paste = bool(self.cutmix) and (not self.mixup or float(u[KIND]) < 0.5)
        share = beta(u[GAMMAS:], self.cutmix if paste else self.mixup)
        if paste:
            top, left, bottom, right = rectangle(u[CENTRE], images.shape[-2:], 1 - share)
            images = images.clone()
            images[..., top:bottom, left:right] = other[..., top:bottom, left:right]
            share = 1 - (bottom - top) * (right - left) / images[0, 0].numel()
        else:
            images = other.float().lerp_(images.float(), share)
        first, second = (F.one_hot(each, classes).float() for each in (labels, other_labels))
        return images, second.lerp_(first, share)


def rectangle(u: Tensor, size: torch.Size, area: float) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of a rectangle with the image's aspect and `area` (0..1) of it, clipped at the edges."""
    spans = []
    for centre, length in zip(u, size, strict=True):
        middle, half = int(whole(centre, length)), int(length * area**0.5) // 2
        spans.append((max(0, middle - half), min(length, middle + half)))
    (top, bottom), (left, right) = spans
    return top, left, bottom, right


def beta(u: Tensor, alpha: float) -> float:
    """Beta(alpha, alpha) from 2 (2 TRIES + 1) uniform draws: the share of one gamma variate in the sum of two."""
    first, second = (_log_gamma_variate(part, alpha) for part in torch.split(u.double(), 2 * TRIES + 1))
    return float(torch.sigmoid(first - second))


def _log_gamma_variate(u: Tensor, alpha: float) -> Tensor:
    """Log of a Gamma(alpha) variate, by way of Gamma(alpha + 1), whose log doesn't underflow for a small alpha.

    Marsaglia and Tsang 2000, "A simple method for generating gamma variables".
    """
    x, accept, last = normal(u[:TRIES]), u[TRIES : 2 * TRIES], u[2 * TRIES]
    d = alpha + 1 - 1 / 3
    v = (1 + x / (9 * d) ** 0.5) ** 3
    log_v = v.clamp(min=1e-300).log()
    good = (v > 0) & (accept.clamp(min=1e-300).log() < 0.5 * x * x + d - d * v + d * log_v)
    chosen = int(good.to(torch.uint8).argmax())
    variate: Tensor = math.log(d) + log_v[chosen] + (last + 2.0**-25).log() / alpha
    return variate
