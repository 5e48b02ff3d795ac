"""JPEG files decoded for training by torchvision's decoder; everything else, and every doubt, by the way of pixels.py.

Both use libjpeg-turbo with the same settings, and whole images are equal bit for bit; torchvision's hands its pixels
over without another copy, and 1.3 times as fast (1,440 against 1,120 a second and core at 500x375; both let go of
Python's lock, and two threads decode 1.8 times as many as one). Left to pixels.py: images that a camera held sideways,
CMYK, colour wanted as grey, more pixels than Pillow takes for safe, damage, and whatever isn't a JPEG: so what is
refused and how it is said stay the same.

Random crops may come from a reduced image: libjpeg then computes a half, quarter or eighth of the cosine terms. It is
done if the crop still has at least the pixels that are needed. At 500x375 that is hardly ever so; crops to 224 of
2000x1500 come 1.5 times as fast and differ by 0.2 grey levels in the mean (at most 11; a whole decode, resized by the
other library, differs by 0.01). A crop at random of a random size is no picture that evaluation would ever see, so
nothing is promised about its pixels; whole images, which evaluation does see, are always decoded whole.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convsmith.data.pixels import DAMAGE, LONGEST, ORIENTATION, picture, to_tensor

STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Start of a frame: baseline, extended, progressive; all Huffman-coded."""
REDUCTIONS = (8, 4, 2)
UNCHANGED = 0
"""torchvision's mode for as many channels as the file has."""


@dataclass(frozen=True)
class Jpeg:
    """What a header tells: size in pixels and number of components."""

    width: int
    height: int
    components: int


def jpeg(data: bytes) -> Jpeg | None:
    """The header if this is a JPEG that the fast way reads, else None."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in FRAMES:
            return _frame(data, at)
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xE1 and not _upright(data[at + 4 : at + 2 + length]):
            return None
        at += 2 + length
    return None


def _frame(data: bytes, at: int) -> Jpeg | None:
    height, width = (int.from_bytes(data[at + k : at + k + 2], "big") for k in (5, 7))
    eight, components = data[at + 4] == 8, data[at + 9]
    shaped = 0 < max(height, width) <= LONGEST * min(height, width)
    safe = Image.MAX_IMAGE_PIXELS is not None and width * height <= Image.MAX_IMAGE_PIXELS
    return Jpeg(width, height, components) if eight and components in (1, 3) and shaped and safe else None


def _upright(segment: bytes) -> bool:
    """Whether an APP1 segment leaves the image as it is; if it can't be read, Pillow is to say."""
    if not segment.startswith(b"Exif\0\0"):
        return True
    try:
        exif = Image.Exif()
        exif.load(segment)
        return bool(exif.get(ORIENTATION, 1) == 1)
    except DAMAGE:
        return False


def whole(name: str, data: bytes, channels: int) -> Tensor:
    """uint8 (channels, H, W), upright: what `to_tensor(picture(...))` gives. Raises DataError as they do."""
    head = jpeg(data)
    if head is not None and head.components <= channels:
        found = _fast(data, head, channels)
        if found is not None:
            return found
    return to_tensor(name, picture(name, lambda: io.BytesIO(data)), channels)


def _fast(data: bytes, head: Jpeg, channels: int) -> Tensor | None:
    decoder = _decoder()
    if decoder is None:
        return None
    try:
        found: Tensor = decoder(torch.frombuffer(bytearray(data), dtype=torch.uint8), UNCHANGED)
    except RuntimeError:  # damaged: Pillow says how, or forgives
        return None
    if tuple(found.shape) != (head.components, head.height, head.width):
        return None
    return found.expand(channels, -1, -1)


@cache
def _decoder() -> Callable[[Tensor, int], Tensor] | None:
    """torchvision's operator, without the function around it that calls itself deprecated from 0.29 on.

    None where a torchvision comes without: all is then left to Pillow.
    """
    try:
        import_module("torchvision.io.image")  # slow, and packed or small data do without
        return cast("Callable[[Tensor, int], Tensor]", torch.ops.image.decode_jpeg)
    except (ImportError, AttributeError, RuntimeError):
        return None


def reduction(width: int, height: int, side: int) -> int:
    """By how much a crop of this size may be reduced with at least `side` pixels left each way: 1, 2, 4 or 8."""
    return next((by for by in REDUCTIONS if min(width, height) >= by * side), 1)


def reduced(data: bytes, box: tuple[int, int, int, int], side: int, by: int) -> Tensor | None:
    """uint8 (3, side, side): the box (left, top, width, height, in whole pixels of the full image) of a colour JPEG,
    decoded at 1 / `by` and resized; None if anything is odd.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            image.draft("RGB", (-(-width // by), -(-height // by)))
            if image.mode != "RGB" or image.size == (width, height):
                return None
            across, down = image.width / width, image.height / height
            left, top, wide, tall = box
            region = (left * across, top * down, (left + wide) * across, (top + tall) * down)
            small = image.resize((side, side), Image.Resampling.BILINEAR, box=region)
    except DAMAGE:
        return None
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)
