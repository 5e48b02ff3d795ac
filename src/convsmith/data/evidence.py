"""Two passes over a source: headers first, which settle side and channels, then every image decoded exactly once.

The result is what the doctor judges and what a training is made from. Nothing is raised for a bad image here; it is
written down, and the doctor says what it means.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median_low

import torch

from convsmith.data.pixels import GREY, pixel_hash, to_tensor
from convsmith.data.preprocess import Preprocess
from convsmith.data.source import Example, Source
from convsmith.spec.errors import DataError

Progress = Callable[[int, int], None]
LARGEST_GUESS = 224
"""Side chosen for images of mixed sizes is at most this, the field's usual one."""
SMALL = 64
"""Square images up to this side are kept as they come, so that another side can be had without decoding again."""
BLOCK = 16  # images per task: enough to make the cost of a task vanish, few enough for a smooth progress bar


@dataclass(frozen=True)
class Survey:
    """From the headers: (split, example) of every image, its mode and (width, height), or why there is none."""

    rows: Sequence[tuple[str, Example]]
    modes: Mapping[int, str]
    sizes: Mapping[int, tuple[int, int]]
    failures: Mapping[int, str]


@dataclass(frozen=True)
class Plan:
    """What to decode to: channels (1 or 3), the side wanted, and the side to store (the native one if kept)."""

    channels: int
    side: int
    stored: int

    def preprocess(self, side: int) -> Preprocess:
        """The resize to `side`; mean and deviation aren't known yet, and resizing doesn't use them."""
        return Preprocess(side, (0.0,) * self.channels, (1.0,) * self.channels)


@dataclass(frozen=True)
class Evidence:
    """A survey, its plan, and from the pixels: a hash per readable row, why others failed, and the images if kept.

    `pixels` is uint8 (rows, channels, stored, stored), in the order of the survey's rows, zero where reading failed.
    """

    survey: Survey
    plan: Plan
    hashes: Mapping[int, str]
    failures: Mapping[int, str]
    pixels: torch.Tensor | None

    @property
    def readable(self) -> list[int]:
        """Rows whose image could be decoded."""
        return sorted(self.hashes)


def survey(source: Source) -> Survey:
    """Look at the header of every image."""
    rows = [(split, example) for split, examples in source.splits.items() for example in examples]
    modes, sizes, failures = {}, {}, {}
    for i, (_, example) in enumerate(rows):
        try:
            modes[i], sizes[i] = source.look(example)
        except DataError as error:
            failures[i] = str(error)
    return Survey(rows, modes, sizes, failures)


def plan(seen: Survey, side: int | None, channels: int | None) -> Plan:
    """Side and channels, from the headers where they aren't given. DataError if no image can be read at all."""
    if side is not None and side < 1:
        raise DataError(f"side must be at least 1 pixel, got {side}")
    if channels not in (None, 1, 3):
        raise DataError(f"channels must be 1 (grey) or 3 (colour), got {channels}")
    if not seen.sizes:
        first = next(iter(seen.failures.values()), "there are none")
        raise DataError(none_readable(len(seen.rows), first))
    if channels is None:
        channels = 1 if GREY.issuperset(seen.modes.values()) else 3
    sizes = set(seen.sizes.values())
    native = next(iter(sizes))[0] if len(sizes) == 1 and len(set(next(iter(sizes)))) == 1 else None
    if side is None:
        side = native or min(LARGEST_GUESS, median_low(min(size) for size in seen.sizes.values()))
    return Plan(channels, side, native if native is not None and native <= SMALL else side)


def none_readable(count: int, first: str) -> str:
    """The sentence for a source without a single good image."""
    return f"none of the {count:,} images can be read; the first: {first}"


def gather(
    source: Source, seen: Survey, made: Plan, *,
    keep: bool, progress: Progress | None = None, into: torch.Tensor | None = None,
) -> Evidence:  # fmt: skip
    """Decode every image with a readable header, into memory or `into`; `progress(done, total)` counts rows."""
    shape = (len(seen.rows), made.channels, made.stored, made.stored)
    pixels = torch.zeros(shape, dtype=torch.uint8) if keep and into is None else into
    resize = made.preprocess(made.stored).resize

    def one(i: int) -> tuple[str, str]:
        example = seen.rows[i][1]
        try:
            image = to_tensor(example.name, source.read(example), made.channels)
        except DataError as error:
            return "", str(error)
        if pixels is not None:
            pixels[i] = resize(image[None])[0]
        return pixel_hash(image), ""

    results = _each(one, [i for i in range(len(seen.rows)) if i in seen.sizes], len(seen.rows), progress)
    hashes = {i: h for i, (h, _) in results.items() if h}
    failures = dict(seen.failures) | {i: why for i, (_, why) in results.items() if why}
    return Evidence(seen, made, hashes, dict(sorted(failures.items())), pixels)


def _each(
    one: Callable[[int], tuple[str, str]], rows: Sequence[int], total: int, progress: Progress | None
) -> dict[int, tuple[str, str]]:
    """`one` of every row, in blocks over a few threads: Pillow's decoders let go of the interpreter's lock."""
    blocks = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
    results: dict[int, tuple[str, str]] = {}
    skipped = total - len(rows)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for block, answers in zip(blocks, pool.map(lambda b: [one(i) for i in b], blocks), strict=True):
                results.update(zip(block, answers, strict=True))
                if progress is not None:
                    progress(skipped + len(results), total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def tally(words: Sequence[str]) -> str:
    """`"RGB (12), L (3)"`, the most frequent first."""
    return ", ".join(f"{word} ({count:,})" for word, count in Counter(words).most_common())
