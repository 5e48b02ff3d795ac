"""An evaluation on one page: rates with intervals, calibration, classes and mistakes, in one file without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convsmith.report import charts, evaluation_charts
from convsmith.report.extras import need
from convsmith.report.numbers import percent
from convsmith.report.templates import fill
from convsmith.spec.files import write_whole

DIAGRAMS = 9
"""Up to so many networks each have a reliability diagram."""
CONFUSED = 8
"""How many pairs of classes are named as confused."""

MIRRORED = "mirror images too where they keep their class; mean of the probabilities"
WORDS = {
    "centre": "the central square of each picture, once, as in training",
    "ten-crop": f"four corners and the centre, {MIRRORED} (Krizhevsky et al. 2012)",
    "multi-crop": f"up to 72 crops at four scales, {MIRRORED} (Szegedy et al. 2014)",
    "dense": f"the network slides over whole pictures at three scales, {MIRRORED} (Simonyan and Zisserman 2014)",
}
"""What each protocol shows; one that is not here is named alone."""


def write_evaluation(path: Path, record: Mapping[str, Any]) -> Path:
    """Write the page of `record` to `path`, and return that. Raises RunError if it cannot be written.

    `record` is plain data: split, protocol, n, `runs` (what `Row.to_json` gives, each with `about`: network, recipe,
    seed, command), `ensemble` (`Together.to_json` or None), data (its name), command, environment. Raises MissingExtra
    where the libraries for reports are not installed.
    """
    for library in ("jinja2", "altair", "vl_convert"):
        need(library)
    write_whole(path, render(record).encode())
    return path


def render(record: Mapping[str, Any]) -> str:
    """The page's HTML. Every string of the record is escaped."""
    runs, together = record["runs"], record["ensemble"]
    rows = [*runs, *([together] if together else [])]
    shown = together or runs[0]
    classes = list(map(str, shown["classes"]))
    recalls = [row["recall"] for row in shown["per_class"] if row["recall"] is not None]
    drawn = {
        "forest": evaluation_charts.forest(rows, together["name"] if together else "") if len(rows) > 1 else "",
        "diagrams": [
            evaluation_charts.reliability(
                row["calibration"], title=str(row["name"]) if len(rows) > 1 else "Reliability"
            )
            for row in rows[-DIAGRAMS:]
        ],
        "recall_bars": evaluation_charts.recalls(shown["per_class"]),
        "confusion": charts.confusion(shown["confusion"], classes),
    }
    facts = {
        "rows": rows,
        "shown": shown,
        "protocol_words": WORDS.get(record["protocol"], record["protocol"]),
        "balanced": sum(recalls) / len(recalls) if recalls else None,
        "unseen": sum(row["n"] == 0 for row in shown["per_class"]),
        "most_bars": evaluation_charts.MOST_BARS,
        "worst": max((abs(b["accuracy"] - b["confidence"]), b["n"]) for b in shown["calibration"]["bins"] if b["n"])[1],
        "confused": confused(shown["confusion"], classes),
    }
    return fill("evaluation.html", {**record, **facts, **drawn}, FILTERS)


def confused(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """The most frequent mistakes: true and predicted class, how often, and the share of the true class, 0..1."""
    pairs = [
        {"true": classes[i], "predicted": classes[j], "count": count, "share": count / sum(row)}
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(pairs, key=lambda pair: (-pair["count"], -pair["share"]))[:CONFUSED]  # type: ignore[operator]


def points(rate: float, digits: int = 2) -> str:
    """A difference of rates in points, with its sign: `0.0053 -> "+0.53"`."""
    return f"{rate * 100:+.{digits}f}".replace("-", "−")


def p_value(p: float) -> str:
    """`0.0312 -> "0.031"`; what is smaller than 0.0001 is said to be."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


FILTERS = {"percent": percent, "points": points, "p": p_value}
"""What the template calls."""
