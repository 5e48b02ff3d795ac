"""Images that stay where they are, in files or shards, and are decoded as they are needed.

Of a set too large for the memory, a training knows the names and labels of all its images, and the pixels of a sample:
enough for mean and deviation (and for whitening). Validation and test images are taken into memory whole.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from convsmith.data.augment import Augment
from convsmith.data.evidence import Progress
from convsmith.data.feed import Feed
from convsmith.data.images import ImageSet
from convsmith.data.memory import too_large
from convsmith.data.preprocess import Preprocess, statistics
from convsmith.data.source import Example, Source
from convsmith.data.streaming import Streamed, numbered
from convsmith.spec.errors import DataError

SAMPLE, SAMPLE_BYTES = 4096, 1 << 28
"""Training images that are looked at beforehand, at most, and the bytes that they may take: 256 MiB."""
BLOCK = 256
"""Images read at a time on their way into memory."""


class Outside(ABC):
    """Images in an order of their own; final subclasses say where. `labels`: int64 (N,); `names`: N."""

    labels: Tensor
    names: Sequence[str]

    @abstractmethod
    def feed(self, augment: Augment, preprocess: Preprocess, *, depth: int = 0) -> Feed:
        """The images brought to the side of `preprocess`, then augmented; up to `depth` batches made ahead."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


Parts: TypeAlias = tuple[Outside, Outside, Outside]
"""Training, validation and test images."""


class InFiles(Outside):
    """Images of a source. Raises DataError for a label that is not in the class map."""

    def __init__(self, source: Source, examples: Sequence[Example], classes: Sequence[str]) -> None:
        self.labels = numbered(examples, classes)
        self.names = tuple(example.name for example in examples)
        self.source, self.examples, self._classes = source, examples, classes

    def feed(self, augment: Augment, preprocess: Preprocess, *, depth: int = 0) -> Feed:
        """See `Outside`."""
        return Streamed(self.source, self.examples, self._classes, preprocess=preprocess, augment=augment, depth=depth)


def sampled(images: Outside, preprocess: Preprocess) -> Tensor:
    """Indices of a sample, int64 (n,): the first of the order of an epoch that no training has, so few shards' own."""
    size = preprocess.channels * preprocess.side**2
    most = min(SAMPLE, max(BLOCK, SAMPLE_BYTES // size))
    return images.feed(Augment(), preprocess).order(0, -1)[:most]


def read(
    parts: Parts, side: int, channels: int, progress: Progress | None = None
) -> tuple[ImageSet, ImageSet, ImageSet, Preprocess]:
    """Train, val and test at this side, where the images of train are but a sample; mean and deviation are its own.

    Raises DataError for images that cannot be read, and if validation, test and sample do not fit in memory.
    """
    how = Preprocess(side, (0.0,) * channels, (1.0,) * channels)  # resizing does not use mean and deviation
    wanted = [sampled(parts[0], how), *(torch.arange(len(part)) for part in parts[1:])]
    total = sum(map(len, wanted))
    large = too_large(total, channels, side)
    if large:
        raise DataError(f"validation, test and a sample of the training images stay in memory: {large}")
    done, sets = 0, []
    for part, index in zip(parts, wanted, strict=True):
        pixels = torch.empty((len(index), channels, side, side), dtype=torch.uint8)
        start = 0
        for batch in part.feed(Augment(), how).batches(torch.split(index, BLOCK), seed=0, epoch=0):
            pixels[start : start + len(batch.index)] = batch.images
            start += len(batch.index)
            if progress is not None:
                progress(done + start, total)
        done += start
        sets.append(ImageSet(pixels, part.labels, tuple(part.names)))
    train, val, test = sets
    return train, val, test, Preprocess(side, *statistics(train.images))
