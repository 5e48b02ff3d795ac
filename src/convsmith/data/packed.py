"""A packed file: every image of a data set as pixels in one file that is mapped into memory, not read.

    0      preamble: magic, version, where the header is and how long, SHA-256 of the header
    4096   pixels, uint8 (N, side, side, channels): train, then val, then test
    end    header, JSON: sides, classes, names, labels, splits, statistics, the fingerprint and how it was made

Opening takes the time of the header alone; images come from the disk when a batch first wants them, and the system
drops them again when memory is short. Channels lie side by side, as that is how images are resized fastest (cut.py) and
how channels-last networks read them. The header comes last, as only the pixels tell what is in it; the preamble is
written after everything else. Little-endian throughout. packing.py writes what this reads.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from convsmith.data.dataset import Data
from convsmith.data.finding import Finding, named
from convsmith.data.images import ImageSet, Kept
from convsmith.data.preprocess import Preprocess
from convsmith.data.source import SPLITS, Example, Source
from convsmith.spec.errors import DataError

SUFFIX = ".packed"
MAGIC, VERSION = b"convsmith packed", 1
PREAMBLE = struct.Struct("<16sIQQ32s")
PIXELS_AT = 4096
"""A page: what is mapped begins where pages do."""
HEADER_LIMIT = 1 << 31


def read_header(path: Path) -> dict[str, Any]:
    """The header, checked against its hash and the size of the file.

    Raises DataError for another format or version, a file that was cut short, and a damaged header.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start = file.read(PREAMBLE.size)
            if len(start) < PREAMBLE.size or not start.startswith(MAGIC):
                raise DataError(
                    f"{path.name!r} is not a packed data set; `convsmith pack SOURCE --out {path.name}` makes one"
                )
            _, version, at, length, digest = PREAMBLE.unpack(start)
            if version != VERSION:
                raise DataError(f"{path.name!r} has version {version} and this reads {VERSION}; pack the source again")
            if size != at + length or length > HEADER_LIMIT:
                wanted = f"{at + length:,}"
                raise DataError(f"{path.name!r} has {size:,} bytes and should have {wanted}: copy or pack it again")
            file.seek(at)
            text = file.read(length)
    except OSError as error:
        raise DataError(f"cannot read {path.name!r}: {error.strerror or error}; pack the source again") from None
    if hashlib.sha256(text).digest() != digest:
        raise DataError(f"{path.name!r} is damaged: its header is not the one that was written; pack the source again")
    header: dict[str, Any] = json.loads(text)
    return header


def mapped(path: Path, count: int, channels: int, side: int, *, shared: bool = False) -> torch.Tensor:
    """Pixels as uint8 (N, C, side, side), mapped; with `shared`, writing to them writes to the file."""
    total = count * channels * side * side
    flat = torch.from_file(str(path), shared=shared, size=PIXELS_AT + total, dtype=torch.uint8)
    return flat[PIXELS_AT:].view(count, side, side, channels).permute(0, 3, 1, 2)


class Packed(Source):
    """A packed file; an example's name is that of the image in the source that was packed."""

    def __init__(self, path: Path) -> None:
        header = read_header(path)
        counts, classes = header["counts"], header["classes"]
        self.header = header
        self.name: str = header["name"]
        self.flip: bool | None = header["flip"]
        self.findings: tuple[Finding, ...] = ()
        examples = [Example(n, classes[y]) for n, y in zip(header["names"], header["labels"], strict=True)]
        ends = [sum(counts[: k + 1]) for k in range(3)]
        self.splits = {
            split: examples[end - count : end] for split, count, end in zip(SPLITS, counts, ends, strict=True) if count
        }
        self.pixels = mapped(path, len(examples), header["channels"], header["side"])
        self._rows = {example: i for i, example in enumerate(examples)}

    def look(self, example: Example) -> tuple[str, tuple[int, int]]:
        """As packed."""
        return ("L" if self.header["channels"] == 1 else "RGB"), (self.header["side"], self.header["side"])

    def raw(self, example: Example) -> bytes | None:
        """None: these are pixels."""
        return None

    def read(self, example: Example) -> Image.Image:
        """The packed pixels."""
        pixels = self.pixels[self._rows[example]].permute(1, 2, 0)
        return Image.fromarray((pixels[..., 0] if pixels.shape[2] == 1 else pixels).contiguous().numpy())

    def asked(self, *, side: int | None, channels: int | None, classes: Sequence[str] | None) -> Data:
        """The data as packed, resized from the packed images where another side is wanted.

        Raises DataError for other channels, and for labels outside an enforced class map.
        """
        head = self.header
        if channels not in (None, head["channels"]):
            raise DataError(f"{self.name!r} is packed with {head['channels']} channels, not {channels}; pack it again")
        data = self._data(tuple(head["classes"]))
        if classes is not None and tuple(classes) != data.classes:
            data = _relabelled(data, tuple(classes))
        return data if side is None else data.resized(side)

    def _data(self, classes: tuple[str, ...]) -> Data:
        head, labels = self.header, torch.tensor(self.header["labels"], dtype=torch.int64)
        first, second = head["counts"][0], head["counts"][0] + head["counts"][1]
        train, val, test = (
            ImageSet(self.pixels[part], labels[part], tuple(head["names"][part]))
            for part in (slice(0, first), slice(first, second), slice(second, None))
        )
        return Data(
            name=head["name"],
            train=train,
            val=val,
            test=test,
            classes=classes,
            preprocess=Preprocess(head["side"], tuple(head["mean"]), tuple(head["std"])),
            flip=head["flip"],
            findings=tuple(Finding(level, message) for level, message in head["findings"]),
            fingerprint=head["fingerprint"],
            originals=Kept(self.pixels),
        )


def _relabelled(data: Data, classes: tuple[str, ...]) -> Data:
    """The same with the labels of an enforced class map."""
    strange = [name for name in data.classes if name not in classes]
    if strange:
        raise DataError(
            f"the packed classes {named(strange)} are not in the class map ({named(classes)}); pack other images"
        )
    number = torch.tensor([classes.index(name) for name in data.classes])
    train, val, test = (replace(part, labels=number[part.labels]) for part in (data.train, data.val, data.test))
    return replace(data, train=train, val=val, test=test, classes=classes)
