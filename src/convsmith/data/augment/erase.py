"""Squares and rectangles set to zero: cutout and random erasing."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith.data.augment.boxes import first_fit
from convsmith.data.augment.draws import TRIES, whole

AREA = (0.02, 0.33)
ASPECT = (0.3, 3.3)


def cut(images: Tensor, across: Tensor, down: Tensor, size: int) -> Tensor:
    """Zero the `size` x `size` square whose pixel size // 2 is at column `across`, row `down` (int64 (N,)).

    DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with cutout", section 3: the
    centre is anywhere in the image and the square is clipped at its edges.
    """
    low = torch.stack([down, across], 1) - size // 2
    return blank(images, low, low + size)


def erase(images: Tensor, u: Tensor, probability: float) -> Tensor:
    """Zero a rectangle in a share of the images; `u` float32 (N, 3 + 2 TRIES): see draws.py.

    Zhong et al. 2017, "Random erasing data augmentation", algorithm 1, with torchvision's ranges: area 2 to 33 %,
    aspect 0.3 to 3.3, in ten attempts to find one that is smaller than the image, or else none.
    """
    side = images.shape[-1]
    areas, aspects = u[:, 3 : 3 + TRIES], u[:, 3 + TRIES :]
    width, height, found = first_fit(areas, aspects, side, area=AREA, aspect=ASPECT, largest=side - 1)
    size = torch.stack([height, width], 1) * (found & (u[:, 0] < probability))[:, None]
    low = whole(u[:, [2, 1]], side - size + 1)
    return blank(images, low, low + size)


def blank(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Zero rows low[:, 0] to high[:, 0] and columns low[:, 1] to high[:, 1], without the upper ends; int64 (N, 2)."""
    line = torch.arange(images.shape[-1], device=images.device)
    inside = (line >= low[:, :, None]) & (line < high[:, :, None])  # (N, 2, S)
    keep = ~(inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]  # (N, 1, S, S)
    if images.dtype == torch.uint8:
        return images & (keep.to(torch.uint8) * 255)  # some fifty times faster than masked_fill
    return images * keep
