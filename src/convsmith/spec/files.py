"""Files are written whole or not at all: a temporary file beside the target, fsync, rename."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from convsmith.spec.errors import RunError


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically. Raises RunError naming the path and the reason (read-only, disk full)."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; choose another folder or free some space"
        ) from None
