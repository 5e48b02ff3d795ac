"""A folder, a zip or a tar, seen as the same thing: names of files and folders, and a way to open one file.

Archives are never unpacked: members are read straight into memory, so a name like `../../x` has nowhere to go (it is
left out all the same). A compressed tar has no index, so its plain tar stream goes once into an unnamed temporary file.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
import threading
import weakref
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from convsmith.data.pixels import SUFFIXES
from convsmith.spec.errors import DataError

MEMBER_LIMIT = 1 << 28
"""Bytes, unpacked, that one image in an archive may take: 256 MiB."""
STREAM_LIMIT = 1 << 30
"""Bytes, unpacked, up to which a compressed tar is believed whatever its ratio: 1 GiB."""
STREAM_RATIO = 200
"""Above that, the largest believable ratio of unpacked to packed size; images hardly compress."""
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


class Tree(ABC):
    """Paths are relative, with `/` between the parts; `files` and `folders` are sorted."""

    name: str
    files: Sequence[str]
    folders: Sequence[str]

    @abstractmethod
    def open(self, path: str) -> IO[bytes]:
        """A file of `files`, to be read and closed by the caller. Safe to call from several threads."""


class Folder(Tree):
    """A folder on disk; links to folders are followed, once each."""

    def __init__(self, root: Path) -> None:
        self.name = root.resolve().name
        self._root = root
        files, folders, seen = [], [], {root.resolve()}
        for here, below, names in os.walk(root, onerror=_unlisted, followlinks=True):
            base = Path(here)
            fresh = [n for n in below if (base / n).resolve() not in seen]
            seen.update((base / n).resolve() for n in fresh)
            below[:] = sorted(fresh)
            folders += [(base / n).relative_to(root).as_posix() for n in fresh]
            files += [(base / n).relative_to(root).as_posix() for n in names]
        self.files, self.folders = sorted(files), sorted(folders)

    def open(self, path: str) -> IO[bytes]:
        """The file on disk."""
        return (self._root / path).open("rb")


class Zip(Tree):
    """A .zip archive."""

    def __init__(self, path: Path) -> None:
        self.name = _stem(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise _damaged(path, error) from error
        infos = {_clean(info.filename): info for info in self._zip.infolist()}
        self._members = {name: info for name, info in infos.items() if name and not info.is_dir()}
        for name, info in sorted(self._members.items()):
            _check_size(path, name, info.file_size)
            if info.flag_bits & 1:
                raise DataError(f"{path.name!r} is encrypted ({name!r}); unpack it and give the folder")
        self.files = sorted(self._members)
        self.folders = sorted(_folders(self.files, [name for name, info in infos.items() if info.is_dir()]))

    def open(self, path: str) -> IO[bytes]:
        """The member, whole in memory: a decoder seeks, and a compressed member can't."""
        return io.BytesIO(self._zip.read(self._members[path]))


class Tar(Tree):
    """A .tar, .tar.gz or .tgz archive; links inside it are left out."""

    def __init__(self, path: Path) -> None:
        self.name = _stem(path)
        try:
            self._handle = path.open("rb") if path.suffix.lower() == ".tar" else _plain(path)
            weakref.finalize(self, self._handle.close)
            with tarfile.open(fileobj=self._handle, mode="r:") as tar:
                members = [(_clean(m.name), m) for m in tar.getmembers()]
            _check_end(self._handle, [m for _, m in members])
        except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
            raise _damaged(path, error) from error
        self._spans = {name: (m.offset_data, m.size) for name, m in members if name and m.isreg()}
        for name, (_, size) in sorted(self._spans.items()):
            _check_size(path, name, size)
        self._lock = threading.Lock()
        self.files = sorted(self._spans)
        self.folders = sorted(_folders(self.files, [name for name, m in members if m.isdir()]))

    def open(self, path: str) -> IO[bytes]:
        """The member, whole in memory."""
        start, size = self._spans[path]
        with self._lock:
            self._handle.seek(start)
            return io.BytesIO(self._handle.read(size))


def archive(path: Path) -> Tree | None:
    """The archive at `path` by its suffix, None if it has none of ARCHIVES. Raises DataError if it is damaged."""
    lower = path.name.lower()
    if not lower.endswith(ARCHIVES):
        return None
    return Zip(path) if lower.endswith(".zip") else Tar(path)


def _unlisted(error: OSError) -> None:
    """A folder that is passed over in silence would be a class with nothing in it."""
    raise DataError(f"cannot list the folder {error.filename!r}: {error.strerror}; allow reading it or remove it")


def _stem(path: Path) -> str:
    suffix = next(s for s in sorted(ARCHIVES, key=len, reverse=True) if path.name.lower().endswith(s))
    return path.name[: -len(suffix)]


def _clean(name: str) -> str:
    """Parts joined by `/`; empty for the root and for names that leave it."""
    parts = PurePosixPath(name.replace("\\", "/")).parts  # some Windows tools write backslashes
    return "" if ".." in parts or parts[:1] == ("/",) else "/".join(parts)


def _folders(files: Iterable[str], listed: Iterable[str]) -> set[str]:
    """Folders that an archive lists, and those that only its files imply."""
    names = {name for name in listed if name}
    for path in [*files, *names]:
        names.update(parent.as_posix() for parent in PurePosixPath(path).parents)
    return names - {"."}


def _check_size(path: Path, name: str, size: int) -> None:
    if size > MEMBER_LIMIT and PurePosixPath(name).suffix.lower() in SUFFIXES:  # nothing else is ever read
        raise DataError(
            f"{path.name!r}: member {name!r} claims {size / 2**20:,.0f} MiB, more than the {MEMBER_LIMIT / 2**20:,.0f} "
            "MiB that one image may take; remove it from the archive"
        )


def _check_end(handle: IO[bytes], members: Sequence[tarfile.TarInfo]) -> None:
    """A tar ends with zeros; one cut off between two members looks whole to `tarfile`, and would train on a part."""
    ends = [m.offset_data + (-(-m.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE if m.isreg() else 0) for m in members]
    handle.seek(max(ends, default=0))
    if handle.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends early")


def _plain(path: Path) -> IO[bytes]:
    """The tar stream inside a .tar.gz, in an unnamed temporary file."""
    limit = max(STREAM_LIMIT, STREAM_RATIO * path.stat().st_size)
    plain = tempfile.TemporaryFile()  # noqa: SIM115 (closed by Tar's finaliser)
    try:
        with gzip.open(path) as packed:
            while block := packed.read(1 << 20):
                if plain.tell() + len(block) > limit:
                    size = f"{limit / 2**20:,.0f} MiB"
                    raise DataError(f"{path.name!r} unpacks to over {size}, which images never do; unpack it yourself")
                plain.write(block)
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain


def _damaged(path: Path, error: Exception) -> DataError:
    kind = "zip" if path.suffix.lower() == ".zip" else "tar"
    return DataError(f"cannot read {path.name!r}: not a {kind} archive, or a damaged one ({error}); fetch it again")
