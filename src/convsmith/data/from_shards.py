"""From a pattern of tar shards to `Data`: training images in their shards, validation and test images in memory."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from convsmith.data.augment import Augment
from convsmith.data.dataset import Data
from convsmith.data.evidence import Progress, Survey, plan
from convsmith.data.feed import Feed
from convsmith.data.fetched import Fetched, remote
from convsmith.data.finding import Finding, named, plural
from convsmith.data.outside import InFiles, Outside, Parts, sampled
from convsmith.data.overflow import assembled
from convsmith.data.pixels import header
from convsmith.data.preprocess import Preprocess
from convsmith.data.shards import Shards
from convsmith.data.source import SPLITS, Example
from convsmith.data.sources import find
from convsmith.data.tars import BRACES, Tars, look
from convsmith.spec.errors import DataError

SHARE = 0.1
"""Part of the images that the last shards give for validation, and again for the test, where no others are given."""


def is_shards(where: str) -> bool:
    """Whether this means tar shards: a pattern with braces, a URL, or a tar on the disk with .cls files in it."""
    path = Path(where).expanduser()
    if not path.is_file():
        return not path.is_dir() and (remote(where) or BRACES.search(where) is not None)
    if path.suffix.lower() != ".tar":
        return False
    try:
        with tarfile.open(path, mode="r:") as tar:
            return any(member.name.endswith(".cls") for member in islice(tar, 16))
    except (tarfile.TarError, OSError):
        return False


class InShards(Outside):
    """Images of shards."""

    def __init__(self, tars: Tars) -> None:
        self.labels, self.tars = tars.labels, tars
        self.names = tuple(name for shard in tars.shards for name in shard.names)

    def feed(self, augment: Augment, preprocess: Preprocess, *, depth: int = 0) -> Feed:
        """See `Outside`."""
        return Shards(self.tars, preprocess=preprocess, augment=augment, depth=depth)


def load_shards(
    pattern: str, *,
    side: int | None = None, channels: int | None = None, classes: Sequence[str] | None = None,
    val: str | None = None, test: str | None = None, cache: str | Path | None = None,
    skip_unreadable: bool = False, progress: Progress | None = None,
) -> Data:  # fmt: skip
    """Data of the shards of a pattern (see `tars.expand`), whose training images stay where they are.

    side, channels, classes  as of `load`; guesses are by the headers of a sample of the images
    val, test   other shards, or whatever `load` takes, of the same classes; None: the last shards
    cache       a folder where fetched shards stay

    Raises as `look` and `outside.read`; DataError for too few shards, and for validation or test images of other
    classes. The fingerprint is over names, labels and the sizes of the shards.
    """
    if skip_unreadable:
        raise DataError("--skip-unreadable is not for shards, whose images are decoded in training: write whole ones")
    files = Fetched(None if cache is None else Path(cache).expanduser())
    tars = look(pattern, classes=classes, files=files, progress=progress)
    if len(tars.classes) < 2:
        raise DataError(f"{pattern!r} has a single class, {tars.classes[0]!r}; a classifier needs two or more")
    given = {split: where for split, where in (("val", val), ("test", test)) if where is not None}
    own, said = _carved(pattern, tars, [split for split in SPLITS[1:] if split not in given])
    train, validation, tested = (
        InShards(own[split]) if split in own else _given(split, given[split], tars) for split in SPLITS
    )
    parts: Parts = (train, validation, tested)
    made = plan(_survey(own["train"], sampled(train, Preprocess(1, (0.0,), (1.0,))).tolist()), side, channels)
    return assembled(
        _name(pattern), parts, tars.classes, made.side, made.channels,
        flip=tars.flip, findings=(*_lacking(parts, tars.classes), *said), fingerprint=_fingerprint(parts),
        progress=progress,
    )  # fmt: skip


def carve(sizes: Sequence[int], lacking: Sequence[str]) -> dict[str, range]:
    """Numbers of the shards of each lacking split, from the last one backwards, and of train; `sizes` in images.

    Each gets as many shards as hold SHARE of all images, one at least; there must be more shards than are lacking.
    """
    found, end = {}, len(sizes)
    for rest, split in zip(range(len(lacking), 0, -1), lacking, strict=True):
        start = end - 1
        while start > rest and sum(sizes[start - 1 : end]) <= SHARE * sum(sizes):
            start -= 1
        found[split], end = range(start, end), start
    return {"train": range(end)} | found


def _carved(pattern: str, tars: Tars, lacking: Sequence[str]) -> tuple[dict[str, Tars], list[Finding]]:
    """The shards of train and of each lacking split, and what to tell of it."""
    if len(tars.places) <= len(lacking):
        counted = plural(len(tars.places), "shard")
        splits, options = (" and ".join(mark + split for split in lacking) for mark in ("", "--"))
        raise DataError(
            f"{pattern!r} has {counted}, too few to keep one each for {splits}; write smaller shards or give {options}"
        )
    numbers = carve([len(shard.names) for shard in tars.shards], lacking)
    own = {split: tars.among(numbers[split]) for split in numbers}
    told = [f"{split} is {_which(own[split])}" for split in lacking]
    return own, [Finding("note", f"{', '.join(told)}: not trained on")] if told else []


def _which(tars: Tars) -> str:
    first, last = (PurePosixPath(place).name for place in (tars.places[0], tars.places[-1]))
    images = plural(len(tars), "image")
    return f"{first} ({images})" if first == last else f"{first} to {last} ({len(tars.places)} shards, {images})"


def _given(split: str, where: str, tars: Tars) -> Outside:
    """Images for validation or test from elsewhere. Raises DataError if their classes are others."""
    if is_shards(where):
        return InShards(look(where, classes=tars.classes, files=tars.files))
    source = find(where)
    if split not in source.splits and "all" not in source.splits:
        raise DataError(
            f"{where!r} has the splits {named(source.splits)} and no {split}; give a folder of class folders"
        )
    examples = source.splits[split if split in source.splits else "all"]
    strange = sorted({example.label for example in examples} - set(tars.classes))
    if strange:
        raise DataError(
            f"{where!r} has {named(strange)} and the shards have only {named(tars.classes)}; give {split} images of "
            "the same classes, or an index.json that names those of the shards"
        )
    return InFiles(source, examples, tars.classes)


def _survey(tars: Tars, numbers: Sequence[int]) -> Survey:
    """The headers of some images."""
    modes, sizes, failures = {}, {}, {}
    for i, number in enumerate(numbers):
        name, data = tars.read(number)
        try:
            modes[i], sizes[i] = header(name, lambda data=data: io.BytesIO(data))  # type: ignore[misc]
        except DataError as error:
            failures[i] = str(error)
    return Survey([("train", Example(str(number), "")) for number in numbers], modes, sizes, failures)


def _lacking(parts: Parts, classes: Sequence[str]) -> Iterator[Finding]:
    for split, part in zip(SPLITS, parts, strict=True):
        there = set(part.labels.tolist())
        lacking = [name for i, name in enumerate(classes) if i not in there]
        if lacking:
            yield Finding("warning", f"no images of {named(lacking)} in {split}")


def _name(pattern: str) -> str:
    """The folder that the shards lie in, as a name for runs."""
    found = PurePosixPath(pattern.split("://")[-1]).parent.name
    return re.sub(r"[^\w.-]+", "-", found).strip("-.") or "shards"


def _fingerprint(parts: Parts) -> str:
    digest = hashlib.sha256()
    for split, part in zip(SPLITS, parts, strict=True):
        digest.update(repr((split, part.names, part.labels.tolist())).encode())
        if isinstance(part, InShards):
            digest.update(repr([(shard.size, shard.starts) for shard in part.tars.shards]).encode())
    return digest.hexdigest()
