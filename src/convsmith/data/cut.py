"""Crops of single images, resized and mirrored into a batch: the geometry that pays by itself, image by image.

`Augment` crops whole batches with the same numbers, on any device. On a CPU torch resizes one uint8 image whose
channels lie side by side in 0.1 ms, several times faster than a batch of different crops can be multiplied out; so
feeds on a CPU cut first, and leave the rest of the augmentation to `Augment`. Resized crops are within one level of its
own; crops alone are equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.data.augment import Augment, draws
from convsmith.data.augment.boxes import crops
from convsmith.data.keyed import keyed_uniforms
from convsmith.data.workers import BLOCK

WHOLE = (1.0, 1.0)
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True)
class Cuts:
    """What to cut out of the images of a batch: keyed uniforms float32 (N, draws), and whom to mirror, bool N."""

    augment: Augment
    uniforms: Tensor
    mirror: Sequence[bool]

    def square(self, canvas: int) -> Sequence[Box]:
        """Of square images of `canvas` pixels: the very boxes that `Augment` takes."""
        u, window = self.uniforms, self.augment.window or canvas
        if stretches(self.augment):
            found = crops(
                u[:, draws.AREA], u[:, draws.PLACE], canvas, area=self.augment.area, aspect=self.augment.aspect
            )
        else:
            corner = draws.whole(u[:, draws.PLACE], canvas - window + 1)
            found = torch.cat([corner, torch.full_like(corner, window)], 1)
        return [(left, top, width, height) for left, top, width, height in found.tolist()]

    def within(self, row: int, width: int, height: int) -> Box:
        """Of the image of this row, of any shape: torchvision's RandomResizedCrop, by keyed draws."""
        u, tries = self.uniforms[row].tolist(), draws.TRIES
        (low, high), aspect = self.augment.area, self.augment.aspect
        areas, aspects = u[draws.AREA][:tries], u[draws.AREA][tries:]
        for area, ratio in zip(areas, aspects, strict=True):
            target = (low + area * (high - low)) * width * height
            shape = math.exp(math.log(aspect[0]) + ratio * (math.log(aspect[1]) - math.log(aspect[0])))
            wide, tall = round((target * shape) ** 0.5), round((target / shape) ** 0.5)
            if 1 <= wide <= width and 1 <= tall <= height:
                across, down = u[draws.PLACE]
                left, top = int(across * (width - wide + 1)), int(down * (height - tall + 1))
                return min(left, width - wide), min(top, height - tall), wide, tall
        wide = min(width, max(1, round(height * aspect[1])))
        tall = min(height, max(1, round(width / aspect[0])))
        return (width - wide) // 2, (height - tall) // 2, wide, tall


def stretches(augment: Augment) -> bool:
    """Whether it crops random areas."""
    return tuple(augment.area) != WHOLE


def cuts(augment: Augment, index: Tensor, *, seed: int, epoch: int) -> Cuts:
    """The draws for images `index`, int64 (N,)."""
    u = keyed_uniforms(seed, epoch, index, draws.AREA.stop)
    return Cuts(augment, u, augment._mirror(u, index, seed, epoch).tolist())


def left_over(augment: Augment) -> Augment | None:
    """What there is to do after cutting and mirroring; None if nothing is."""
    rest = replace(augment, window=None, area=WHOLE, side=None, flip=False, alternate=False)
    nothing = replace(Augment(), aspect=rest.aspect, reflect=rest.reflect, lighting=rest.lighting)
    return None if rest == nothing else rest


def batch_of(count: int, channels: int, side: int) -> Tensor:
    """Room for images, uint8 (N, C, side, side), channels side by side in memory."""
    return torch.empty((count, channels, side, side), dtype=torch.uint8, memory_format=torch.channels_last)


def batched(image: Tensor) -> Tensor:
    """(C, H, W) -> (1, C, H, W), with strides that still tell of channels that lie side by side; `image[None]` has not,
    and is resized in twice the time."""
    return image.permute(1, 2, 0)[None].permute(0, 3, 1, 2)


def paste(region: Tensor, mirror: bool, room: Tensor) -> None:
    """uint8 (1, C, h, w) resized (bilinear, antialiased) into (1, C, side, side), mirrored if asked.

    A slice of one image and not the image: torch sees from four strides that channels lie side by side, not from three.
    """
    if region.shape != room.shape:
        region = F.interpolate(region, size=tuple(room.shape[-2:]), mode="bilinear", antialias=True)
    room.copy_(region.flip(3) if mirror else region)


def cut(images: Tensor, rows: Tensor, found: Cuts, pool: ThreadPoolExecutor) -> tuple[Tensor, list[Future[None]]]:
    """Room for crops of images[rows], uint8 (N, C, S, S) anywhere in memory, and what is under way to fill it.

    The room is uint8 (M, C, side, side), with channels side by side.
    """
    canvas, augment = images.shape[-1], found.augment
    side = augment.side or (canvas if stretches(augment) else augment.window) or canvas
    out = batch_of(len(rows), images.shape[1], side)
    boxes, numbers = found.square(canvas), rows.tolist()

    def block(start: int) -> None:
        for k in range(start, min(start + BLOCK, len(numbers))):
            left, top, width, height = boxes[k]
            row = numbers[k]
            region = images[row : row + 1, :, top : top + height, left : left + width]
            paste(region, found.mirror[k], out[k : k + 1])

    return out, [pool.submit(block, start) for start in range(0, len(numbers), BLOCK)]
