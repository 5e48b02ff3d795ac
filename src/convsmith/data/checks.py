"""The checks of the doctor: each goes from evidence to findings, and none stops at the first thing it sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median_low

from convsmith.data.evidence import Evidence, none_readable, tally
from convsmith.data.finding import NAMED, Finding, named, natural, plural

FEW = 10
"""A class with fewer images than this is pointed out."""
LOPSIDED = 10
"""Ratio of the largest class to the smallest above which the imbalance is pointed out."""


def unreadable(evidence: Evidence, skip: bool) -> Iterator[Finding]:
    """Damaged files: an error, or if they are to be skipped a warning."""
    if not evidence.failures:
        return
    names = named(evidence.survey.rows[i][1].name for i in evidence.failures)
    first = next(iter(evidence.failures.values()))
    if not evidence.hashes:
        yield Finding("error", none_readable(len(evidence.failures), first))
        return
    count = plural(len(evidence.failures), "unreadable image")
    if skip:
        yield Finding("warning", f"{count} skipped: {names} ({first})")
    else:
        yield Finding("error", f"{count}: {names} ({first}); repair or remove, or pass --skip-unreadable")


def classes(evidence: Evidence, rows: Sequence[int], enforced: Sequence[str] | None) -> Iterator[Finding]:
    """Splits without a class, and labels without a place in the class map; all errors."""
    labels: dict[str, set[str]] = {split: set() for split, _ in evidence.survey.rows}
    for i in rows:
        split, example = evidence.survey.rows[i]
        labels[split].add(example.label)
    if not {"all", "train"} & set(labels):
        yield Finding("error", f"only the splits {named(labels)} and no train; add a folder 'train' of class folders")
    elif enforced is not None:
        strange = sorted(set().union(*labels.values()) - set(enforced), key=natural)
        if strange:
            known = f"the {plural(len(enforced), 'class')} of the class map ({named(enforced)})"
            yield Finding("error", f"{_are(strange)} not among {known}; remove those images or train on them")
    else:
        for split in [s for s in ("val", "test") if s in labels]:
            yield from _compared(split, labels[split], labels["train"])


def _compared(split: str, own: set[str], train: set[str]) -> Iterator[Finding]:
    extra, lacking = sorted(own - train, key=natural), sorted(train - own, key=natural)
    if extra:
        yield Finding("error", f"{_has(extra)} images in {split} but none in train; add some to train or remove them")
    if lacking:
        remedy = f"add some, or remove {split} so that it is carved from train"
        yield Finding("error", f"{_has(lacking)} no images in {split}; {remedy}")


def _has(names: Sequence[str]) -> str:
    return f"class {names[0]!r} has" if len(names) == 1 else f"classes {named(names)} have"


def _are(names: Sequence[str]) -> str:
    return f"label {names[0]!r} is" if len(names) == 1 else f"labels {named(names)} are"


def _copies(evidence: Evidence) -> list[list[int]]:
    """Rows that share their pixels, in order of first appearance, for every image that occurs twice or more."""
    groups: dict[str, list[int]] = {}
    for i in evidence.readable:
        groups.setdefault(evidence.hashes[i], []).append(i)
    return [rows for rows in groups.values() if len(rows) > 1]


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Equal pixels in two splits (warning), or twice in a split or an unsplit set (note)."""
    rows = evidence.survey.rows
    groups = _copies(evidence)
    across = [group for group in groups if len({rows[i][0] for i in group}) > 1]
    if across:
        first = across[0][0]
        other = next(i for i in across[0] if rows[i][0] != rows[first][0])
        pair = f"{rows[first][1].name!r} ({rows[first][0]}) and {rows[other][1].name!r} ({rows[other][0]})"
        count = plural(len(across), "image")
        yield Finding("warning", f"{count} in more than one split, which flatters the scores; the first: {pair}")
    inside = [group for group in groups if len({rows[i][0] for i in group}) == 1]
    if inside:
        a, b = (rows[i][1].name for i in inside[0][:2])
        kept = ", kept in one split" if rows[inside[0][0]][0] == "all" else ""
        yield Finding("note", f"{plural(len(inside), 'image')} with exact copies{kept}; the first: {a!r} and {b!r}")


def labels(evidence: Evidence) -> Iterator[Finding]:
    """Equal pixels under two labels."""
    rows = evidence.survey.rows
    torn = [group for group in _copies(evidence) if len({rows[i][1].label for i in group}) > 1]
    if torn:
        a = rows[torn[0][0]][1]
        b = next(rows[i][1] for i in torn[0] if rows[i][1].label != a.label)
        pair = f"{a.name!r} is {a.label!r} and {b.name!r} is {b.label!r}"
        yield Finding("warning", f"{plural(len(torn), 'image')} under two labels; the first: {pair}")


def mixture(evidence: Evidence) -> Iterator[Finding]:
    """Several modes or sizes, and what becomes of them."""
    modes, sizes, plan = evidence.survey.modes, evidence.survey.sizes, evidence.plan
    if len(set(modes.values())) > 1:
        target = "grey" if plan.channels == 1 else "RGB"
        yield Finding("note", f"mixed modes, all read as {target}: {tally(list(modes.values()))}")
    if len(set(sizes.values())) > 1:
        ordered = sorted(sizes.values(), key=lambda size: (min(size), max(size)))
        small, large = (f"{width}x{height}" for width, height in (ordered[0], ordered[-1]))
        middle = median_low(min(size) for size in ordered)
        fit = f"all brought to {plan.side}x{plan.side}"
        yield Finding("note", f"mixed sizes, {fit}: {small} to {large}, median short side {middle}")


def balance(evidence: Evidence, rows: Sequence[int]) -> Iterator[Finding]:
    """Classes with very few images, or very many more than others; of train, or of everything where it isn't split."""
    own = [(split, example.label) for split, example in (evidence.survey.rows[i] for i in rows)]
    counts = Counter(label for split, label in own if split in ("all", "train"))
    if not counts:
        return
    ranked = sorted(counts, key=lambda label: (counts[label], natural(label)))
    least, most = ranked[0], ranked[-1]
    if counts[most] > LOPSIDED * counts[least]:
        pair = f"{counts[most]:,} images of {most!r} and {counts[least]:,} of {least!r}"
        remedy = "train with --set class_weights=balanced or --set sampling=balanced, or add images of the rare classes"
        yield Finding("warning", f"imbalanced: {pair}; {remedy}")
    few = [label for label in ranked if counts[label] < FEW]
    if few:
        listed = ", ".join(f"{label!r} has {counts[label]}" for label in few[:NAMED])
        more = f" and {len(few) - NAMED} more classes" if len(few) > NAMED else ""
        yield Finding("warning", f"fewer than {FEW} images in {plural(len(few), 'class')}: {listed}{more}")
