"""Files are written whole or not at all: a temporary file beside the target, fsync, rename."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from convsmith.spec.errors import RunError


def write_whole(path: Path, data: bytes, *, keep: Path | None = None) -> None:
    """Replace `path` by `data` atomically; what it held before becomes `keep` if that is given.

    Raises RunError naming the path and the reason (read-only, disk full); then nothing has changed.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path))
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; choose another folder or free some space"
        ) from None


def sweep(path: Path) -> None:
    """Remove the temporary files of writers of `path` that were killed."""
    for left in path.parent.glob(f"{_prefix(path)}*"):
        left.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    return f".{path.name}."
