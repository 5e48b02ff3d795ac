"""Rectangles of random area and aspect."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convsmith.data.augment.draws import TRIES, whole, within

Range = tuple[float, float]


def first_fit(
    areas: Tensor, aspects: Tensor, side: int, *, area: Range, aspect: Range, largest: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Width and height, int64 (N,), of the first attempt that is 1..largest each way, and whether there is one.

    Attempts are uniform draws (N, TRIES): the area uniform in `area` x side^2, the aspect (width / height) log-uniform.
    """
    target = within(areas, *area) * (side * side)
    ratio = within(aspects, math.log(aspect[0]), math.log(aspect[1])).exp()
    width, height = (target * ratio).sqrt().round().long(), (target / ratio).sqrt().round().long()
    fits = (torch.minimum(width, height) >= 1) & (torch.maximum(width, height) <= largest)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)  # the first of equals
    return width.gather(1, first)[:, 0], height.gather(1, first)[:, 0], fits.any(1)


def crops(u: Tensor, place: Tensor, side: int, *, area: Range, aspect: Range) -> Tensor:
    """Left, top, width and height, int64 (N, 4), of a crop from a square image of `side`.

    Szegedy et al. 2014, "Going deeper with convolutions", section 6: area 8 to 100 %, aspect 3/4 to 4/3; the rule is
    torchvision's RandomResizedCrop: ten attempts, then the largest central crop whose aspect is allowed. `u` (N, 2
    TRIES), areas before aspects; `place` (N, 2), across and down.
    """
    width, height, found = first_fit(u[:, :TRIES], u[:, TRIES:], side, area=area, aspect=aspect, largest=side)
    low, high = aspect
    middle = (side, round(side / low)) if low > 1 else (round(side * high), side) if high < 1 else (side, side)
    size = torch.stack([width, height], 1)
    size = torch.where(found[:, None], size, torch.tensor(middle, device=u.device).clamp(1, side))
    corner = torch.where(found[:, None], whole(place, side - size + 1), (side - size) // 2)
    return torch.cat([corner, size], 1)
