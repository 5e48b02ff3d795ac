"""Training images out of tar shards in WebDataset's layout, for data that outgrow a disk: local, or by URL.

    NAME.jpg + NAME.cls    side by side in a tar; .cls holds the number of the class, or its name
    train-{000000..000146}.tar    147 shards

Shards by URL (s3://, gs://, https://, memory://, ...) come through fsspec, the extra `shards`: each is fetched whole
when one of its images is first wanted, and kept for as long as the window needs it, or in a cache folder for good.
Where an `index.json` lies beside the shards (`convsmith pack --shards` writes one), only it is read at the start; else
every shard is read through once. With several processes, each fetches for its own part of every batch.
"""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import tempfile
import threading
import weakref
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from convsmith.data.augment import Augment
from convsmith.data.feed import Batch, Feed, permutation
from convsmith.data.finding import named, natural
from convsmith.data.keyed import keyed_uniforms
from convsmith.data.layout import is_image
from convsmith.data.preprocess import Preprocess
from convsmith.data.streaming import decoded
from convsmith.spec.errors import DataError, MissingExtra

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


class Shards(Feed):
    """Images of tar shards, in an order that reads each shard once an epoch and holds few of them at a time.

    pattern     of the shards; see `expand`
    classes     the class map; None: that of index.json, else what the .cls files say, in natural order
    window      images that are shuffled among each other, after the shards have been; more of it is more random, and
                holds more shards
    cache       a folder where fetched shards stay
    preprocess, augment, threads, depth  as of `Streamed`

    Raises DataError naming a shard that is missing or broken, or a sample without label or image; MissingExtra.
    """

    def __init__(
        self, pattern: str, *, preprocess: Preprocess, augment: Augment, classes: Sequence[str] | None = None,
        window: int = 4096, cache: str | Path | None = None, threads: int | None = None, depth: int = 2,
    ) -> None:  # fmt: skip
        if window < 1:
            raise DataError(f"the window must hold at least 1 image, got {window}")
        self._places = expand(pattern)
        self._local = Fetched(self._places, Path(cache) if cache is not None else None)
        index = _index(self._places[0])
        self.shards = [self._shard(place, index) for place in self._places]
        said = sorted({label for shard in self.shards for label in shard.labels}, key=natural)
        known = (index or {}).get("classes") or said
        self.classes = tuple(known if classes is None else classes)
        self.labels = torch.tensor(self._numbers(), dtype=torch.int64)
        self._first = [0]
        for shard in self.shards:
            self._first.append(self._first[-1] + len(shard.names))
        self._places_of = [(s, k) for s, shard in enumerate(self.shards) for k in range(len(shard.names))]
        self._window, self._augment, self._preprocess = window, augment, preprocess
        self._threads, self._depth = threads, depth
        self._local.most = 2 + -(-2 * window // max(1, min(len(shard.names) for shard in self.shards)))

    def order(self, seed: int, epoch: int) -> Tensor:
        """Shards permuted, then images within each window."""
        shards = permutation(len(self.shards), seed, epoch).tolist()
        every = torch.cat([torch.arange(self._first[s], self._first[s + 1]) for s in shards])
        rank = keyed_uniforms(seed, epoch, every, 1)[:, 0]
        parts = zip(torch.split(every, self._window), torch.split(rank, self._window), strict=True)
        return torch.cat([part[key.argsort(stable=True)] for part, key in parts])

    def batches(self, index: Sequence[Tensor], *, seed: int, epoch: int) -> Generator[Batch, None, None]:
        """See `Feed`. Raises DataError naming a shard that cannot be fetched or an image that cannot be decoded."""
        return decoded(
            index, self._one, self.labels, self._augment, self._preprocess,
            seed=seed, epoch=epoch, threads=self._threads, depth=self._depth,
        )  # fmt: skip

    def _one(self, number: int) -> tuple[str, bytes]:
        s, k = self._places_of[number]
        shard = self.shards[s]
        name = f"{PurePosixPath(self._places[s]).name}/{shard.names[k]}"
        return name, self._local.read(s, shard.size, shard.starts[k], shard.lengths[k])

    def _shard(self, place: str, index: dict[str, Any] | None) -> Shard:
        listed = (index or {}).get("shards", {}).get(PurePosixPath(place).name)
        if listed is None:
            return scan(place, self._local.path(self._places.index(place)))
        return Shard(listed["size"], *(tuple(listed[name]) for name in ("names", "labels", "starts", "lengths")))

    def _numbers(self) -> list[int]:
        """Labels as numbers: a class by its name, else by its number."""
        number = {name: i for i, name in enumerate(self.classes)}
        found = []
        for place, shard in zip(self._places, self.shards, strict=True):
            for name, label in zip(shard.names, shard.labels, strict=True):
                value = number.get(label, int(label) if label.isascii() and label.isdigit() else -1)
                if not 0 <= value < len(self.classes):
                    raise DataError(
                        f"{name!r} in {place!r} has the label {label!r}, which is not in the class map "
                        f"({named(self.classes)}); remove it or give its classes"
                    )
                found.append(value)
        return found


class Fetched:
    """Shards as local files; those that were fetched are at most `most`, oldest out first, unless they are cached."""

    def __init__(self, places: Sequence[str], cache: Path | None) -> None:
        self._places, self._cache = places, cache
        self.most = 2
        self._held: list[int] = []
        self._lock = threading.Lock()
        self._folder = cache
        if cache is None and any("://" in place for place in places):
            self._folder = Path(tempfile.mkdtemp(prefix="convsmith-shards-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def path(self, number: int) -> Path:
        """A local file with the content of this shard. Raises DataError naming it."""
        place = self._places[number]
        if "://" not in place:
            return Path(place).expanduser()
        assert self._folder is not None
        path = self._folder / f"{number:06d}-{PurePosixPath(place).name}"
        with self._lock:
            if not path.is_file():
                _fetch(place, path)
            if self._cache is None:
                self._held = [n for n in self._held if n != number] + [number]
                for old in self._held[: -self.most]:
                    (self._folder / f"{old:06d}-{PurePosixPath(self._places[old]).name}").unlink(missing_ok=True)
                self._held = self._held[-self.most :]
        return path

    def read(self, number: int, size: int, start: int, length: int) -> bytes:
        """A part of a shard, which must be as long as it was when it was indexed."""
        while True:
            path = self.path(number)
            try:
                with path.open("rb") as file:
                    if file.seek(0, 2) != size:
                        raise DataError(
                            f"shard {self._places[number]!r} has changed since it was indexed; index it anew"
                        )
                    file.seek(start)
                    return file.read(length)
            except OSError as error:
                if "://" not in self._places[number] or self._cache is not None:
                    raise _unreadable(self._places[number], error) from None
                # fetched for this thread, and gone to make room for another's: again


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
        raise _unreadable(place, error) from None
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


def _index(place: str) -> dict[str, Any] | None:
    """The index.json beside a shard, if there is one of ours."""
    beside = place.rpartition("/")[0]
    try:
        if "://" in place:
            with _open(f"{beside}/{INDEX}") as file:
                text = file.read()
        else:
            text = (Path(place).expanduser().parent / INDEX).read_bytes()
        found: dict[str, Any] = json.loads(text)
    except (OSError, ValueError):
        return None
    return found if found.get("format") == FORMAT and found.get("version") == VERSION else None


def _open(place: str) -> Any:
    try:
        fsspec: Any = import_module("fsspec")
    except ImportError:
        raise MissingExtra(f"{place!r} needs fsspec: pip install 'convsmith[shards]'") from None
    try:
        return fsspec.open(place, "rb").open()
    except ImportError as error:
        raise MissingExtra(f"{place!r} needs a package of fsspec's: {error}") from None
    except ValueError as error:
        raise DataError(f"cannot open {place!r}: {error}") from None


def _fetch(place: str, path: Path) -> None:
    """Copy a shard to `path`, whole or not at all."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _open(place) as source, tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as target:
            temporary = Path(target.name)
            shutil.copyfileobj(source, target, 1 << 20)
        temporary.replace(path)
    except OSError as error:
        raise _unreadable(place, error) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _unreadable(place: str, error: OSError) -> DataError:
    reason = "it is not there" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return DataError(f"cannot read shard {place!r}: {reason}; check the pattern and the connection")
