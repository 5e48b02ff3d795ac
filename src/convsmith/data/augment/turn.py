"""Rotation and scaling with bilinear interpolation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(
    images: Tensor, mirror: Tensor, shift: Tensor, *, angle: Tensor, factor: Tensor, reflect: bool = False
) -> Tensor:
    """Mirror, turn by `angle` degrees counter-clockwise and grow by `factor` about the centre, then shift in pixels.

    float32 (N, C, S, S), bilinear; `mirror` (N,), `shift` (N, 2), `angle` (N,), `factor` (N,). What comes in is zero,
    or with `reflect` the mirror image about the edge of the image.
    """
    turn = angle * (math.pi / 180)
    cos, sin = turn.cos() / factor, turn.sin() / factor
    sign = 1 - 2 * mirror.float()
    move_by = shift.float() * (2 / images.shape[-1])  # pixels -> the -1..1 scale of affine_grid
    # Output to input: p_in = M (R / factor) (p_out - t), rows pointing down, M the mirror.
    first = torch.stack([sign * cos, -sign * sin], 1)
    second = torch.stack([sin, cos], 1)
    linear = torch.stack([first, second], 1)  # (N, 2, 2)
    offset = -(linear @ move_by[:, :, None])
    grid = F.affine_grid(torch.cat([linear, offset], 2), list(images.shape), align_corners=False)
    around = "reflection" if reflect else "zeros"
    return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode=around, align_corners=False)
