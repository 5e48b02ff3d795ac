"""Pictures in the size that they came in, for evaluation that looks at more of them than their central square."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.data.dataset import Data
from convsmith.data.decode import whole
from convsmith.data.evidence import Progress, gather, plan, survey
from convsmith.data.finding import Finding, named
from convsmith.data.from_shards import InShards
from convsmith.data.images import ALL, ImageSet, Kept, Originals, Sourced
from convsmith.data.memory import too_large
from convsmith.data.outside import InFiles, Outside
from convsmith.data.pixels import to_tensor
from convsmith.data.preprocess import Preprocess, cover
from convsmith.data.source import SPLITS, Example, Source
from convsmith.data.sources import find
from convsmith.data.whole import wanted
from convsmith.spec.errors import DataError, nearest


@dataclass(frozen=True, eq=False)
class Pictures:
    """A set of pictures that are read one at a time; made by `Pictures.of` and `load_pictures`.

    labels     int64 (N,), indices into `classes`; `names`: N, as in the source
    originals  these pictures and no others, in this order
    channels   that they are read with, 1 or 3
    """

    labels: Tensor
    names: tuple[str, ...]
    classes: tuple[str, ...]
    originals: Originals
    channels: int

    def __post_init__(self) -> None:
        if not self.names:
            raise DataError("there are no pictures to evaluate: the set is empty; choose another split or other images")

    @staticmethod
    def of(data: Data, split: str = "test", classes: Sequence[str] | None = None) -> Pictures:
        """The pictures of a split (train, val, test or all) as they were before they were resized.

        `classes` is another class map that labels are to point into. Raises DataError for an unknown split, an empty
        one, and classes that the map has not.
        """
        known = (*SPLITS, "all")
        if split not in known:
            raise DataError(f"no split is called {split!r}{nearest(split, known)}; say train, val, test or all")
        chosen = range(len(SPLITS)) if split == "all" else [SPLITS.index(split)]
        sets = [(data.train, data.val, data.test)[k] for k in chosen]
        names, labels = tuple(name for part in sets for name in part.names), torch.cat([part.labels for part in sets])
        start = sum(len(part) for part in (data.train, data.val)[: chosen[0]])
        rows = slice(start, start + len(names))
        if data.outside is not None:
            originals: Originals = Scattered(tuple(data.outside[k] for k in chosen), data.channels)
        elif isinstance(data.originals, Kept):
            originals = Kept(data.originals.pixels[rows])
        elif isinstance(data.originals, Sourced):
            originals = replace(data.originals, examples=data.originals.examples[rows])
        else:  # images made in memory; those of training may be on a larger canvas
            originals = Kept(torch.cat([data.preprocess.resize(part.images) for part in sets]))
        found = Pictures(labels, names, data.classes, originals, data.channels)
        return found if classes is None else found.under(classes)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.names)

    def under(self, classes: Sequence[str]) -> Pictures:
        """The same with labels into another class map. DataError names the classes of pictures that are not in it."""
        present = [self.classes[i] for i in torch.unique(self.labels).tolist()]
        strange = [name for name in present if name not in classes]
        if strange:
            raise DataError(
                f"the pictures' classes {named(strange)} are not in the class map ({named(classes)}); remove those "
                "pictures, or evaluate a network that was trained on them"
            )
        number = {name: i for i, name in enumerate(classes)}
        moved = torch.tensor([number.get(name, -1) for name in self.classes], dtype=torch.int64)
        return replace(self, labels=moved[self.labels], classes=tuple(classes))

    def at(self, preprocess: Preprocess) -> ImageSet:
        """All of them with their short side fitted and the centre cut out, as `load` does.

        Raises DataError if they do not fit in memory or have other channels.
        """
        self.check_channels(preprocess.channels)
        if not self.originals.ready(preprocess.side):
            large = too_large(len(self), self.channels, preprocess.side)
            if large:
                raise DataError(large)
        return ImageSet(self.originals.at(preprocess), self.labels, self.names)

    def original(self, i: int) -> Tensor:
        """The i-th picture, uint8 (C, h, w). Raises DataError naming a file that has gone or changed beyond reading."""
        if isinstance(self.originals, Kept):
            return self.originals.pixels[i]
        if isinstance(self.originals, Scattered):
            return self.originals.one(i)
        assert isinstance(self.originals, Sourced)  # there are no others
        return _decoded(self.originals.source, self.originals.examples[i], self.channels)

    def short_side(self, i: int, side: int) -> Tensor:
        """The i-th picture, whole, its short side at `side` pixels: uint8 (C, h, w) with min(h, w) == side."""
        return short_side(self.original(i), side)

    def check_channels(self, channels: int) -> None:
        """Raise DataError if a network that reads `channels` cannot read these."""
        if channels != self.channels:
            raise DataError(
                f"the pictures have {_counted(self.channels)} and the network reads {channels}; load them again with "
                f"channels={channels}"
            )


@dataclass(frozen=True, eq=False)
class Scattered(Originals):
    """Images that stay outside the memory, in files or shards, part after part."""

    parts: tuple[Outside, ...]
    channels: int

    def one(self, i: int) -> Tensor:
        """The i-th of all, uint8 (C, h, w). Raises DataError naming what cannot be read."""
        ends = list(accumulate(len(part) for part in self.parts))
        k = bisect_right(ends, i)
        part, row = self.parts[k], i - (ends[k] - len(self.parts[k]))
        if isinstance(part, InFiles):
            return _decoded(part.source, part.examples[row], self.channels)
        assert isinstance(part, InShards)  # there are no others
        return whole(*part.tars.read(row), self.channels)

    def at(self, preprocess: Preprocess, rows: slice = ALL) -> Tensor:
        """One decode per image."""
        wanted = range(sum(len(part) for part in self.parts))[rows]
        images = torch.empty((len(wanted), self.channels, preprocess.side, preprocess.side), dtype=torch.uint8)
        for row, i in zip(images, wanted, strict=True):
            row.copy_(preprocess.resize(self.one(i)[None])[0])
        return images

    def ready(self, side: int) -> bool:
        """Never."""
        return False


def _decoded(source: Source, example: Example, channels: int) -> Tensor:
    file = source.raw(example)
    if file is None:
        return to_tensor(example.name, source.read(example), channels)
    return whole(example.name, file, channels)


def short_side(image: Tensor, side: int) -> Tensor:
    """uint8 (C, H, W) with its short side at `side` pixels, resized and rounded as `Preprocess.resize` does."""
    height, width = image.shape[-2:]
    size = cover(height, width, side)
    if size == (height, width):
        return image
    grown = F.interpolate(image[None].float(), size=size, mode="bilinear", antialias=True)
    return grown.round().clamp(0, 255).to(torch.uint8)[0]


def load_pictures(
    where: str | Path,
    *,
    preprocess: Preprocess,
    classes: Sequence[str],
    split: str | None = None,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> tuple[Pictures, tuple[Finding, ...]]:
    """What `load_set` gives, but as pictures: each is decoded once for the doctor and again when it is asked for.

    Of `preprocess` the channels count. Memory does not grow with the set. Raises as `load_set` does.
    """
    source = find(where)
    seen = survey(source)
    made = plan(seen, preprocess.side, preprocess.channels)
    evidence = gather(source, seen, made, keep=False, progress=progress)
    rows, findings = wanted(source, evidence, classes, split, skip_unreadable)
    examples = [seen.rows[i][1] for i in rows]
    number = {name: i for i, name in enumerate(classes)}
    labels = torch.tensor([number[example.label] for example in examples], dtype=torch.int64)
    names = tuple(example.name for example in examples)
    return Pictures(labels, names, tuple(classes), Sourced(source, examples), made.channels), findings


def _counted(channels: int) -> str:
    return f"{channels} channel" + "s" * (channels != 1)
