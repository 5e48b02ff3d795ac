"""From a place to `Data`: open, look, decode once, examine, split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from convsmith.data.dataset import Data
from convsmith.data.evidence import Evidence, Progress, gather, plan, survey
from convsmith.data.finding import Finding
from convsmith.data.images import ImageSet, Kept, Originals, Sourced
from convsmith.data.memory import too_large
from convsmith.data.overflow import Streaming, streamed
from convsmith.data.packed import Packed
from convsmith.data.placing import Row, class_map, fingerprint, placed
from convsmith.data.preprocess import Preprocess, statistics
from convsmith.data.remarks import flips, grey
from convsmith.data.source import SPLITS, Source
from convsmith.data.sources import find, open_source
from convsmith.data.splits import USUAL, Fractions, check_fractions
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
    streaming: Streaming | None = None,
    progress: Progress | None = None,
) -> Data:
    """Images, labels and splits of `where` (see `open_source`), in memory.

    side       None: the images' own if they are square and all of one size, else their median short side, at most 224
    channels   1 or 3; None: 1 if every image is grey, else 3
    classes    an enforced class map, as made at a training; None: the classes of train, in natural order
    seed, fractions  of the splits that the source lacks (train, val, test); see splits.py
    streaming  where training images would not fit in memory, leave them in their files instead of refusing them
    progress   called as progress(done, total) while images are decoded

    A packed file (see packed.py) is mapped and not read, and keeps the splits that it was packed with.

    Raises DataError in one sentence for all that the doctor calls an error, and for images too large for the memory.
    """
    check_fractions(fractions)
    source = open_source(where) if classes is None else find(where)
    if isinstance(source, Packed):
        if streaming is not None and streaming.always:
            raise DataError(f"{source.name!r} is packed, and packed pixels take no memory: leave out --stream")
        return source.asked(side=side, channels=channels, classes=classes)
    seen = survey(source)
    made = plan(seen, side, channels)
    largest = made.side if streaming is None else max(made.side, streaming.largest)
    large = too_large(len(seen.sizes), made.channels, largest)
    if streaming is not None and (large or streaming.always):
        return streamed(
            source, seen, streaming, classes, channels=channels,
            seed=seed, fractions=fractions, skip_unreadable=skip_unreadable, progress=progress,
        )  # fmt: skip
    if large:
        raise DataError(large)
    evidence = gather(source, seen, made, keep=True, progress=progress)
    return judged(source, evidence, classes, seed=seed, fractions=fractions, skip_unreadable=skip_unreadable)


def judged(
    source: Source, evidence: Evidence, classes: Sequence[str] | None, *,
    seed: int, fractions: Fractions, skip_unreadable: bool,
) -> Data:  # fmt: skip
    """Examine and split what was decoded; raises as `load`."""
    rows, findings = placed(source, evidence, classes, seed=seed, fractions=fractions, skip_unreadable=skip_unreadable)
    return _assemble(source, evidence, rows, findings, classes)


def decode(source: Source, side: int | None, channels: int | None, progress: Progress | None) -> Evidence:
    """Every image, unless they would not fit in memory."""
    seen = survey(source)
    made = plan(seen, side, channels)
    large = too_large(len(seen.sizes), made.channels, made.side)
    if large:
        raise DataError(large)
    return gather(source, seen, made, keep=True, progress=progress)


def _assemble(
    source: Source, evidence: Evidence, rows: Sequence[Row], findings: Sequence[Finding], enforced: Sequence[str] | None
) -> Data:
    made = evidence.plan
    assert evidence.pixels is not None  # gathered with keep=True
    stored = _rearrange(evidence.pixels, [row.index for row in rows])
    images = Kept(stored).at(made.preprocess(made.side))
    native = set(evidence.survey.sizes.values()) == {(made.stored, made.stored)}
    originals: Originals = Kept(stored) if native else Sourced(source, [row.example for row in rows])
    classes = class_map(rows, enforced)
    train, val, test = (_image_set(images, rows, split, classes) for split in SPLITS)
    flip, said = flips(source.name, source.flip, made.channels)
    return Data(
        name=source.name,
        train=train,
        val=val,
        test=test,
        classes=classes,
        preprocess=Preprocess(made.side, *statistics(train.images)),
        flip=flip,
        findings=(*findings, *grey(train.images), said),
        fingerprint=fingerprint(rows),
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
