"""Images in memory, ready for training: three sets, their class map, and the preprocessing that goes with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from convsmith.data.finding import Finding
from convsmith.data.memory import too_large
from convsmith.data.pixels import to_tensor
from convsmith.data.preprocess import Preprocess, statistics
from convsmith.data.source import Example, Source
from convsmith.spec.errors import DataError

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


@dataclass(frozen=True, eq=False)
class Data:
    """A data set at one side; `resized` can make the training images larger.

    classes      the class map: label i is classes[i]; made once, from training, in natural order
    preprocess   side, and mean and deviation of train.images
    flip         whether left-right mirror images keep their class
    findings     the doctor's warnings and notes
    fingerprint  sha256 over names, labels, splits and pixels; the same at every side
    """

    name: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    preprocess: Preprocess
    flip: bool
    findings: tuple[Finding, ...]
    fingerprint: str
    originals: Originals | None = field(default=None, repr=False)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.preprocess.channels

    @property
    def side(self) -> int:
        """Height = width of the images in pixels."""
        return self.preprocess.side

    def resized(self, side: int, canvas: float = 1.0) -> Data:
        """The same images at another side, from the originals (without any, from the present images).

        `canvas` makes the training images larger than that, round(side * canvas), for crops at random places.
        Mean and deviation are recomputed. Small images of one size are resized in memory, others decoded anew.

        Raises DataError if that takes more memory than there is.
        """
        if side < 1:
            raise DataError(f"side must be at least 1 pixel, got {side}")
        if canvas < 1:
            raise DataError(f"canvas must be at least 1, the training image's side over the network's, got {canvas}")
        stored = round(side * canvas)
        if side == self.side and self.train.images.shape[-1] == stored:
            return self
        originals = self.originals or Kept(torch.cat([self.train.images, self.val.images, self.test.images]))
        first, second = len(self.train), len(self.train) + len(self.val)
        total = second + len(self.test)
        for count, length in ((first, stored), (total - first, side)) if stored != side else ((total, side),):
            large = None if originals.ready(length) else too_large(count, self.channels, length)
            if large:
                raise DataError(large)
        parts = (slice(0, first), slice(first, second), slice(second, total))
        usual, larger = replace(self.preprocess, side=side), replace(self.preprocess, side=stored)
        if stored == side:
            images = originals.at(usual)
            trained, validated, tested = (images[part] for part in parts)
        else:
            trained, validated, tested = (
                originals.at(how, part) for how, part in zip((larger, usual, usual), parts, strict=True)
            )
        train = replace(self.train, images=trained)
        val = replace(self.val, images=validated)
        test = replace(self.test, images=tested)
        return replace(self, train=train, val=val, test=test, preprocess=Preprocess(side, *statistics(train.images)))
