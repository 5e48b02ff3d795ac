"""Which images count, in which split and order; and the fingerprint of all that."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from convsmith.data.doctor import examine
from convsmith.data.evidence import Evidence
from convsmith.data.finding import Finding, natural
from convsmith.data.source import SPLITS, Example, Source
from convsmith.data.splits import Fractions, deal, parts
from convsmith.spec.errors import DataError


@dataclass(frozen=True)
class Row:
    """An image's place in the evidence, and where it goes."""

    index: int
    split: str
    example: Example
    pixels: str


def placed(
    source: Source, evidence: Evidence, classes: Sequence[str] | None, *,
    seed: int, fractions: Fractions, skip_unreadable: bool,
) -> tuple[list[Row], tuple[Finding, ...]]:  # fmt: skip
    """Every image that counts with its split, in order, and what the doctor found. DataError for what it calls one."""
    findings = examine(source, evidence, classes=classes, skip_unreadable=skip_unreadable)
    errors = [finding.message for finding in findings if finding.level == "error"]
    if errors:
        raise DataError("; ".join(errors))
    return _in_order(_split(evidence, tuple(source.splits), fractions, seed)), findings


def class_map(rows: Sequence[Row], enforced: Sequence[str] | None = None) -> tuple[str, ...]:
    """The enforced one, else the classes of train in natural order."""
    if enforced is not None:
        return tuple(enforced)
    return tuple(sorted({row.example.label for row in rows if row.split == "train"}, key=natural))


def fingerprint(rows: Sequence[Row]) -> str:
    """Sha256 over names, labels, splits and pixels."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr((row.split, row.example.name, row.example.label, row.pixels)).encode())
    return digest.hexdigest()


def _split(evidence: Evidence, given: tuple[str, ...], fractions: Fractions, seed: int) -> list[Row]:
    """Readable rows with their final split."""
    rows = [Row(i, *evidence.survey.rows[i], evidence.hashes[i]) for i in evidence.readable]
    open_rows = [row for row in rows if row.split in ("all", "train")]
    labels, hashes = [row.example.label for row in open_rows], [row.pixels for row in open_rows]
    dealt = deal(labels, hashes, parts(given), fractions=fractions, seed=seed)
    split_of = {row.index: split for row, split in zip(open_rows, dealt, strict=True)}
    return [Row(row.index, split_of.get(row.index, row.split), row.example, row.pixels) for row in rows]


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """Train, val, test; within each by name, so that nothing depends on the order of a file system or a CSV."""
    return sorted(rows, key=lambda row: (SPLITS.index(row.split), natural(row.example.name), row.example.label))
