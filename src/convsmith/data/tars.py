"""What is in tar shards of WebDataset's layout, whether they lie on a disk or behind a URL.

    NAME.jpg + NAME.cls    side by side in a tar; .cls holds the number of the class, or its name
    train-{000000..000146}.tar    147 shards

Where an `index.json` lies beside the shards (`convsmith pack --shards` writes one), only it is read at the start; else
every shard is read through once.
"""

from __future__ import annotations

import json
import re
import tarfile
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from convsmith.data.evidence import Progress
from convsmith.data.fetched import Fetched, content, remote, unreadable
from convsmith.data.finding import named, natural
from convsmith.data.layout import is_image
from convsmith.spec.errors import DataError

INDEX = "index.json"
FORMAT, VERSION = "convsmith.shards", 1
BRACES = re.compile(r"\{([0-9]+)\.\.([0-9]+)\}")
MOST = 1_000_000
"""Shards that a pattern may stand for."""


@dataclass(frozen=True)
class Shard:
    """What is in a tar: of each image its name, what its .cls says, and where its file is; `size` of all in bytes."""

    size: int
    names: tuple[str, ...]
    labels: tuple[str, ...]
    starts: tuple[int, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class Index:
    """What an index.json says: the class map, whether mirror images keep their class, and the shards by file name."""

    classes: tuple[str, ...]
    flip: bool | None
    shards: Mapping[str, Shard]


def expand(pattern: str) -> list[str]:
    """`"a-{08..11}.tar"` -> a-08.tar, a-09.tar, a-10.tar, a-11.tar; several braces multiply. DataError if backwards."""
    found = BRACES.search(pattern)
    if found is None:
        return [pattern]
    low, high = (int(number) for number in found.groups())
    if high < low or high - low >= MOST:
        raise DataError(f"{found.group()} in {pattern!r} must count upwards, by less than {MOST:,}")
    width = len(found.group(1))
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [head + f"{number:0{width}}" + rest for number in range(low, high + 1) for rest in expand(tail)]


def pattern_of(places: Sequence[str]) -> str:
    """The pattern of places that end in a number, counting up from the first, and .tar: the inverse of `expand`."""
    if len(places) == 1:
        return places[0]
    ends = [place.removesuffix(".tar").rpartition("-")[2] for place in (places[0], places[-1])]
    return f"{places[0].removesuffix('.tar').removesuffix(ends[0])}{{{ends[0]}..{ends[1]}}}.tar"


@dataclass(frozen=True, eq=False)
class Tars:
    """Shards that `look` has looked at: which images are in them, and of which class.

    places   of the shards, paths or URLs; `shards` says what is in each
    classes  the class map
    labels   int64 (N,), of the images of all shards in order
    files    the shards as local files
    flip     whether mirror images keep their class, None where nobody says
    """

    places: tuple[str, ...]
    shards: tuple[Shard, ...]
    classes: tuple[str, ...]
    labels: Tensor
    files: Fetched
    flip: bool | None

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    @cached_property
    def first(self) -> tuple[int, ...]:
        """Number of the first image of each shard, and of all images."""
        return (0, *accumulate(len(shard.names) for shard in self.shards))

    def read(self, number: int) -> tuple[str, bytes]:
        """Name and file of an image. Raises DataError naming a shard that cannot be read, or has changed."""
        s = bisect_right(self.first, number) - 1
        k, shard, place = number - self.first[s], self.shards[s], self.places[s]
        name = f"{PurePosixPath(place).name}/{shard.names[k]}"
        return name, self.files.read(place, shard.size, shard.starts[k], shard.lengths[k])

    def among(self, numbers: range) -> Tars:
        """Some of the shards, by number."""
        some = slice(numbers.start, numbers.stop)
        labels = self.labels[self.first[numbers.start] : self.first[numbers.stop]]
        return replace(self, places=self.places[some], shards=self.shards[some], labels=labels)


def look(
    pattern: str, *,
    classes: Sequence[str] | None = None, files: Fetched | None = None, progress: Progress | None = None,
) -> Tars:  # fmt: skip
    """The shards of a pattern (see `expand`).

    classes   the class map; None: that of index.json, else what the .cls files say, in natural order
    files     where shards are fetched to; None: a folder that goes with the process
    progress  called as progress(done, total) while shards are read through

    Raises DataError naming a shard that is missing or broken, a sample without label or image, or a label that is not
    in the class map, and for an index.json of other classes; MissingExtra.
    """
    places, files = tuple(expand(pattern)), files or Fetched(None)
    _check_there(pattern, places)
    index = _index(places[0]) or Index((), None, {})
    if index.classes and classes is not None and index.classes != tuple(classes):
        raise DataError(
            f"{pattern!r} has the classes {named(index.classes)} and not {named(classes)}; write all shards with one "
            "class map"
        )
    shards = []
    for number, place in enumerate(places, 1):
        shard = index.shards.get(PurePosixPath(place).name)
        shards.append(scan(place, files.path(place)) if shard is None else shard)
        if progress is not None:
            progress(number, len(places))
    said = sorted({label for shard in shards for label in shard.labels}, key=natural)
    wanted = tuple(classes or index.classes or said)
    labels = torch.tensor(_numbers(places, shards, wanted), dtype=torch.int64)
    return Tars(places, tuple(shards), wanted, labels, files, index.flip)


def _numbers(places: Sequence[str], shards: Sequence[Shard], classes: Sequence[str]) -> list[int]:
    """Labels as numbers: a class by its name, else by its number."""
    number = {name: i for i, name in enumerate(classes)}
    found = []
    for place, shard in zip(places, shards, strict=True):
        for name, label in zip(shard.names, shard.labels, strict=True):
            value = number.get(label, int(label) if label.isascii() and label.isdigit() else -1)
            if not 0 <= value < len(classes):
                raise DataError(
                    f"{name!r} in {place!r} has the label {label!r}, which is not in the class map "
                    f"({named(classes)}); remove it or give its classes"
                )
            found.append(value)
    return found


def _check_there(pattern: str, places: Sequence[str]) -> None:
    """Local shards that are missing are named before any is read."""
    missing = [place for place in places if not remote(place) and not Path(place).expanduser().is_file()]
    if len(missing) == len(places) > 1:
        raise DataError(f"no shard at {pattern!r}: none of its {len(places):,} files is there; check the pattern")
    if missing:
        raise unreadable(missing[0], FileNotFoundError())


def scan(place: str, path: Path) -> Shard:
    """The index of a shard. Raises DataError if it is missing or broken, or a sample lacks its label or its image."""
    images: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(path, mode="r:") as tar:
            for member in tar:
                stem, _, suffix = member.name.rpartition(".")
                if not member.isreg():
                    continue
                if suffix == "cls":
                    content = tar.extractfile(member)
                    labels[stem] = content.read(1 << 12).decode().strip() if content else ""
                elif is_image(member.name):
                    if stem in images:
                        raise DataError(f"shard {place!r} has two images called {stem!r}; rename one")
                    images[stem] = member
            size = path.stat().st_size
            last = max((m.offset_data + m.size for m in images.values()), default=0)
            with path.open("rb") as file:
                file.seek(max(0, size - tarfile.BLOCKSIZE))
                if last > size or file.read() != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("it ends early")
    except (tarfile.TarError, UnicodeDecodeError, EOFError) as error:
        raise DataError(f"shard {place!r} is broken ({error}); fetch or write it again") from None
    except OSError as error:
        raise unreadable(place, error) from None
    for what, missing in (("label (.cls)", images.keys() - labels.keys()), ("image", labels.keys() - images.keys())):
        if missing:
            raise DataError(f"samples without {what} in shard {place!r}: {named(sorted(missing))}; write it again")
    if not images:
        raise DataError(f"shard {place!r} has no samples (NAME.jpg and NAME.cls); leave it out")
    names = tuple(images)
    members = [images[name] for name in names]
    return Shard(
        size, tuple(m.name for m in members), tuple(labels[name] for name in names),
        tuple(m.offset_data for m in members), tuple(m.size for m in members),
    )  # fmt: skip


def _index(place: str) -> Index | None:
    """The index.json beside a shard, None if there is none of ours.

    Raises DataError if it is broken.
    """
    beside = place.rpartition("/")[0]
    try:
        text = content(f"{beside}/{INDEX}") if remote(place) else (Path(place).expanduser().parent / INDEX).read_bytes()
        found = None if text is None else json.loads(text)
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("version") != VERSION:
        return None
    try:
        shards = {name: _listed(entry) for name, entry in found["shards"].items()}
        return Index(tuple(str(name) for name in found["classes"]), found.get("flip"), shards)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"the {INDEX} beside {place!r} is broken; write the shards again or remove it") from None


def _listed(entry: dict[str, Any]) -> Shard:
    names, labels = (tuple(str(value) for value in entry[key]) for key in ("names", "labels"))
    starts, lengths = (tuple(int(value) for value in entry[key]) for key in ("starts", "lengths"))
    if not len(names) == len(labels) == len(starts) == len(lengths) > 0 or min(*starts, *lengths) < 0:
        raise ValueError
    return Shard(int(entry["size"]), names, labels, starts, lengths)
