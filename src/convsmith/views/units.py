"""Counts for people: 25.56 M in tables, 100k and 4M on the command line."""

from __future__ import annotations

import re
from fractions import Fraction

from convsmith.spec.errors import SpecError

STEPS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,12}|[0-9][0-9_]{0,40})"  # a comma stands between thousands only: 1,2 is refused
FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def short(count: float, unit: str = "") -> str:
    """`25557032 -> "25.56 M"`; below a thousand as it is."""
    for step, letter in STEPS:
        if abs(count) >= 0.99995 * step:  # what four digits would show as 1000 of the smaller unit
            digits = f"{count / step:.4g}"
            return f"{digits} {letter}{unit}"
    return f"{count:.4g} {unit}".rstrip()


def size_of(text: str) -> int:
    """`"100k" -> 100000`, `"4M"`, `"1.2G"`, `"250_000"`. Raises SpecError for anything else, and for sizes below 1."""
    match = re.fullmatch(rf"({WHOLE}(?:\.[0-9]{{1,40}})?)\s*([kKmMgGtT]?)", text.strip())
    value = round(Fraction(match[1].replace("_", "").replace(",", "")) * FACTORS[match[2].lower()]) if match else 0
    if value < 1:
        raise SpecError(f"{text!r} is not a size: write a number of at least 1 like 250000, 100k, 4M or 1.2G")
    return value


def seconds(value: float) -> str:
    """`95 -> "1 min 35 s"`."""
    if round(value, 1) < 10:
        return f"{value:.1f} s"
    if round(value) < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
