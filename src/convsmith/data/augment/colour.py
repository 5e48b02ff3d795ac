"""Operations on the colour and the sharpness of pixels, uint8 (N, 1 or 3, H, W) -> the same."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from convsmith.data.augment.draws import normal
from convsmith.data.augment.lighting import Lighting
from convsmith.data.augment.tones import blend, brightness, contrast, grey

CHUNK_BYTES = 1 << 19


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Towards grey: 0 is grey, 1 the image; `factor` float64 (N,). A grey image is left alone."""
    return images if images.shape[1] == 1 else blend(images, grey(images), factor[:, None, None, None])


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Towards a blurred image (3x3, centre 5, others 1, of 13): 0 is blurred, 1 the image; `factor` float64 (N,).

    The outermost pixels stay, and so do images of less than three pixels a side.
    """
    height, width = images.shape[-2:]
    if min(height, width) <= 2:
        return images
    wide = images.to(torch.int16)
    across = wide[..., :-2] + wide[..., 1:-1] + wide[..., 2:]
    total = across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :]
    total += 4 * wide[..., 1:-1, 1:-1]
    blurred = images.clone()
    blurred[..., 1:-1, 1:-1] = (total.float() / 13).round_().to(torch.uint8)
    return blend(images, blurred, factor[:, None, None, None])


def jitter(images: Tensor, u: Tensor, amount: float) -> Tensor:
    """Brightness, contrast and saturation, in this order, each by a factor of 1 - amount to 1 + amount; `u` (N, 3).

    Howard 2013, "Some improvements on deep convolutional neural network based image classification", section 2. As in
    torchvision's ColorJitter, which draws the order too.
    """
    return in_chunks(lambda block, draws: _jitter(block, draws, amount), images, u)


def _jitter(images: Tensor, u: Tensor, amount: float) -> Tensor:
    factor = 1 + (2 * u.double() - 1) * amount
    images = contrast(brightness(images, factor[:, 0]), factor[:, 1])
    return saturation(images, factor[:, 2])


def colour_noise(images: Tensor, u: Tensor, std: float, lighting: Lighting) -> Tensor:
    """Add to every pixel of an image the same random multiple of each principal component of RGB; `u` (N, 3).

    Krizhevsky, Sutskever and Hinton 2012, section 4.1: [p1, p2, p3][a1 l1, a2 l2, a3 l3] with a ~ N(0, std), std 0.1.
    The sum is rounded to whole units and cut off at 0 and 255. A grey image is left alone.
    """
    if images.shape[1] == 1:
        return images
    values = torch.tensor(lighting.values, dtype=torch.float64, device=images.device)
    vectors = torch.tensor(lighting.vectors, dtype=torch.float64, device=images.device)  # a component a row
    alpha = normal(u) * std * values  # (N, 3)
    step = (alpha[:, :, None] * vectors).sum(1) * 255  # (N, 3 channels)
    step = step.round().clamp(-255, 255).to(torch.int16)
    return in_chunks(_add, images, step)


def _add(images: Tensor, step: Tensor) -> Tensor:
    return (images.to(torch.int16) + step[:, :, None, None]).clamp_(0, 255).to(torch.uint8)


def in_chunks(change: Callable[[Tensor, Tensor], Tensor], images: Tensor, numbers: Tensor) -> Tensor:
    """`change(images, numbers)` on as many images at a time as stay in the cache with what is made of them."""
    step = max(1, CHUNK_BYTES // max(1, images[:1].numel()))
    blocks = zip(torch.split(images, step), torch.split(numbers, step), strict=True)
    return torch.cat([change(*block) for block in blocks])
