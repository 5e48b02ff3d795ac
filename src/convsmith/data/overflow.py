"""Data whose training images stay in their files, as there are too many for the memory or as it was asked for.

Every image is still decoded once beforehand, as the doctor, the splits and the fingerprint want their pixels: all three
are those of `load`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convsmith.data.dataset import Data
from convsmith.data.evidence import Progress, Survey, gather, plan
from convsmith.data.finding import Finding
from convsmith.data.memory import demand
from convsmith.data.outside import InFiles, Parts, read
from convsmith.data.placing import class_map, fingerprint, placed
from convsmith.data.remarks import flips, grey
from convsmith.data.source import Source
from convsmith.data.splits import Fractions


@dataclass(frozen=True)
class Streaming:
    """That training images may stay in their files, and what a training will want of them.

    side    of the images that the network sees
    canvas  the stored training images' side over it
    always  also where they would fit in memory
    """

    side: int
    canvas: float = 1.0
    always: bool = False

    @property
    def largest(self) -> int:
        """Side of the images that memory would have to hold."""
        return round(self.side * self.canvas)


def streamed(
    source: Source, seen: Survey, streaming: Streaming, classes: Sequence[str] | None, *,
    channels: int | None, seed: int, fractions: Fractions, skip_unreadable: bool, progress: Progress | None,
) -> Data:  # fmt: skip
    """The data at the side that `streaming` says. Raises as `load`."""
    made = plan(seen, streaming.side, channels)
    evidence = gather(source, seen, made, keep=False, progress=progress)
    rows, findings = placed(source, evidence, classes, seed=seed, fractions=fractions, skip_unreadable=skip_unreadable)
    known = class_map(rows, classes)
    train, val, test = (
        InFiles(source, [row.example for row in rows if row.split == split], known)
        for split in ("train", "val", "test")
    )
    why = demand(len(train), made.channels, streaming.largest)
    said = Finding("note", f"{why}: training images are decoded as they are needed")
    return assembled(
        source.name, (train, val, test), known, made.side, made.channels,
        flip=source.flip, findings=(*findings, said), fingerprint=fingerprint(rows), progress=progress,
    )  # fmt: skip


def assembled(
    name: str, parts: Parts, classes: tuple[str, ...], side: int, channels: int, *,
    flip: bool | None, findings: Sequence[Finding], fingerprint: str, progress: Progress | None,
) -> Data:  # fmt: skip
    """Data of images that are outside. Raises as `outside.read`."""
    train, val, test, preprocess = read(parts, side, channels, progress)
    keeps, said = flips(name, flip, channels)
    return Data(
        name=name,
        train=train,
        val=val,
        test=test,
        classes=classes,
        preprocess=preprocess,
        flip=keeps,
        findings=(*findings, *grey(train.images), said),
        fingerprint=fingerprint,
        outside=parts,
    )
