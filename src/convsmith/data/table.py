"""A CSV of `path,label[,split]` with a header; paths are relative to the CSV (or absolute)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from convsmith.data.finding import named
from convsmith.data.source import SPLITS, SYNONYMS, Example, in_order
from convsmith.spec.errors import DataError


def table(path: Path) -> Mapping[str, Sequence[Example]]:
    """Examples per split in the order of the file; without a column `split` (or all of it empty), under `all`.

    Raises DataError for a missing column, an empty label, an unknown split or a path that isn't on disk.
    """
    splits: dict[str, list[Example]] = {}
    missing = []
    for where, row in _rows(path):
        split = _split(where, row.get("split") or "")
        if not row["label"] or not row["path"]:
            raise DataError(f"{where}: empty {'path' if not row['path'] else 'label'}; fill it in or delete the row")
        if not (path.parent / row["path"]).is_file():
            missing.append(row["path"])
        splits.setdefault(split, []).append(Example(row["path"], row["label"]))
    if missing:
        raise DataError(f"{path.name!r} names files that are not there, seen from its folder: {named(missing)}")
    if not splits:
        raise DataError(f"{path.name!r} has a header and no rows; add one row per image")
    if "all" in splits and len(splits) > 1:
        raise DataError(f"{path.name!r} gives a split for some rows and none for others; give one for all rows or none")
    return in_order(splits)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(place for messages, row with stripped values) for every row that isn't blank."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, restval="")
            _check_columns(path, [name.strip().lower() for name in reader.fieldnames or []])
            for row in reader:
                clean = {key.strip().lower(): value.strip() for key, value in row.items() if isinstance(key, str)}
                yield f"{path.name!r} line {reader.line_num}", clean
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path.name!r} as a UTF-8 CSV: {error}") from error


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    lacking = [name for name in ("path", "label") if name not in columns]
    if lacking:
        has = named(columns) if columns else "none"
        raise DataError(
            f"{path.name!r} has no column {named(lacking)}, only {has}; its first line must be path,label or "
            "path,label,split"
        )


def _split(where: str, text: str) -> str:
    if not text:
        return "all"
    if text.lower() not in SYNONYMS:
        raise DataError(f"{where}: unknown split {text!r}; use one of {named(SPLITS)}")
    return SYNONYMS[text.lower()]
