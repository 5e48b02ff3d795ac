"""The policies' shears, translations and rotations: nearest pixel, zeros from outside, torchvision's matrices."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def nearest(images: Tensor, matrix: Tensor) -> Tensor:
    """uint8 (N, C, H, W); output pixel p, measured from the centre, is the input at matrix (2, 3) @ (p, 1).

    `matrix` float64 (N, 2, 3). As torchvision's `affine` of one image: the grid is made in float32, and element by
    element, so that it does not depend on the batch.
    """
    height, width = images.shape[-2:]
    to_unit = torch.tensor([0.5 * width, 0.5 * height], device=images.device)
    rows = matrix.float() / to_unit[:, None]
    across = torch.linspace(-width * 0.5 + 0.5, width * 0.5 - 0.5, width, device=images.device)
    down = torch.linspace(-height * 0.5 + 0.5, height * 0.5 - 0.5, height, device=images.device)[:, None]
    parts = rows[:, :, :, None, None]  # (N, 2, 3, 1, 1)
    grid = across * parts[:, :, 0] + down * parts[:, :, 1] + parts[:, :, 2]  # (N, 2, H, W)
    picked = F.grid_sample(
        images.float(), grid.permute(0, 2, 3, 1), mode="nearest", padding_mode="zeros", align_corners=False
    )
    return picked.to(torch.uint8)


def _matrix(*entries: Tensor | float) -> Tensor:
    """(N, 2, 3) from six columns, some of them the same for all."""
    example = next(entry for entry in entries if isinstance(entry, Tensor))
    columns = [entry if isinstance(entry, Tensor) else torch.full_like(example, entry) for entry in entries]
    return torch.stack(columns, 1).view(-1, 2, 3)


def shear_across(images: Tensor, amount: Tensor) -> Tensor:
    """Rows move left by `amount` (float64 (N,)) times their distance from the top."""
    return nearest(images, _matrix(1.0, amount, amount * (images.shape[-2] * 0.5), 0.0, 1.0, 0.0))


def shear_down(images: Tensor, amount: Tensor) -> Tensor:
    """Columns move up by `amount` (float64 (N,)) times their distance from the left."""
    return nearest(images, _matrix(1.0, 0.0, 0.0, amount, 1.0, amount * (images.shape[-1] * 0.5)))


def translate_across(images: Tensor, pixels: Tensor) -> Tensor:
    """To the right by the whole part of `pixels`, float64 (N,)."""
    return nearest(images, _matrix(1.0, 0.0, -pixels.trunc(), 0.0, 1.0, 0.0))


def translate_down(images: Tensor, pixels: Tensor) -> Tensor:
    """Down by the whole part of `pixels`, float64 (N,)."""
    return nearest(images, _matrix(1.0, 0.0, 0.0, 0.0, 1.0, -pixels.trunc()))


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Counter-clockwise about the centre by `degrees`, float64 (N,)."""
    turn = degrees * (math.pi / 180)
    cos, sin = turn.cos(), turn.sin()
    return nearest(images, _matrix(cos, -sin, 0.0, sin, cos, 0.0))
