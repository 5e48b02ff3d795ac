"""Files by URL as files on the disk: fetched whole when first wanted, and kept while there is room or for good.

fsspec (the extra `shards`) speaks the protocols; each of its packages fails in exceptions of its own, which all become
one sentence here.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from convsmith.spec.errors import DataError, MissingExtra

T = TypeVar("T")
PAUSES = (1.0, 5.0)
"""Seconds after which a fetch that failed is tried again."""
SILENCE = 60.0
"""Seconds without a byte after which an HTTP server is given up; a whole shard may take as long as it takes."""


def remote(place: str) -> bool:
    """Whether a place is a URL."""
    return "://" in place


class Fetched:
    """Local files of places; without a cache folder those that were fetched are at most `most`, oldest out first."""

    def __init__(self, cache: Path | None) -> None:
        self.most = 2
        self.folder = cache
        self._cached = cache is not None
        self._held: list[str] = []
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}

    def path(self, place: str) -> Path:
        """A local file with the content of this place. Raises DataError naming it."""
        if not remote(place):
            return Path(place).expanduser()
        path = self._path(place)
        with self._lock:
            alone = self._fetching.setdefault(place, threading.Lock())
        with alone:
            if not path.is_file():
                fetch(place, path)
            if not self._cached:
                self._hold(place)
        return path

    def read(self, place: str, size: int, start: int, length: int) -> bytes:
        """A part of a file, which must be as long as it was when it was indexed."""
        while True:
            path = self.path(place)
            try:
                with path.open("rb") as file:
                    if file.seek(0, 2) != size:
                        old = f", without what is in {self.folder}" if remote(place) and self._cached else ""
                        raise DataError(f"shard {place!r} has changed since it was indexed; index it anew{old}")
                    file.seek(start)
                    return file.read(length)
            except FileNotFoundError as error:
                if not remote(place):
                    raise unreadable(place, error) from None
                # fetched for this thread, and gone to make room for another's: again
            except OSError as error:
                raise unreadable(place, error) from None

    def _path(self, place: str) -> Path:
        with self._lock:
            if self.folder is None:
                self.folder = Path(tempfile.mkdtemp(prefix="convsmith-shards-"))
                weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        name = re.sub(r"[^\w.-]", "_", PurePosixPath(place).name)[-80:]
        return self.folder / f"{hashlib.sha256(place.encode()).hexdigest()[:12]}-{name}"

    def _hold(self, place: str) -> None:
        with self._lock:
            self._held = [other for other in self._held if other != place] + [place]
            gone, self._held = self._held[: -self.most], self._held[-self.most :]
        for other in gone:
            self._path(other).unlink(missing_ok=True)


def content(place: str) -> bytes | None:
    """What is at a URL, None if nothing is. Raises DataError naming it, MissingExtra."""
    files, path = _filesystem(place)

    def cat() -> bytes | None:
        try:
            found: bytes = files.cat_file(path)
        except Exception as error:
            if _absent(error):
                return None
            raise
        return found

    return _tried(cat, place)


def fetch(place: str, path: Path) -> None:
    """Copy what is at a URL to `path`, whole or not at all. Raises DataError naming either, MissingExtra."""
    files, source = _filesystem(place)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as target:
            temporary = Path(target.name)
        _tried(lambda: files.get_file(source, target.name), place)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"cannot keep shards in {path.parent}: {reason}; choose another --shard-cache") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def unreadable(place: str, error: Exception) -> DataError:
    """The sentence for a place that cannot be read."""
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError):
        reason = "it is not there"
    elif status is not None:
        reason = f"the server answers {status} {getattr(error, 'message', '')}".rstrip()
    elif isinstance(error, TimeoutError):
        reason = "the server is silent"
    elif type(error).__module__.startswith("aiohttp") and not isinstance(error, OSError):
        reason = "the connection broke off"
    else:
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"cannot read shard {place!r}: {reason}; check the pattern and the connection")


def _tried(action: Callable[[], T], place: str) -> T:
    """The action's result; again after each of PAUSES where that may help."""
    for pause in (*PAUSES, None):
        try:
            return action()
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            if pause is None or _absent(error):
                raise unreadable(place, error) from None
            time.sleep(pause)
    raise AssertionError("unreachable")


def _absent(error: Exception) -> bool:
    """Whether nothing is there; stores that may not be listed say "forbidden" instead."""
    return isinstance(error, FileNotFoundError | PermissionError) or getattr(error, "status", 0) in (403, 404, 410)


def _filesystem(place: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in it."""
    try:
        core: Any = import_module("fsspec.core")
    except ImportError:
        raise MissingExtra(f"{place!r} needs fsspec: pip install 'convsmith[shards]'") from None
    options: dict[str, Any] = {}
    try:
        if place.startswith(("http://", "https://")):
            timeout = import_module("aiohttp").ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
            options = {"client_kwargs": {"timeout": timeout}}  # its own limit is five minutes for a whole file
        files, path = core.url_to_fs(place, **options)
    except ImportError as error:
        raise MissingExtra(f"{place!r} needs a package of fsspec's: {error}") from None
    except ValueError as error:
        raise DataError(f"cannot open {place!r}: {error}") from None
    return files, path
