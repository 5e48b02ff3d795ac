"""Whole-pixel geometry: pixels are copied, never mixed, so uint8 stays uint8.

A window that lies elsewhere in each image is one `index_select` over all the windows that there are: a view in which
they overlap. On a CPU each pick is a block copy, about as fast as memory, where a gather moves pixel by pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK_BYTES = 1 << 22
"""What is worked on at a time: small enough for the cache, and for the allocator to hand out the same pages again."""


def windows(images: Tensor, rows: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """Windows of (height, width) `size` out of (N, C, H, W), at int64 (M,) image numbers, top rows and left columns."""
    images = images.contiguous()
    count, channels, height, width = images.shape
    image, plane, line, _ = images.stride()
    last = (count - 1) * image + (height - size[0]) * line + width - size[1]
    every = images.as_strided((last + 1, channels, *size), (1, plane, line, 1), images.storage_offset())
    return every.index_select(0, rows * image + top * line + left)


def crop(images: Tensor, mirror: Tensor, corner: Tensor, side: int, *, rows: Tensor | None = None) -> Tensor:
    """A window of `side` x `side` of each image, then mirrored left-right where asked.

    `mirror` bool (M,), `corner` int64 (M, 2): left column and top row. `rows` int64 (M,) says which of the images each
    window is from; without it, the first from the first, and so on.
    """
    rows = torch.arange(len(images), device=images.device) if rows is None else rows
    channels = images.shape[1]
    out = images.new_empty(len(rows), channels, side, side)
    step = max(1, CHUNK_BYTES // max(1, channels * side * side * images.element_size()))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        order = mirror[part].to(torch.uint8).argsort(stable=True)  # mirrored ones last, so that they are one slice
        across, down = corner[part][order].unbind(1)
        block = windows(images, rows[part][order], down, across, (side, side))
        upright = len(order) - int(mirror[part].sum())
        block[upright:] = block[upright:].flip(3)
        torch.index_select(block, 0, order.argsort(), out=out[part])
    return out


def move(images: Tensor, mirror: Tensor, shift: Tensor, *, reach: int | None = None, reflect: bool = False) -> Tensor:
    """Mirror (bool (N,)), then shift right and down by whole pixels (int64 (N, 2)).

    What comes in is zero, or with `reflect` the mirror image about the edge pixel. No shift is above `reach`; without
    it, the largest is looked up.
    """
    side = images.shape[-1]
    shift = shift.clamp(-side, side)
    reach = min(side, int(shift.abs().max()) if reach is None and len(shift) else reach or 0)
    across = torch.where(mirror, shift[:, 0], -shift[:, 0])  # the window is mirrored after it is taken
    corner = reach + torch.stack([across, -shift[:, 1]], 1)
    return crop(border(images, reach, reflect=reflect), mirror, corner, side)


def border(images: Tensor, reach: int, *, reflect: bool = False) -> Tensor:
    """(N, C, S, S) -> (N, C, S + 2 reach, S + 2 reach), zeros or reflection around; `reach` < S for the latter."""
    if not reach:
        return images
    count, channels, side, _ = images.shape
    wide = images.new_zeros(count, channels, side + 2 * reach, side + 2 * reach)
    inner = slice(reach, reach + side)
    wide[..., inner, inner] = images
    if reflect:
        wide[..., inner, :reach] = images[..., 1 : reach + 1].flip(3)
        wide[..., inner, reach + side :] = images[..., side - 1 - reach : side - 1].flip(3)
        wide[..., :reach, :] = wide[..., reach + 1 : 2 * reach + 1, :].flip(2)
        wide[..., reach + side :, :] = wide[..., side - 1 : side - 1 + reach, :].flip(2)
    return wide
