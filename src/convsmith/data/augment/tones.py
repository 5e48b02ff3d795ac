"""Operations that change each level of a channel into another: a table of 256 entries for each channel of each image.

The formulas are torchvision's, so that a table holds what its functions give on uint8, to the unit.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 256


def look_up(images: Tensor, table: Tensor) -> Tensor:
    """uint8 (N, C, H, W) through `table`, uint8 (N, C, 256) or (N, 1, 256)."""
    planes = table.expand(*images.shape[:2], LEVELS).reshape(-1, LEVELS)
    flat = images.reshape(len(planes), -1)
    return planes.gather(1, flat.long()).view(images.shape)


def levels(images: Tensor) -> Tensor:
    """0 .. 255, uint8 (256,), on the device of the images."""
    return torch.arange(LEVELS, dtype=torch.uint8, device=images.device)


def blend(first: Tensor, second: Tensor | float, ratio: Tensor) -> Tensor:
    """ratio * first + (1 - ratio) * second, cut off to whole units, uint8; `ratio` float64, broadcast."""
    mixed = ratio.float() * first + (1 - ratio).float() * second
    return mixed.clamp_(0, 255).to(torch.uint8)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Towards black: 0 is black, 1 the image; `factor` float64 (N,)."""
    return look_up(images, blend(levels(images), 0.0, factor[:, None, None]))


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Towards the mean of the grey image: 0 is that grey, 1 the image; `factor` float64 (N,)."""
    total = grey(images).flatten(1).sum(1, dtype=torch.int64)
    mean = (total.double() / images[0, 0].numel()).float()
    return look_up(images, blend(levels(images), mean[:, None, None], factor[:, None, None]))


def grey(images: Tensor) -> Tensor:
    """Luma, uint8 (N, 1, H, W), cut off to whole units; the image itself if it has one channel."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    luma: Tensor = 0.2989 * red + 0.587 * green + 0.114 * blue
    return luma.to(torch.uint8)[:, None]


def posterise(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest `bits` bits, int64 (N,), 0..8."""
    keep = (LEVELS - (1 << (8 - bits))).clamp(max=255)  # 8 bits: 255
    return images & keep.to(torch.uint8)[:, None, None, None]


def solarise(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert what is at least `threshold`, (N,), 0..255."""
    line = threshold.ceil().clamp(0, 255).to(torch.uint8)[:, None, None, None]
    return torch.where(images >= line, 255 - images, images)


def invert(images: Tensor) -> Tensor:
    """255 - x."""
    return 255 - images


def autocontrast(images: Tensor) -> Tensor:
    """Stretch each channel to 0..255; a constant one stays."""
    flat = images.flatten(2)
    low, high = flat.amin(2, keepdim=True).float(), flat.amax(2, keepdim=True).float()  # (N, C, 1)
    flatly = low == high
    low, scale = low.masked_fill(flatly, 0), (255 / (high - low)).masked_fill(flatly, 1)
    return look_up(images, ((levels(images) - low) * scale).clamp_(0, 255).to(torch.uint8))


def equalise(images: Tensor) -> Tensor:
    """Spread each channel's levels so that each is about as frequent; where that takes less than a step, as it is."""
    count, channels = images.shape[:2]
    flat = images.reshape(count * channels, -1).long()
    number = torch.zeros(len(flat), LEVELS, dtype=torch.int64, device=images.device)
    number.scatter_add_(1, flat, torch.ones(1, 1, dtype=torch.int64, device=images.device).expand_as(flat))
    highest = flat.amax(1, keepdim=True)
    step = (flat.shape[1] - number.gather(1, highest)) // 255  # all pixels but those of the highest level
    below = number.cumsum(1) - number  # up to the level before
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(0, 255).to(torch.uint8)
    table = torch.where(step > 0, table, levels(images))
    return look_up(images, table.view(count, channels, LEVELS))
