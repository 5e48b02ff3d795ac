"""A claim: a quantitative statement of others, the figures as they print them, and what computes ours.

The verdict is never written down. It is what comparing gives: `judge` for one figure, `check` for a claim.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from convsmith.spec.errors import ClaimError, ConvsmithError

Number = int | Fraction
Verdict = Literal["holds", "rounded", "wrong"]
Agreement = Literal["equal", "rounded", "cut", "none"]

TOPICS = ("architecture", "parameters", "computation", "layer", "receptive-field", "memory", "scaling")
VERDICTS: tuple[Verdict, ...] = ("holds", "rounded", "wrong")
SCALES: dict[str, Number] = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "%": Fraction(1, 100)}


class Printed(NamedTuple):
    """A figure as its source prints it, and the same as a number whose digits are those that it is meant to have.

    `meant` is "62378344", "8.0e5" (two digits), "1/3", "24M" or "12%"; before it may stand > or <, where the source
    gives no figure but says more or less.
    """

    text: str
    meant: str

    def parts(self) -> tuple[str, Fraction, Fraction]:
        """Relation ("", ">" or "<"), value, and the size of one unit in the last digit that is meant.

        Raises ClaimError for what is no number.
        """
        found = re.fullmatch(r"([<>]?) ?([\d.]+(?:e\d+)?|\d+/\d+) ?([KMG%]?)", self.meant)
        if not found:
            raise ClaimError(
                f"{self.text!r} is no figure: say what number is meant, as 62378344, 8.0e5, 24M, 12%, 1/3 or > 1"
            )
        relation, number, scale = found.groups()
        if "/" in number:
            return relation, Fraction(number), Fraction(0)
        digits = Decimal(number)
        last = Fraction(10) ** int(digits.as_tuple().exponent)
        return relation, Fraction(digits) * SCALES[scale], last * SCALES[scale]


def printed(text: str, meant: str = "") -> Printed:
    """A printed figure; without `meant` its own digits are, thousands' commas apart.

    >>> printed("62,378,344").meant
    '62378344'
    """
    return Printed(text, meant or text.replace(",", ""))


def row(figures: str, text: str = "{}", meant: str = "") -> tuple[Printed, ...]:
    """The figures of a table's row or column, between blanks; `text` and `meant` are what stands around each.

    >>> row("1.8 3.6", "{}×10^9", "{}e9")
    (Printed(text='1.8×10^9', meant='1.8e9'), Printed(text='3.6×10^9', meant='3.6e9'))
    """
    return tuple(printed(text.format(figure), meant.format(figure)) for figure in figures.split())


@dataclass(frozen=True)
class Claim:
    """One statement. `count(*of)` computes as many numbers as there are figures in `said`, in `unit`.

    `topic` is one of `TOPICS`. `source` is the paper or the course notes, `place` the section or table in it. `why`
    says what is wrong with a wrong figure, and is empty for any other.
    """

    id: str
    topic: str
    statement: str
    source: str
    place: str
    said: tuple[Printed, ...]
    unit: str
    count: Callable[..., tuple[Number, ...]]
    of: tuple[Any, ...] = ()
    why: str = ""

    @property
    def computation(self) -> str:
        """The call that computes it, for people to look up: `params('vgg_d')`."""
        return f"{self.count.__name__}({', '.join(map(repr, self.of))})"


class Checked(NamedTuple):
    """A claim with our numbers, how each figure agrees with its number, and the verdict."""

    claim: Claim
    ours: tuple[Number, ...]
    agreements: tuple[Agreement, ...]
    verdict: Verdict

    @property
    def how(self) -> str:
        """What of a rounded claim's figures is rounded to the last digit printed and what cut after it."""
        kinds = [word for word in ("rounded", "cut") if word in self.agreements]
        return " and ".join(kinds) if self.verdict == "rounded" else ""


def judge(figure: Printed, ours: Number) -> Agreement:
    """How a figure agrees with our number: equal, rounded to the last digit meant, cut after it, or not at all.

    Halves may be rounded either way. A relation holds or it does not.
    """
    relation, value, last = figure.parts()
    if relation:
        return "equal" if (ours > value if relation == ">" else ours < value) else "none"
    if ours == value:
        return "equal"
    if abs(ours - value) <= last / 2:
        return "rounded"
    return "cut" if 0 <= ours - value < last else "none"


def check(claim: Claim) -> Checked:
    """Compute and compare.

    A claim holds if each figure is our number to the unit, it is rounded if some are only so within the digits
    printed, and wrong if one is not. Raises ClaimError where nothing can be computed, for a wrong claim without a
    reason, and for a reason where nothing is wrong.
    """
    try:
        ours = claim.count(*claim.of)
    except (ConvsmithError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ClaimError(f"{claim.id}: {claim.computation} cannot be computed: {error}") from error
    if len(ours) != len(claim.said):
        raise ClaimError(
            f"{claim.id}: {claim.computation} gives {len(ours)} numbers for {len(claim.said)} figures; say one for each"
        )
    agreements = tuple(judge(figure, number) for figure, number in zip(claim.said, ours, strict=True))
    verdict: Verdict = "holds" if set(agreements) == {"equal"} else "wrong" if "none" in agreements else "rounded"
    if verdict == "wrong" and not claim.why:
        raise ClaimError(f"{claim.id} is wrong and does not say why; give it a reason")
    if verdict != "wrong" and claim.why:
        raise ClaimError(f"{claim.id} is not wrong but gives a reason; take the reason away")
    return Checked(claim, ours, agreements, verdict)
