"""Train, validation and test parts where the source gives none: stratified, keyed by content, duplicates together.

Within a class, images are ranked by a hash of (seed, pixels) and dealt out to meet the wanted fractions. So the split
depends on the pixels and the seed alone: not on names, folders or the order in which a file system lists them. Images
with equal pixels are dealt as one, or a test image would have been trained on.

Whatever split a source lacks is carved out of its training images, in the proportion of the fractions concerned:
given train and test, val takes val / (train + val) of train. Splits that were given are never touched.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from convsmith.data.finding import NAMED, natural, plural
from convsmith.data.source import SPLITS
from convsmith.spec.errors import DataError

Fractions = tuple[float, float, float]
USUAL: Fractions = (0.70, 0.15, 0.15)
"""Train, validation and test parts unless told otherwise."""


def check_fractions(fractions: Fractions) -> None:
    """DataError unless there are three positive numbers that sum to one."""
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise DataError(f"fractions must be three positive numbers (train, val, test) that sum to 1, got {fractions}")


def parts(given: Sequence[str]) -> tuple[str, ...]:
    """The splits that training images are dealt to; only `train` itself where nothing is missing."""
    return SPLITS if "all" in given else tuple(s for s in SPLITS if s == "train" or s not in given)


def deal(
    labels: Sequence[str], hashes: Sequence[str], into: Sequence[str], *, fractions: Fractions, seed: int
) -> list[str]:
    """The split of every image, one of `into`; fractions are for train, val, test and are rescaled to `into`.

    Raises DataError naming the classes that have fewer different images than there are splits.
    """
    wanted = dict(zip(SPLITS, fractions, strict=True))
    total = sum(wanted[split] for split in into)
    shares = {split: wanted[split] / total for split in into}
    members: dict[str, list[str]] = {}
    for label, h in zip(labels, hashes, strict=True):
        members.setdefault(label, []).append(h)
    placed: dict[str, str] = {}
    short = {}
    for label in sorted(members, key=natural):
        groups = _groups(members[label], seed)
        own = sum(h not in placed for h in groups)
        if not _deal_class(groups, shares, placed):
            short[label] = own
    if short:
        raise DataError(_too_few(short, into))
    return [placed[h] for h in hashes]


def _too_few(short: Mapping[str, int], into: Sequence[str]) -> str:
    listed = ", ".join(f"{label!r} has {count}" for label, count in list(short.items())[:NAMED])
    more = f" and {len(short) - NAMED} more classes" if len(short) > NAMED else ""
    return (
        f"too few different images in {plural(len(short), 'class')}: {listed}{more}; each class needs at least "
        f"{len(into)}, one for each of {', '.join(into)}"
    )


def _groups(hashes: Sequence[str], seed: int) -> dict[str, int]:
    """Copies per distinct image, the most copied first, then in an order keyed by (seed, pixels)."""
    copies = Counter(hashes)
    ranked = sorted(copies, key=lambda h: (-copies[h], hashlib.sha256(f"{seed}:{h}".encode()).digest()))
    return {h: copies[h] for h in ranked}


def _deal_class(groups: Mapping[str, int], shares: Mapping[str, float], placed: dict[str, str]) -> bool:
    """Each group to the split that lacks most, the last ones to empty splits; False if a split stays empty.

    Updates `placed`. A group that is there already also occurs under an earlier label, and stays where it is.
    """
    lacking = quotas(sum(groups.values()), shares)
    empty = set(shares)
    for h in groups:
        if h in placed:
            lacking[placed[h]] -= groups[h]
            empty.discard(placed[h])
    free = [h for h in groups if h not in placed]
    for position, h in enumerate(free):
        forced = len(free) - position <= len(empty)
        split = max((s for s in shares if s in empty or not forced), key=lambda s: (lacking[s], s in empty))
        placed[h] = split
        lacking[split] -= groups[h]
        empty.discard(split)
    return not empty


def quotas(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Images per split: every split but the first gets its share rounded half up, at least 1; the first the rest."""
    first, *others = shares
    sizes = {split: max(1, int(count * shares[split] + 0.5)) for split in others}
    return {first: count - sum(sizes.values()), **sizes}
