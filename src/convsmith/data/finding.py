"""What the doctor says about a data set, and the two habits of speech that all its messages share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
NAMED = 10
"""Names given in full by one message; the rest are counted."""


@dataclass(frozen=True)
class Finding:
    """One sentence about a data set; an `error` stops a training, a `warning` should be read, a `note` informs."""

    level: Level
    message: str


def named(names: Iterable[str]) -> str:
    """`"'a', 'b'"`, and after ten names `"... and 7 more"`."""
    every = list(names)
    text = ", ".join(repr(name) for name in every[:NAMED])
    return text + (f" and {len(every) - NAMED} more" if len(every) > NAMED else "")


def plural(count: int, noun: str) -> str:
    """`"1 image"`, `"1,200 images"`, `"2 classes"`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"


def natural(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key in which runs of digits compare as numbers, so that "2" < "10"; the name itself breaks ties."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    # [0-9] and not \d or isdigit: superscripts are digits to Python but not to int()
    key = tuple((0, int(p), "") if p[0] in "0123456789" else (1, 0, p.lower()) for p in parts)
    return key, name
