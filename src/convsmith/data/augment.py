"""Augmentation of whole batches, with randomness keyed by (seed, epoch, sample index): see keyed.py.

Order: mirror, then rotate and scale about the centre, then shift, then cutout. Each transform owns fixed draws, so
switching one on leaves the others' numbers alone. What comes in from outside is zero, as in the CIFAR recipes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from convsmith.data.keyed import keyed_uniforms
from convsmith.spec.errors import DataError

DRAWS = 7  # columns: mirror, shift across, shift down, angle, scale, cutout across, cutout down


@dataclass(frozen=True)
class Augment:
    """Ranges; 0 or False is off.

    shift   whole pixels, uniform in -shift..shift, in each direction
    flip    mirror left-right every second image
    rotate  degrees, uniform in -rotate..rotate, counter-clockwise
    scale   factor, uniform in 1-scale..1+scale (above 1 things grow); below 1
    cutout  side in pixels of a zero square, centred anywhere in the image and clipped at its edges
    """

    shift: int = 0
    flip: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    cutout: int = 0

    def __post_init__(self) -> None:
        if min(self.shift, self.rotate, self.scale, self.cutout) < 0 or self.scale >= 1:
            raise DataError(f"augmentation takes ranges of 0 or more and a scale below 1, got {self}")
        if self.shift != int(self.shift) or self.cutout != int(self.cutout):
            raise DataError(f"shift and cutout are whole pixels, got {self}")

    def __call__(self, images: torch.Tensor, index: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        """uint8 (N, C, S, S) and sample indices int64 (N,) -> the same shape, 0..255.

        uint8 with exact pixels if only shift, flip and cutout are on; float32 (bilinear) with rotate or scale.
        """
        if images.ndim != 4 or images.shape[2] != images.shape[3] or index.shape != images.shape[:1]:
            got = f"{tuple(images.shape)} and {tuple(index.shape)}"
            raise DataError(f"augmentation takes images (N, C, S, S) and indices (N,), got {got}")
        side = images.shape[-1]
        u = keyed_uniforms(seed, epoch, index.to(images.device), DRAWS)
        mirror = (u[:, 0] < 0.5) & self.flip
        across, down = (_whole(u[:, k], 2 * self.shift + 1) - self.shift for k in (1, 2))
        if self.rotate or self.scale:
            angle, factor = (2 * u[:, 3] - 1) * self.rotate, 1 + (2 * u[:, 4] - 1) * self.scale
            images = warp(images, mirror, torch.stack([across, down], 1), angle=angle, factor=factor)
        elif self.shift or self.flip:
            images = move(images, mirror, torch.stack([across, down], 1))
        if self.cutout:
            images = cut(images, _whole(u[:, 5], side), _whole(u[:, 6], side), self.cutout)
        return images


def _whole(u: torch.Tensor, count: int) -> torch.Tensor:
    """Uniform in 0..count-1, int64; rounding in float32 must not reach `count`."""
    return (u * count).long().clamp(max=count - 1)


def move(images: torch.Tensor, mirror: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Mirror (bool (N,)), then shift right and down by whole pixels (int64 (N, 2)); pixels are copied, never mixed."""
    n, channels, side, _ = images.shape
    line = torch.arange(side, device=images.device)
    cols, rows = line - shift[:, :1], line - shift[:, 1:]  # (N, S): where each output pixel comes from
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((cols >= 0) & (cols < side))[:, None, :]
    cols = torch.where(mirror[:, None], side - 1 - cols, cols).clamp(0, side - 1)
    flat = rows.clamp(0, side - 1)[:, :, None] * side + cols[:, None, :]  # (N, S, S)
    flat = flat.view(n, 1, -1).expand(n, channels, -1)
    moved = images.reshape(n, channels, -1).gather(2, flat).view_as(images)
    return moved * inside[:, None].to(images.dtype)


def warp(
    images: torch.Tensor, mirror: torch.Tensor, shift: torch.Tensor, *, angle: torch.Tensor, factor: torch.Tensor
) -> torch.Tensor:
    """Mirror, turn by `angle` degrees counter-clockwise and grow by `factor` about the centre, then shift in pixels.

    float32 (N, C, S, S), bilinear; `mirror` (N,), `shift` (N, 2), `angle` (N,), `factor` (N,).
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
    return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def cut(images: torch.Tensor, across: torch.Tensor, down: torch.Tensor, size: int) -> torch.Tensor:
    """Zero the `size` x `size` square whose pixel size // 2 is at column `across`, row `down` (int64 (N,))."""
    line = torch.arange(images.shape[-1], device=images.device)
    inside = [(line >= (at - size // 2)[:, None]) & (line < (at - size // 2 + size)[:, None]) for at in (down, across)]
    hole = inside[0][:, :, None] & inside[1][:, None, :]  # (N, S, S)
    return images.masked_fill(hole[:, None], 0)
