"""Which column of the keyed draws belongs to which transform, and how a uniform draw becomes a value.

A column is never given to another use: switching a transform on, or adding one, leaves the others' numbers alone, and
a training that resumes under a later version sees the same images. New transforms take columns from the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

TRIES = 10
"""Attempts at a rectangle that fits, as in torchvision's RandomResizedCrop and RandomErasing."""

MIRROR = 0
SHIFT = slice(1, 3)  # across, down
ANGLE = 3
SCALE = 4
CUTOUT = slice(5, 7)  # across, down
PLACE = slice(7, 9)  # of the crop: across, down
NOISE = slice(9, 12)  # one for each principal component
JITTER = slice(12, 15)  # brightness, contrast, saturation
TRIVIAL = slice(15, 18)  # operation, strength, sign
AUTO = slice(18, 23)  # sub-policy, whether first and second, sign of first and second
ERASE = slice(23, 46)  # whether, across, down, TRIES areas, TRIES aspects
AREA = slice(46, 66)  # TRIES areas, TRIES aspects


def whole(u: Tensor, count: int | Tensor) -> Tensor:
    """Uniform in 0..count-1, int64; rounding in float32 must not reach `count`."""
    return torch.minimum((u * count).long(), torch.as_tensor(count - 1, device=u.device))


def within(u: Tensor, low: float, high: float) -> Tensor:
    """Uniform in low..high, float64."""
    return low + u.double() * (high - low)


def normal(u: Tensor) -> Tensor:
    """Standard normal, float64, by the inverse of its distribution; half a step of u's grid keeps it finite."""
    centred = 2 * (u.double() + 2.0**-25) - 1
    return torch.erfinv(centred) * 2**0.5
