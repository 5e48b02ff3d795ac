"""Images in memory, and where they can be had from at another size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from convsmith.data.pixels import to_tensor
from convsmith.data.preprocess import Preprocess
from convsmith.data.source import Example, Source

ALL = slice(None)
BLOCK = 1024  # images resized at a time, as float copies are four times as large


@dataclass(frozen=True, eq=False)
class ImageSet:
    """images: uint8 (N, C, side, side); labels: int64 (N,), indices into the class map; names: N, as in the source."""

    images: torch.Tensor
    labels: torch.Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.names)


class Originals(ABC):
    """The images before resizing, in the order train, val, test."""

    @abstractmethod
    def at(self, preprocess: Preprocess, rows: slice = ALL) -> torch.Tensor:
        """uint8 (N, C, side, side), by `preprocess.resize` of each original among `rows`."""

    @abstractmethod
    def ready(self, side: int) -> bool:
        """Whether images of this side are there already and take no memory of their own."""


@dataclass(frozen=True, eq=False)
class Kept(Originals):
    """Small images of one size, uint8 (N, C, h, w), kept in memory."""

    pixels: torch.Tensor

    def at(self, preprocess: Preprocess, rows: slice = ALL) -> torch.Tensor:
        """Resized in blocks; a view of the very tensor where the size already fits."""
        pixels = self.pixels[rows]
        if self.ready(preprocess.side) or not len(pixels):
            return pixels
        images = torch.empty((*pixels.shape[:2], preprocess.side, preprocess.side), dtype=torch.uint8)
        for start in range(0, len(pixels), BLOCK):
            images[start : start + BLOCK] = preprocess.resize(pixels[start : start + BLOCK])
        return images

    def ready(self, side: int) -> bool:
        """If that is their size."""
        return self.pixels.shape[-2:] == (side, side)


@dataclass(frozen=True, eq=False)
class Sourced(Originals):
    """Large images or images of many sizes, decoded anew from their source."""

    source: Source
    examples: Sequence[Example]

    def at(self, preprocess: Preprocess, rows: slice = ALL) -> torch.Tensor:
        """One decode per image; DataError if a file has gone or changed beyond reading."""
        examples = self.examples[rows]
        shape = (len(examples), preprocess.channels, preprocess.side, preprocess.side)
        images = torch.empty(shape, dtype=torch.uint8)
        for row, example in zip(images, examples, strict=True):
            original = to_tensor(example.name, self.source.read(example), preprocess.channels)
            row.copy_(preprocess.resize(original[None])[0])
        return images

    def ready(self, side: int) -> bool:
        """Never."""
        return False
