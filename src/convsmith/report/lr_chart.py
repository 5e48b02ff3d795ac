"""The chart of a learning-rate range test: loss against the rate, and where the suggestion and the recipe stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convsmith.report.compare_charts import NEUTRAL, PALETTE
from convsmith.report.extras import need

WIDTH, HEIGHT = 640, 340
"""Of the plane, in px."""

LOSS = "training loss, nats"
LABEL = "datum.value < 0.001 ? format(datum.value, '.0e') : format(datum.value, '~g')"

NO_FALL = "no suggestion: the loss does not fall below its start and that of guessing by more than noise"


def lr_chart(curve: Mapping[str, Any], recipe_lr: float, *, title: str) -> Any:
    """The Altair chart of a curve (plain data of `convsmith.train.find_lr.LrCurve`).

    Dots are batches, the line is without their noise; what has diverged leaves at the top. A solid rule marks the
    suggestion, a dashed one the recipe's own rate where it lies in the range. Raises MissingExtra without Altair.
    """
    alt, lrs, smoothed = need("altair"), curve["lrs"], curve["smoothed"]
    rows = [
        {"lr": lr, "loss": loss, "smoothed": smooth}
        for lr, loss, smooth in zip(lrs, curve["losses"], smoothed, strict=True)
    ]
    low, high = _heights(curve)
    x = alt.X("lr:Q", title="learning rate", scale=alt.Scale(type="log", domain=[lrs[0], lrs[-1]], nice=False),
              axis=alt.Axis(labelExpr=LABEL, values=[10.0**p for p in range(-12, 7)], grid=False))  # fmt: skip
    y = alt.Y("loss:Q", title=LOSS, scale=alt.Scale(domain=[low, high], nice=False),
              axis=alt.Axis(tickCount=6))  # fmt: skip
    base = alt.Chart(alt.InlineData(values=rows))
    tips = [alt.Tooltip("lr:Q", format=".3g"), alt.Tooltip("loss:Q", format=".4f")]
    dots = base.mark_circle(size=16, opacity=0.5, color=NEUTRAL, clip=True).encode(x=x, y=y, tooltip=tips)
    line = base.mark_line(strokeWidth=2.5, color=PALETTE[0], clip=True).encode(x=x, y=alt.Y("smoothed:Q", title=LOSS))
    marks = [] if (found := curve["suggestion"]) is None else [(found, f"suggested {found:.2g}", PALETTE[1])]
    if lrs[0] <= recipe_lr <= lrs[-1]:
        marks.append((recipe_lr, f"the recipe's {recipe_lr:g}", NEUTRAL))
    said = [NO_FALL] if found is None else []
    if curve["stopped"]:
        said.append(f"stopped after {len(lrs)} steps, as the loss diverged")
    heading = alt.TitleParams(title, offset=12, **({"subtitle": "; ".join(said)} if said else {}))
    return alt.layer(dots, line, *_rules(marks, x)).properties(width=WIDTH, height=HEIGHT, title=heading)


def _rules(marks: list[tuple[float, str, str]], x: Any) -> Iterator[Any]:
    """A rule a mark (rate, words, colour), the second dashed; their words stand above the plane and part there."""
    alt = need("altair")
    sides = ["center"] if len(marks) == 1 else ["right", "left"] if marks[:1] <= marks[1:] else ["left", "right"]
    for (rate, words, colour), side in zip(marks, sides, strict=False):
        base = alt.Chart(alt.InlineData(values=[{"lr": rate, "words": words}])).encode(x=x)
        dash = {"strokeDash": [5, 4]} if colour == NEUTRAL else {}
        yield base.mark_rule(color=colour, strokeWidth=1.5, **dash)
        text = base.mark_text(style="loud", align=side, dx={"right": -3, "left": 3}.get(side, 0))
        yield text.encode(text="words:N", y=alt.value(-9))


def _heights(curve: Mapping[str, Any]) -> tuple[float, float]:
    """Ends of the axis of losses: the descent and what is above its start by up to half of it."""
    smoothed, losses = curve["smoothed"], curve["losses"]
    end = min(range(len(smoothed)), key=smoothed.__getitem__)
    low, start = min([*losses, *smoothed]), max(smoothed[: end + 1])
    high = max([*losses[: end + 1], start + 0.5 * (start - smoothed[end])])
    room = 0.05 * (high - low) or 0.1
    return low - room, high + room
