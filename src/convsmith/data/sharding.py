"""Writing tar shards (see tars.py) from any source."""

from __future__ import annotations

import io
import json
import math
import os
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from convsmith.data.evidence import Progress, gather, plan, survey
from convsmith.data.feed import permutation
from convsmith.data.placing import Row, class_map, placed
from convsmith.data.source import SPLITS, Source
from convsmith.data.sources import open_source
from convsmith.data.splits import USUAL, Fractions, check_fractions
from convsmith.data.tars import FORMAT, INDEX, VERSION, scan
from convsmith.spec.errors import DataError


def write_shards(
    where: str | Path, folder: Path, per: int, *,
    seed: int = 0, fractions: Fractions = USUAL, skip_unreadable: bool = False, progress: Progress | None = None,
) -> dict[str, list[Path]]:  # fmt: skip
    """SPLIT-000000.tar, ... with `per` images each, and an index.json with the class map; the tars of each split.

    Splits are those of `load`. Files go in as they are, pixels of built-in sets as PNG; in a random order, so that
    programs that read shards from front to back get mixed classes. Raises as `load`, and DataError if the folder holds
    something already or cannot be written.
    """
    check_fractions(fractions)
    if per < 1:
        raise DataError(f"a shard must hold at least 1 image, got {per}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} already holds something: choose another --out")
    source = open_source(where)
    seen = survey(source)
    evidence = gather(source, seen, plan(seen, None, None), keep=False, progress=progress)
    rows, _ = placed(source, evidence, None, seed=seed, fractions=fractions, skip_unreadable=skip_unreadable)
    classes = class_map(rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tars = {split: _split(source, [r for r in rows if r.split == split], classes, folder, per) for split in SPLITS}
        shards = [(path, scan(str(path), path)) for paths in tars.values() for path in paths]
        index = {"format": FORMAT, "version": VERSION, "classes": classes, "flip": source.flip,
                 "shards": {path.name: vars(shard) for path, shard in shards}}  # fmt: skip
        _whole(folder / INDEX, json.dumps(index, ensure_ascii=False).encode())
    except OSError as error:
        raise DataError(
            f"cannot write shards in {folder}: {error.strerror or error}; choose another folder or free some space"
        ) from None
    return tars


def _split(source: Source, rows: Sequence[Row], classes: Sequence[str], folder: Path, per: int) -> list[Path]:
    mixed = [rows[i] for i in permutation(len(rows), 0, 0).tolist()]
    paths = []
    for number in range(math.ceil(len(mixed) / per)):
        path = folder / f"{mixed[0].split}-{number:06d}.tar"
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for k, row in enumerate(mixed[number * per : (number + 1) * per], number * per):
                content, suffix = _content(source, row)
                _add(tar, f"{k:08d}{suffix}", content)
                _add(tar, f"{k:08d}.cls", str(classes.index(row.example.label)).encode())
        _whole(path, stream.getbuffer())
        paths.append(path)
    return paths


def _content(source: Source, row: Row) -> tuple[bytes, str]:
    raw = source.raw(row.example)
    if raw is not None:
        return raw, PurePosixPath(row.example.name).suffix.lower()
    stream = io.BytesIO()
    source.read(row.example).save(stream, "PNG")
    return stream.getvalue(), ".png"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no time and no owner: the same images make the same shards
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))


def _whole(path: Path, content: Any) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
