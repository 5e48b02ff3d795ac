"""A checked claim for people and for programs: its numbers as text, its lines for a terminal, plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from textwrap import wrap
from typing import Any

from convsmith.views.claims.claim import VERDICTS, Checked, Number

INDENT = " " * 9


def number(value: Number, unit: str) -> str:
    """Integers with commas, other ratios to four digits, shares in per cent.

    >>> number(Fraction(25, 18), "times"), number(Fraction(13, 18), "share"), number(25557032, "MACs")
    ('1.389', '72.22%', '25,557,032')
    """
    if unit.startswith("share"):
        return f"{float(100 * value):.4g}%"
    whole = Fraction(value).denominator == 1
    return f"{int(value):,}" if whole else f"{float(value):.4g}"


def figures(found: Checked) -> tuple[str, str]:
    """The figures as printed, and ours with their unit (a share has its per cent sign)."""
    claim = found.claim
    between = "; " if len(claim.said) > 1 else ""
    ours = between.join(number(value, claim.unit) for value in found.ours)
    return between.join(figure.text for figure in claim.said), ours + (
        "" if claim.unit == "share" else f" {claim.unit}"
    )


def verdict(found: Checked) -> str:
    """`holds`, `wrong`, or `rounded` with how: rounded to the last digit printed, cut after it, or some each."""
    return found.verdict if found.how in ("", "rounded") else f"{found.verdict} ({found.how})"


def lines(found: Checked, width: int = 120) -> list[str]:
    """The claim in a few lines of at most `width` characters: verdict and statement, both figures, the reason."""
    claim = found.claim
    said, ours = figures(found)
    texts = [
        f"{found.verdict:8} {claim.id}: {claim.statement}",
        f"{INDENT}printed: {said} ({claim.source}, {claim.place})",
        f"{INDENT}ours: {ours} = {claim.computation}" + (f", {found.how}" if found.how else ""),
        *([f"{INDENT}why: {claim.why}"] if claim.why else []),
    ]
    return [line for text in texts for line in wrap(text, width, subsequent_indent=INDENT)]


def summary(found: Sequence[Checked]) -> str:
    """`claims: 105, holds: 56, rounded: 24, wrong: 25`."""
    counts = Counter(one.verdict for one in found)
    return ", ".join([f"claims: {len(found)}", *(f"{word}: {counts[word]}" for word in VERDICTS)])


def plain(found: Checked) -> dict[str, Any]:
    """The claim as plain data, for JSON; a ratio is a float."""
    claim = found.claim
    return {
        "id": claim.id,
        "topic": claim.topic,
        "statement": claim.statement,
        "source": claim.source,
        "place": claim.place,
        "printed": [figure.text for figure in claim.said],
        "meant": [figure.meant for figure in claim.said],
        "ours": [int(value) if Fraction(value).denominator == 1 else float(value) for value in found.ours],
        "unit": claim.unit,
        "computation": claim.computation,
        "agreement": list(found.agreements),
        "verdict": found.verdict,
        "why": claim.why,
    }
