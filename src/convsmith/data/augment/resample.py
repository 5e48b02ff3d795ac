"""Antialiased bilinear resampling of a different rectangle in each image, as banded matrix products.

Each output pixel is a weighted mean of the few inputs under its triangle (torch's and Pillow's `bilinear` with
antialiasing). Along one axis that is a matrix with a narrow band; blocks of BLOCK outputs read one short run of inputs,
so the products multiply few zeros.

Weights are multiples of 2^-ROW_BITS or 2^-COLUMN_BITS and what lies between the two products of 2^-BETWEEN_BITS, so
that every sum is exact in float32: the result depends neither on the order of summation nor on who else is in the
batch. It is within one unit of torch's own, which also rounds its weights, and the middle to whole units.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 16
ROW_BITS, BETWEEN_BITS, COLUMN_BITS = 14, 5, 11  # 8 + 14 and 8 + 5 + 11 bits are at most float32's 24
CHUNK_PIXELS = 1 << 20
"""Input pixels worked on at a time, so that the float32 in between stays small."""


def resize(images: Tensor, side: int) -> Tensor:
    """uint8 (N, C, S, S) -> uint8 (N, C, side, side), antialiased; the identity where the size already fits."""
    if images.shape[-1] == side:
        return images
    if images.device.type == "cpu":
        return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    grown = F.interpolate(images.float(), size=(side, side), mode="bilinear", antialias=True)
    return grown.round().clamp(0, 255).to(torch.uint8)


def resample(images: Tensor, boxes: Tensor, side: int, *, rows: Tensor | None = None) -> Tensor:
    """Rectangle boxes[i] = (left, top, width, height), int64 (M, 4), of each image -> uint8 (M, C, side, side).

    `rows` int64 (M,) says which of the images (N, C, S, S), uint8, each rectangle is from; without it, i from i.
    """
    images = images.contiguous()
    rows = torch.arange(len(images), device=images.device) if rows is None else rows
    order = (boxes[:, 2] + boxes[:, 3]).argsort(stable=True)  # like sizes together: their bands are as wide
    out = images.new_empty(len(rows), images.shape[1], side, side)
    step = max(1, CHUNK_PIXELS // max(1, images[:1].numel()))
    for start in range(0, len(rows), step):
        part = order[start : start + step]
        out[start : start + step] = _resample(images, rows[part], boxes[part], side)
    return out.index_select(0, order.argsort())


def _resample(images: Tensor, rows: Tensor, boxes: Tensor, side: int) -> Tensor:
    _, channels, height, _ = images.shape
    image, plane, line, _ = images.stride()
    count, wide = len(rows), int(boxes[:, 2].max())
    edge = torch.minimum(boxes[:, 0], height - torch.tensor(wide, device=boxes.device))  # runs of `wide` stay inside
    down, starts = band(boxes[:, 1], boxes[:, 3], height, side, bits=ROW_BITS)  # (N, B, BLOCK, k), (N, B)
    across, begins = band(boxes[:, 0] - edge, boxes[:, 2], wide, side, bits=COLUMN_BITS)
    blocks, run = down.shape[1], down.shape[3]

    shape, strides = (run, channels, wide), (line, plane, 1)
    at = (rows * image + edge)[:, None] + starts * line
    strips = _runs(images, shape, strides, at.flatten())  # (N B, k, C, W)
    middle = torch.bmm(down.flatten(0, 1), strips.flatten(2).float())  # (N B, BLOCK, C W)
    middle = middle.mul_(1 << BETWEEN_BITS).round_()

    lines = blocks * BLOCK * channels  # of one image
    at = torch.arange(count, device=boxes.device)[:, None] * (lines * wide) + begins
    strips = _runs(middle, (lines, across.shape[3]), (wide, 1), at.flatten())  # (N B, lines, k)
    last = torch.bmm(strips, across.flatten(0, 1).transpose(1, 2))  # (N B, lines, BLOCK)
    last = last.mul_(2.0**-BETWEEN_BITS).round_().to(torch.uint8)
    last = last.view(count, blocks, blocks * BLOCK, channels, BLOCK).permute(0, 3, 2, 1, 4)
    return last.reshape(count, channels, blocks * BLOCK, blocks * BLOCK)[..., :side, :side]


def _runs(source: Tensor, shape: tuple[int, ...], strides: tuple[int, ...], at: Tensor) -> Tensor:
    """Copies of `shape` out of contiguous `source`, from element numbers `at` on: see `place.windows`."""
    reach = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    every = source.as_strided((source.numel() - reach, *shape), (1, *strides), source.storage_offset())
    return every.index_select(0, at)


def band(start: Tensor, length: Tensor, limit: int, side: int, *, bits: int) -> tuple[Tensor, Tensor]:
    """Weights float32 (N, B, BLOCK, k) of each output's inputs, and where each block's run begins, int64 (N, B).

    Inputs are the pixels start .. start + length - 1 (int64 (N,)) of a line of `limit`; B * BLOCK >= side, and outputs
    beyond `side` have zero weights. Runs lie within the line.
    """
    blocks = math.ceil(side / BLOCK)
    scale = length.double()[:, None] / side
    support = scale.clamp(min=1)
    centre = (torch.arange(blocks * BLOCK, device=start.device) + 0.5) * scale  # (N, outputs)
    first = (centre - support + 0.5).floor().clamp(min=0)
    taps = 2 * math.ceil(float(support.max())) + 1
    inputs = first[:, :, None] + torch.arange(taps, device=start.device)  # (N, outputs, taps)
    weights = (1 - (inputs + 0.5 - centre[:, :, None]).abs() / support[:, :, None]).clamp(min=0)
    weights = weights * (inputs < length[:, None, None])
    total = weights.cumsum(2)
    steps = (total / total[:, :, -1:].clamp(min=1e-9) * (1 << bits)).round()  # differences of these add up to 2^bits
    weights = torch.diff(steps, dim=2, prepend=torch.zeros_like(steps[:, :, :1])) * 2.0**-bits
    weights[:, side:] = 0

    lines = inputs.long() + start[:, None, None]
    lines = lines.view(len(start), blocks, BLOCK, taps)
    used = min(BLOCK, side)  # outputs of the first block
    begin = lines[:, :, 0, 0]
    run = min(limit, int((lines[:, :, used - 1, -1] - begin).max()) + 1)
    begin = torch.minimum(begin, torch.tensor(limit - run, device=start.device))
    spots = (lines - begin[:, :, None, None]).clamp(0, run - 1)  # those clamped have no weight
    matrix = torch.zeros(*spots.shape[:3], run, device=start.device)
    return matrix.scatter_add_(3, spots, weights.float().view_as(spots)), begin
