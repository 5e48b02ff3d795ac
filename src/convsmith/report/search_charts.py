"""Charts of a search: accuracy against cost with the front, the searcher beside chance, and what was chosen where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from convsmith.report.charts import inline
from convsmith.report.compare_charts import NEUTRAL, PALETTE
from convsmith.report.extras import need

GOOD = 0.25
"""Share of the trials, the best ones, whose choices are shown beside those of all."""
FEWEST = 8
"""Trials that tell anything about choices."""


def accuracy_by_cost(trials: Sequence[Mapping[str, Any]], front: Sequence[int], cost: str) -> str:
    """Every trial a dot, coloured by who asked for it; the line leads through those that no other beats."""
    alt = need("altair")
    rows = [{"cost": t["cost"], "accuracy": t["accuracy"], "searcher": t["searcher"]} for t in trials]
    best = [row for t, row in zip(trials, rows, strict=True) if t["number"] in front]
    x = alt.X("cost:Q", title=cost, scale=alt.Scale(zero=False), axis=alt.Axis(format="~s", grid=False))
    y = alt.Y("accuracy:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(format="%", tickCount=6))
    dots = alt.Chart(alt.InlineData(values=rows)).mark_circle(size=46, opacity=0.75)
    line = alt.Chart(alt.InlineData(values=sorted(best, key=lambda row: row["cost"])))
    step = line.mark_line(interpolate="step-after", strokeDash=[5, 4], strokeWidth=1.5, color=NEUTRAL)
    layers = alt.layer(step.encode(x=x, y=y), dots.encode(x=x, y=y, color=_colour(rows)))
    return inline(layers.properties(width=430, height=260, title="Validation top-1 against cost"))


def best_so_far(trajectory: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """The best accuracy after each searcher's trials."""
    alt = need("altair")
    rows = [
        {"trial": trial, "accuracy": accuracy, "searcher": name}
        for name, curve in trajectory.items()
        for trial, accuracy in curve
    ]
    x = alt.X("trial:Q", title="its trials", axis=alt.Axis(format="d", tickMinStep=1, grid=False))
    y = alt.Y("accuracy:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(format="%", tickCount=6))
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(interpolate="step-after", strokeWidth=2.5)
    chart = line.encode(x=x, y=y, color=_colour(rows))
    return inline(chart.properties(width=430, height=260, title="Best validation top-1 so far, at equal trials"))


def choices(trials: Sequence[Mapping[str, Any]]) -> str:
    """How often each option was taken, by the best quarter of the trials and by all. "" for a few trials.

    `trials` are sorted, the best first.
    """
    if len(trials) < FEWEST:
        return ""
    alt, good = need("altair"), trials[: ceil(GOOD * len(trials))]
    rows = []
    for name in dict.fromkeys(name for trial in trials for name in trial["choices"]):
        options = sorted({trial["choices"][name] for trial in trials if name in trial["choices"]}, key=_order)
        if len(options) < 2:
            continue
        for among, some in (("best quarter", good), ("all", trials)):
            there = [trial["choices"][name] for trial in some if name in trial["choices"]]
            rows += [
                {"choice": name, "option": str(option), "trials": among, "share": there.count(option) / len(there)}
                for option in options
                if there
            ]
    if not rows:
        return ""
    colour = alt.Color("trials:N", scale=alt.Scale(domain=["best quarter", "all"], range=[PALETTE[0], "#c3c9d3"]),
                       legend=alt.Legend(orient="top", title=None))  # fmt: skip
    plain = alt.Axis(labelAngle=0, labelFontSize=9, ticks=False, domain=False)
    bars = alt.Chart(alt.InlineData(values=rows)).mark_bar(cornerRadiusEnd=2).encode(
        x=alt.X("option:N", sort=None, title=None, axis=plain),
        xOffset=alt.XOffset("trials:N", sort=["best quarter", "all"]),
        y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%", tickCount=3)),
        color=colour,
    )  # fmt: skip
    facet = alt.Facet("choice:N", sort=None, title=None, header=alt.Header(labelFontWeight="bold"))
    return inline(
        bars.properties(width=200, height=84)
        .facet(facet, columns=4)
        .resolve_scale(x="independent", xOffset="independent")
    )


def _colour(rows: Sequence[Mapping[str, Any]]) -> Any:
    alt = need("altair")
    names = sorted({row["searcher"] for row in rows}, key=lambda name: (name == "random", name))
    colours = [NEUTRAL if name == "random" else PALETTE[i] for i, name in enumerate(names)]
    legend = alt.Legend(orient="bottom", title=None)
    return alt.Color("searcher:N", scale=alt.Scale(domain=names, range=colours), legend=legend)


def _order(option: Any) -> tuple[bool, Any]:
    return isinstance(option, str), option
