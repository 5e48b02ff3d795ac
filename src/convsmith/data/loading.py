"""From a place to `Data`: open, look, decode once, examine, split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from convsmith.data.dataset import Data, ImageSet, Kept, Originals, Sourced
from convsmith.data.doctor import examine
from convsmith.data.evidence import Evidence, Progress, gather, plan, survey
from convsmith.data.finding import Finding, natural
from convsmith.data.memory import too_large
from convsmith.data.packed import Packed
from convsmith.data.preprocess import Preprocess, statistics
from convsmith.data.source import SPLITS, Example, Source
from convsmith.data.sources import find, open_source
from convsmith.data.splits import USUAL, Fractions, check_fractions, deal, parts
from convsmith.spec.errors import DataError


def load(
    where: str | Path,
    *,
    side: int | None = None,
    channels: int | None = None,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    fractions: Fractions = USUAL,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> Data:
    """Images, labels and splits of `where` (see `open_source`), in memory.

    side       None: the images' own if they are square and all of one size, else their median short side, at most 224
    channels   1 or 3; None: 1 if every image is grey, else 3
    classes    an enforced class map, as made at a training; None: the classes of train, in natural order
    seed, fractions  of the splits that the source lacks (train, val, test); see splits.py
    progress   called as progress(done, total) while images are decoded

    A packed file (see packed.py) is mapped and not read, and keeps the splits that it was packed with.

    Raises DataError in one sentence for all that the doctor calls an error, and for images too large for the memory.
    """
    check_fractions(fractions)
    source = open_source(where) if classes is None else find(where)
    if isinstance(source, Packed):
        return source.asked(side=side, channels=channels, classes=classes)
    evidence = decode(source, side, channels, progress)
    return judged(source, evidence, classes, seed=seed, fractions=fractions, skip_unreadable=skip_unreadable)


def judged(
    source: Source, evidence: Evidence, classes: Sequence[str] | None, *,
    seed: int, fractions: Fractions, skip_unreadable: bool,
) -> Data:  # fmt: skip
    """Examine and split what was decoded; raises as `load`."""
    rows, findings = placed(source, evidence, classes, seed=seed, fractions=fractions, skip_unreadable=skip_unreadable)
    return _assemble(source, evidence, rows, findings, classes)


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


def decode(source: Source, side: int | None, channels: int | None, progress: Progress | None) -> Evidence:
    """Every image, unless they would not fit in memory."""
    seen = survey(source)
    made = plan(seen, side, channels)
    large = too_large(len(seen.sizes), made.channels, made.side)
    if large:
        raise DataError(large)
    return gather(source, seen, made, keep=True, progress=progress)


@dataclass(frozen=True)
class Row:
    """An image's place in the evidence, and where it goes."""

    index: int
    split: str
    example: Example
    pixels: str


def _split(evidence: Evidence, given: tuple[str, ...], fractions: Fractions, seed: int) -> list[Row]:
    """Readable rows with their final split."""
    rows = [Row(i, *evidence.survey.rows[i], evidence.hashes[i]) for i in evidence.readable]
    open_rows = [row for row in rows if row.split in ("all", "train")]
    labels, hashes = [row.example.label for row in open_rows], [row.pixels for row in open_rows]
    dealt = deal(labels, hashes, parts(given), fractions=fractions, seed=seed)
    placed = {row.index: split for row, split in zip(open_rows, dealt, strict=True)}
    return [Row(row.index, placed.get(row.index, row.split), row.example, row.pixels) for row in rows]


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """Train, val, test; within each by name, so that nothing depends on the order of a file system or a CSV."""
    return sorted(rows, key=lambda row: (SPLITS.index(row.split), natural(row.example.name), row.example.label))


def _assemble(
    source: Source, evidence: Evidence, rows: Sequence[Row], findings: Sequence[Finding], enforced: Sequence[str] | None
) -> Data:
    made = evidence.plan
    assert evidence.pixels is not None  # gathered with keep=True
    stored = _rearrange(evidence.pixels, [row.index for row in rows])
    images = Kept(stored).at(made.preprocess(made.side))
    native = set(evidence.survey.sizes.values()) == {(made.stored, made.stored)}
    originals: Originals = Kept(stored) if native else Sourced(source, [row.example for row in rows])
    train_labels = {row.example.label for row in rows if row.split == "train"}
    classes = tuple(enforced) if enforced is not None else tuple(sorted(train_labels, key=natural))
    train, val, test = (_image_set(images, rows, split, classes) for split in SPLITS)
    flip, said = _flip(source, made.channels)
    return Data(
        name=source.name,
        train=train,
        val=val,
        test=test,
        classes=classes,
        preprocess=Preprocess(made.side, *statistics(train.images)),
        flip=flip,
        findings=(*findings, *_grey(train.images), said),
        fingerprint=_fingerprint(rows),
        originals=originals,
    )


def _rearrange(pixels: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    """pixels[order], in place image by image, as a copy of everything would double the memory."""
    rest = sorted(set(range(len(pixels))) - set(order))
    wanted = [*order, *rest]
    done = [False] * len(wanted)
    for start in range(len(wanted)):
        if done[start] or wanted[start] == start:
            continue
        spare, here = pixels[start].clone(), start
        while wanted[here] != start:  # follow the cycle: each image into the place that its successor just left
            pixels[here] = pixels[wanted[here]]
            done[here], here = True, wanted[here]
        pixels[here], done[here] = spare, True
    return pixels[: len(order)]


def _image_set(images: torch.Tensor, rows: Sequence[Row], split: str, classes: Sequence[str]) -> ImageSet:
    own = [i for i, row in enumerate(rows) if row.split == split]
    number = {name: i for i, name in enumerate(classes)}
    labels = torch.tensor([number[rows[i].example.label] for i in own], dtype=torch.int64)
    start = own[0] if own else 0  # rows are in the order of their splits, so a split is a slice and no copy
    return ImageSet(images[start : start + len(own)], labels, tuple(rows[i].example.name for i in own))


def _flip(source: Source, channels: int) -> tuple[bool, Finding]:
    """The source's own answer; unknown, a guess by colour: grey images are often signs, colour ones mostly scenes."""
    if source.flip is not None:
        keep = "keep" if source.flip else "do not keep"
        return source.flip, Finding("note", f"left-right mirror images {keep} their class in {source.name!r}")
    if channels == 3:
        said = "are assumed to keep their class, as the images are in colour; if they do not, say --no-flip"
    else:
        said = "are not assumed to keep their class, as the images are grey; if they do, say --flip"
    return channels == 3, Finding("note", f"left-right mirror images {said}")


def _grey(images: torch.Tensor) -> list[Finding]:
    """Colour files that hold grey images cost three channels for one."""
    if images.shape[1] == 1 or any(not torch.equal(images[:, 0], images[:, c]) for c in (1, 2)):
        return []
    return [Finding("note", "every training image is grey though read in colour; one channel would do (--channels 1)")]


def _fingerprint(rows: Sequence[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr((row.split, row.example.name, row.example.label, row.pixels)).encode())
    return digest.hexdigest()
