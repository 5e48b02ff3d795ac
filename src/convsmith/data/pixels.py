"""From a file to pixels, once and the same way for training, evaluation and prediction.

Modes: bilevel, grey and 16-bit grey stay grey; palette, CMYK and images with transparency (which is dropped) go through
RGB. 16-bit grey is scaled by 255 / 65535, never clipped and never stretched by the image's own range, which would make
the network's input depend on the company an object keeps. JPEG draft mode isn't used: a model that is served decodes
the whole image, and training must see the same pixels. (Random crops, which no model is served, may: see decode.py.)
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from convsmith.spec.errors import DataError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}
)
"""File names that count as images in a folder, lower case."""
SIXTEEN = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
GREY = frozenset({"1", "L", "LA"}) | SIXTEEN
LONGEST = 100
"""Ratio of long to short side above which a file is taken for damage, not for a picture."""
ORIENTATION = 0x0112  # the EXIF tag by which a camera says that it was held sideways

# Pillow's decoders answer a damaged file with nearly anything.
DAMAGE = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError,
    RuntimeError, struct.error, zlib.error, zipfile.BadZipFile,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip


def header(name: str, opened: Callable[[], IO[bytes]]) -> tuple[str, tuple[int, int]]:
    """Mode and stored (width, height) of the file that `opened` opens, without decoding it."""
    try:
        with opened() as handle, Image.open(handle) as image:
            _check_shape(name, image.size)
            return image.mode, image.size
    except DAMAGE as error:
        raise DataError(_unreadable(name, error)) from error


def contents(name: str, opened: Callable[[], IO[bytes]]) -> bytes:
    """The file's bytes; DataError naming `name` if it cannot be read."""
    try:
        with opened() as handle:
            return handle.read()
    except DAMAGE as error:
        raise DataError(_unreadable(name, error)) from error


def picture(name: str, opened: Callable[[], IO[bytes]]) -> Image.Image:
    """The first frame, decoded and turned upright; DataError naming `name` if that fails."""
    try:
        with opened() as handle, Image.open(handle) as image:
            _check_shape(name, image.size)
            image.load()
            turned = image.getexif().get(ORIENTATION, 1) != 1
            return ImageOps.exif_transpose(image) if turned else image.copy()
    except DAMAGE as error:
        raise DataError(_unreadable(name, error)) from error


def _check_shape(name: str, size: tuple[int, int]) -> None:
    """A thread-like image would become huge once its short side has grown to the network's."""
    if min(size) < 1 or max(size) > LONGEST * min(size):
        shape = f"{size[0]}x{size[1]} pixels"
        raise DataError(
            f"cannot read {name!r}: {shape}, while sides may differ {LONGEST}-fold at most; crop or remove it"
        )


def _unreadable(name: str, error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"cannot read {name!r}: not an image that Pillow knows; remove it or save it again"
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"cannot read {name!r}: {reason}; remove it or save it again"


def to_tensor(name: str, image: Image.Image, channels: int) -> torch.Tensor:
    """uint8 (channels, H, W) with channels 1 or 3; DataError for a mode that has no agreed range."""
    if image.mode in SIXTEEN:
        image = Image.fromarray(_eight_bits(name, image))
    if image.mode == "F":
        raise DataError(f"cannot read {name!r}: floating-point pixels have no agreed range; save it as 8 or 16 bit")
    if "transparency" in image.info and image.mode not in GREY:
        image = image.convert("RGBA")  # Pillow warns about a palette with partial transparency on the direct way
    if image.mode not in GREY and image.mode != "RGB":
        image = _converted(name, image, "RGB")
    image = _converted(name, image, "L" if channels == 1 else "RGB")
    array = np.array(image, dtype=np.uint8).reshape(image.height, image.width, channels)
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()  # (H, W, C) -> (C, H, W)


def _converted(name: str, image: Image.Image, mode: str) -> Image.Image:
    try:
        return image if image.mode == mode else image.convert(mode)
    except ValueError as error:
        raise DataError(f"cannot read {name!r}: no way from mode {image.mode} to {mode}; save it as RGB") from error


def _eight_bits(name: str, image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    wide = np.asarray(image).astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise DataError(f"cannot read {name!r}: grey values outside 0..65535; save it as 8 or 16 bit")
    return ((wide * 255 + 32767) // 65535).astype(np.uint8)


def pixel_hash(image: torch.Tensor) -> str:
    """Hex digest of shape and pixels, uint8 (C, H, W): equal exactly when the decoded images are."""
    digest = hashlib.blake2b(repr(tuple(image.shape)).encode(), digest_size=16)
    digest.update(image.numpy().tobytes())
    return digest.hexdigest()
