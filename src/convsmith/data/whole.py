"""One set of images for a network that is already trained, and a look at a source before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from convsmith.data.doctor import examine
from convsmith.data.evidence import Evidence, Progress, plan, survey
from convsmith.data.finding import Finding
from convsmith.data.images import ImageSet, Kept
from convsmith.data.loading import decode
from convsmith.data.preprocess import Preprocess
from convsmith.data.source import Source
from convsmith.data.sources import find, open_source
from convsmith.spec.errors import DataError


@dataclass(frozen=True)
class Outline:
    """What the headers of the images tell: enough to know what a network for them has to look like."""

    name: str
    images: int
    classes: int
    channels: int
    side: int


def outline(where: str | Path, *, side: int | None = None, channels: int | None = None) -> Outline:
    """The outline of a source; no image is decoded.

    Raises as `open_source` does, and DataError if no header can be read.
    """
    source = open_source(where)
    seen = survey(source)
    made = plan(seen, side, channels)
    return Outline(source.name, len(seen.rows), len(source.labels()), made.channels, made.side)


def load_set(
    where: str | Path,
    *,
    preprocess: Preprocess,
    classes: Sequence[str],
    split: str | None = None,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> tuple[ImageSet, tuple[Finding, ...]]:
    """Images of `where` for a trained network, by its preprocessing and its class map, and what the doctor found.

    `split` is train, val, test or all; None is the source's own test split if it has one, else all its images.
    Raises DataError for a label that is not in the class map, for unreadable files, and for a split that is not there.
    """
    source = find(where)
    evidence = decode(source, preprocess.side, preprocess.channels, progress)
    rows, findings = wanted(source, evidence, classes, split, skip_unreadable)
    examples = [evidence.survey.rows[i][1] for i in rows]
    number = {name: i for i, name in enumerate(classes)}
    labels = torch.tensor([number[example.label] for example in examples], dtype=torch.int64)
    assert evidence.pixels is not None  # decode keeps them
    images = Kept(evidence.pixels[rows]).at(preprocess)
    return ImageSet(images, labels, tuple(example.name for example in examples)), findings


def wanted(
    source: Source, evidence: Evidence, classes: Sequence[str], split: str | None, skip_unreadable: bool
) -> tuple[list[int], tuple[Finding, ...]]:
    """The readable rows of a split (None: the source's own test split if it has one, else all) and the findings.

    Raises DataError for what the doctor calls an error, for a split that is not there, and for one without images.
    """
    findings = examine(source, evidence, classes=classes, skip_unreadable=skip_unreadable)
    errors = [finding.message for finding in findings if finding.level == "error"]
    if errors:
        raise DataError("; ".join(errors))
    name = split or ("test" if "test" in source.splits else "all")
    if name not in ("all", *source.splits):
        raise DataError(f"{source.name!r} has no {name} split; it has {', '.join(source.splits)}: say --split all")
    rows = [i for i in evidence.readable if name in ("all", evidence.survey.rows[i][0])]
    if not rows:
        raise DataError(f"{source.name!r} has no readable images in its {name} split")
    return rows, tuple(findings)
