"""Writing packed files (see packed.py): whole or not at all, decoded once, straight into the mapped file.

So the data may be larger than the memory. Room on the disk is taken before anything is decoded.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL
import torch

from convsmith.data.builtin import SOURCES
from convsmith.data.dataset import Data
from convsmith.data.evidence import Progress, gather, plan, survey
from convsmith.data.loading import judged, load
from convsmith.data.packed import MAGIC, PIXELS_AT, PREAMBLE, SUFFIX, VERSION, Packed, mapped, read_header
from convsmith.data.sources import find, open_source
from convsmith.data.splits import USUAL, Fractions, check_fractions
from convsmith.spec.errors import DataError


def pack(
    where: str | Path, to: Path, *,
    side: int | None = None, channels: int | None = None, classes: Sequence[str] | None = None,
    seed: int = 0, fractions: Fractions = USUAL, skip_unreadable: bool = False, progress: Progress | None = None,
) -> Data:  # fmt: skip
    """Pack `where` as `load` with the same options would give it, and open the file.

    The fingerprint, the class map and the splits are those of `load`. Raises as `load`, but for the memory; DataError
    if there is no room on the disk or the file cannot be written, and then nothing is left behind.
    """
    check_fractions(fractions)
    if to.suffix.lower() != SUFFIX:
        raise DataError(f"a packed file is called something{SUFFIX}, not {to.name!r}")
    source = open_source(where) if classes is None else find(where)
    if isinstance(source, Packed):
        raise DataError(f"{source.name!r} is packed already: pack the images that it was made from")
    seen = survey(source)
    made = plan(seen, side, channels)
    made = replace(made, stored=made.side)
    count = len(seen.rows)
    temporary = _room(to, PIXELS_AT + count * made.channels * made.side**2)
    try:
        room = mapped(temporary, count, made.channels, made.side, shared=True)
        evidence = gather(source, seen, made, keep=True, progress=progress, into=room)
        data = judged(source, evidence, classes, seed=seed, fractions=fractions, skip_unreadable=skip_unreadable)
        options = {"side": side, "channels": channels, "seed": seed, "fractions": list(fractions)}
        _finish(temporary, _header(data, str(where), options | {"skip_unreadable": skip_unreadable}), to)
    except OSError as error:
        raise _unwritable(to, error) from None
    finally:
        temporary.unlink(missing_ok=True)
    return load(to, classes=classes)


def cached(where: str | Path, folder: str | Path, *, progress: Progress | None = None, **options: Any) -> Data:
    """`load(where, **options)` by way of a packed file in `folder`, made at the first call.

    The file's name holds a key of the options and of the names, sizes and times of the source's files: what has changed
    is packed anew. A cached file that is damaged is, too. Raises as `pack`.
    """
    path = Path(folder) / f"{Path(where).stem or 'data'}-{_key(where, options)}{SUFFIX}"
    if path.is_file():
        try:
            return load(path, classes=options.get("classes"))
        except DataError:
            pass  # it only has to be made again
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None
    return pack(where, path, progress=progress, **options)


def _key(where: str | Path, options: dict[str, Any]) -> str:
    """Hex digits that change with the options, and with any file of the source."""
    digest = hashlib.sha256(repr((VERSION, PIL.__version__, sorted(options.items()))).encode())
    if isinstance(where, str) and where in SOURCES:
        digest.update(where.encode())
        return digest.hexdigest()[:16]
    root = Path(where).expanduser()
    source = find(where)  # says what is wrong with a place that is none
    rows = [example.name for examples in source.splits.values() for example in examples]
    files = [root / name for name in rows] if root.is_dir() else [root]
    if root.suffix.lower() == ".csv":
        files += [root.parent / name for name in rows]
    digest.update(str(root.resolve()).encode())
    for file in files:
        stat = file.stat()
        digest.update(repr((str(file), stat.st_size, stat.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]


def _room(to: Path, size: int) -> Path:
    """An unnamed neighbour of `to` with `size` bytes that the disk has promised: writing to a mapped file cannot fail
    gently."""
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.")
        temporary = Path(name)
        try:
            getattr(os, "posix_fallocate", _stretch)(handle, 0, size)
        finally:
            os.close(handle)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise _unwritable(to, error) from None
    return temporary


def _stretch(handle: int, start: int, size: int) -> None:
    """Where no room can be promised (macOS, Windows), the file only gets its size."""
    os.truncate(handle, start + size)


def _header(data: Data, source: str, options: dict[str, Any]) -> bytes:
    parts = (data.train, data.val, data.test)
    header = {
        "format": "convsmith.packed",
        "name": data.name,
        "classes": data.classes,
        "flip": data.flip,
        "channels": data.channels,
        "side": data.side,
        "counts": [len(part) for part in parts],
        "labels": torch.cat([part.labels for part in parts]).tolist(),
        "names": [name for part in parts for name in part.names],
        "mean": data.preprocess.mean,
        "std": data.preprocess.std,
        "findings": [[finding.level, finding.message] for finding in data.findings],
        "fingerprint": data.fingerprint,
        "made": {"source": source, "options": options, "pillow": PIL.__version__, "torch": torch.__version__},
    }
    return json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()


def _finish(temporary: Path, header: bytes, to: Path) -> None:
    """Header, preamble, fsync, rename."""
    known = json.loads(header)
    at = PIXELS_AT + sum(known["counts"]) * known["channels"] * known["side"] ** 2
    with temporary.open("r+b") as file:
        file.truncate(at)  # unreadable images had room, too
        file.seek(at)
        file.write(header)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        file.write(PREAMBLE.pack(MAGIC, VERSION, at, len(header), hashlib.sha256(header).digest()))
        file.flush()
        os.fsync(file.fileno())
    os.chmod(temporary, 0o644)
    read_header(temporary)
    os.replace(temporary, to)


def _unwritable(to: Path, error: OSError) -> DataError:
    reason = error.strerror or str(error)
    return DataError(f"cannot write {to}: {reason}; choose another folder or free some space")
