"""Charts of an evaluation: reliability, recall by class, and several networks' top-1 with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import dumps
from typing import Any

from convsmith.report.charts import GREY, INK, inline
from convsmith.report.extras import all_printable, need
from convsmith.report.numbers import percent, wilson
from convsmith.views.svg import text_width

ACCENT, TOO_SURE, UNSURE, PALE, MARKED = "#2f6fb7", "#e08a9f", "#a9c8ec", "#c9d6e8", "#c0395b"
PLANE, FOOT = 228, 52
"""Side of a reliability diagram and height of the shares below it, in px."""
TICKS = [0, 0.25, 0.5, 0.75, 1]
LABEL = 11
"""Font size of names beside bars, in px."""
LONGEST = 36
"""Characters of a run's name beside a chart."""
MOST_BARS = 40
"""Of more classes than this, those with the lowest recall are drawn."""


def reliability(calibration: Mapping[str, Any], *, title: str) -> str:
    """Accuracy by confidence (Guo et al. 2017, figure 1), above the share of images in each bin.

    Blue is accuracy; red on top of it is what the mean confidence promises beyond, pale blue what it does not promise.
    Bins without images are empty.
    """
    alt, total = need("altair"), sum(row["n"] for row in calibration["bins"])
    rows = [
        {
            "low": row["low"], "high": row["high"], "accuracy": row["accuracy"], "confidence": row["confidence"],
            "both": min(row["accuracy"], row["confidence"]), "share": row["n"] / total,
            "sure": row["confidence"] > row["accuracy"],
        }
        for row in calibration["bins"] if row["n"]
    ]  # fmt: skip
    base = alt.Chart(alt.InlineData(values=rows))
    bar = {"stroke": "white", "strokeWidth": 1, "binSpacing": 0}
    domain = alt.Scale(domain=[0, 1], nice=False)
    bare = alt.X("low:Q", scale=domain, title=None, axis=alt.Axis(values=TICKS, labels=False, ticks=False, grid=False))
    y = alt.Y("both:Q", scale=domain, title="accuracy", axis=alt.Axis(values=TICKS, format="%"))
    bars = base.mark_bar(color=ACCENT, **bar).encode(x=bare, x2="high:Q", y=y, y2=alt.value(PLANE))
    shade = alt.condition("datum.sure", alt.value(TOO_SURE), alt.value(UNSURE))
    ends = {"y": alt.Y("accuracy:Q", scale=domain), "y2": "confidence:Q"}
    gaps = base.mark_bar(**bar).encode(x=bare, x2="high:Q", color=shade, **ends)
    corners = alt.Chart(alt.InlineData(values=[{"at": 0}, {"at": 1}]))
    diagonal = corners.mark_line(color=INK, strokeDash=[5, 4], strokeWidth=1.3).encode(x="at:Q", y="at:Q")
    said = f"ECE {percent(calibration['ece'], 2)}"
    heading = alt.TitleParams(_tail(title), subtitle=said, subtitleColor=GREY, limit=PLANE, anchor="start")
    upper = (bars + gaps + diagonal).properties(width=PLANE, height=PLANE, title=heading)
    x = alt.X("low:Q", scale=domain, title="confidence", axis=alt.Axis(values=TICKS, format="%", grid=False))
    share = alt.Y("share:Q", title="images", axis=alt.Axis(format="%", tickCount=2))
    lower = base.mark_bar(color=PALE, **bar).encode(x=x, x2="high:Q", y=share, y2=alt.value(FOOT))
    return inline(alt.vconcat(upper, lower.properties(width=PLANE, height=FOOT), spacing=8))


def recalls(per_class: Sequence[Mapping[str, Any]]) -> str:
    """A bar a class, the lowest recall first, with its 95 % interval (Wilson); "" where no class has images.

    The dashed line is the mean over classes. Classes without images have no recall and no bar.
    """
    seen = sorted((row for row in per_class if row["recall"] is not None), key=lambda row: float(row["recall"]))
    if not seen:
        return ""
    alt = need("altair")
    rows = [
        {"at": at, "class": row["class"], "recall": row["recall"], "n": row["n"], "low": low, "high": high}
        for at, row in enumerate(seen[:MOST_BARS])
        for low, high in [wilson(row["recall"], row["n"])]
    ]
    names = [str(row["class"]) for row in rows]
    # positions, since two classes may shorten to the same words
    y = alt.Y("at:O", axis=_named(names, 180))
    x = alt.X("recall:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", title="recall", tickCount=5))
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=y)
    bars = base.mark_bar(color=UNSURE, cornerRadiusEnd=2, height={"band": 0.72}).encode(x=x)
    spans = base.mark_rule(color=INK, strokeWidth=1.4).encode(x="low:Q", x2="high:Q")
    counts = base.mark_text(align="left", dx=8, color=GREY, fontSize=11)
    counts = counts.encode(x=alt.value(560), text=alt.Text("n:Q", format=","))
    mean = sum(float(row["recall"]) for row in seen) / len(seen)
    line = alt.Chart(alt.InlineData(values=[{"mean": mean}]))
    line = line.mark_rule(color=GREY, strokeDash=[5, 4]).encode(x="mean:Q")
    return inline((bars + spans + counts + line).properties(width=560, height=alt.Step(20)))


def forest(rows: Sequence[Mapping[str, Any]], marked: str = "") -> str:
    """Top-1 of each network with its interval, in the order given; the one called `marked` stands out.

    `rows` have `name`, `top1` and `interval` with `low` and `high`, 0..1.
    """
    alt = need("altair")
    data = [
        {
            "at": at, "top1": row["top1"], "low": row["interval"]["low"], "high": row["interval"]["high"],
            "words": percent(row["top1"], 2), "marked": row["name"] == marked,
        }
        for at, row in enumerate(rows)
    ]  # fmt: skip
    names = [_tail(str(row["name"])) for row in rows]
    colour = alt.condition("datum.marked", alt.value(MARKED), alt.value(ACCENT))
    ends = [end for row in data for end in (row["low"], row["high"])]
    room = 0.08 * (max(ends) - min(ends)) or 0.01
    scale = alt.Scale(domain=[max(0, min(ends) - room), min(1, max(ends) + room)], nice=False)
    x = alt.X("top1:Q", scale=scale, axis=alt.Axis(format=".1%", title="top-1, 95 % interval", tickCount=6))
    base = alt.Chart(alt.InlineData(values=data)).encode(y=alt.Y("at:O", axis=_named(names, 240)))
    spans = base.mark_rule(strokeWidth=2.4).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", color=colour)
    dots = base.mark_circle(size=90, opacity=1).encode(x=x, color=colour)
    text = base.mark_text(dy=-11, fontSize=11, color=INK).encode(x=x, text="words:N")
    return inline((spans + dots + text).properties(width=560, height=alt.Step(34)))


def _tail(name: str) -> str:
    """The end of a long path, where runs are told apart."""
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"


def _named(names: list[str], limit: int) -> Any:
    """An axis that names its positions, in at most `limit` px, with room for them in the widest of readers' fonts."""
    words = dumps(all_printable(names))
    room = min(1.2 * limit, max(text_width(name, LABEL) for name in names)) + 8  # 1.2: that font over the one measured
    return need("altair").Axis(
        labelExpr=f"{words}[datum.value]", labelLimit=limit, labelFontSize=LABEL, minExtent=room, ticks=False,
        domain=False, title=None,
    )  # fmt: skip
