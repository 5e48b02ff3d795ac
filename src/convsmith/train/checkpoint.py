"""The file that holds where a training stands: safetensors with JSON metadata, no pickle, readable without our code.

It is whole or absent (temporary file, fsync, rename) and carries the SHA-256 of its own bytes, taken with zeros in the
hash's place. The one before is kept beside it, so that there is a good one whatever happens to the newest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from convsmith.spec.errors import RunError
from convsmith.spec.files import sweep, write_whole

NAME, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
VERSION = 2
BLANK = b"0" * 64
MARK = b'"sha256":"'


@dataclass(frozen=True)
class Every:
    """How often to write one within an epoch: after so many steps (0: never), and so many seconds (0: never)."""

    steps: int = 0
    seconds: float = 600.0


@dataclass(frozen=True)
class Content:
    """What a checkpoint holds; `notice` is what to tell of the way to it, if anything."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]
    path: Path
    notice: str | None = None

    @property
    def digest(self) -> str:
        """By which processes know that they read the same."""
        return str(self.meta["sha256"])


def write(folder: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Make this the folder's newest checkpoint. Raises RunError (disk full, ...), which leaves the older ones alone."""
    text = json.dumps({"version": VERSION, **meta})
    data = bytearray(save(_apart(tensors), {"convsmith": text, "sha256": BLANK.decode()}))
    at = data.index(MARK) + len(MARK)
    data[at : at + len(BLANK)] = _digest(data, at)
    write_whole(folder / NAME, bytes(data), keep=folder / PREVIOUS)


def read(path: Path) -> Content:
    """The content of a file. Raises RunError naming it if it is broken, cut short or of another version."""
    try:
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        known = json.loads(data[8 : 8 + size])["__metadata__"]
        meta = json.loads(known["convsmith"])
        version = meta.pop("version")
        if version == VERSION:
            at = data.index(MARK, 0, 8 + size) + len(MARK)
            if _digest(data, at) != known["sha256"].encode():
                raise ValueError("its bytes do not have its SHA-256")
            return Content(load(data), {**meta, "sha256": known["sha256"]}, path)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"checkpoint {path} is broken or cut short ({_brief(error)})") from None
    raise RunError(
        f"checkpoint {path} is of version {version} and this convsmith goes on with version {VERSION}: finish the "
        "training with the convsmith that began it, or start a new run"
    )


def newest(folder: Path) -> Content | None:
    """The last good checkpoint of a run, None if it has none yet. Raises RunError if all that there is is broken."""
    there = [path for path in (folder / NAME, folder / PREVIOUS) if path.is_file()]
    refusals: list[str] = []
    for path in there:
        try:
            content = read(path)
        except RunError as error:
            if "is broken" not in str(error):
                raise
            refusals.append(str(error))
            continue
        notice = f"{refusals[0]}; going on from the one before it" if refusals else None
        return Content(content.tensors, content.meta, path, notice)
    if refusals:
        them = "both" if len(refusals) > 1 else "it"
        raise RunError(f"{' and '.join(refusals)}; delete {them} to start this training again")
    return None


def clean(folder: Path) -> None:
    """Remove what writers that were killed have left."""
    sweep(folder / NAME)


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous, and no two in the same memory, which the format cannot say."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.contiguous()
        where = tensor.untyped_storage().data_ptr()
        found[name] = tensor.clone() if where in seen else tensor
        seen.add(where)
    return found


def _digest(data: bytes | bytearray, at: int) -> bytes:
    view = memoryview(data)
    digest = hashlib.sha256(view[:at])
    digest.update(BLANK)
    digest.update(view[at + len(BLANK) :])
    return digest.hexdigest().encode()


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
