"""The chart of a scaling study: accuracy against multiply-adds, a line a rule, and the points of the grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convsmith.report.compare_charts import NEUTRAL, PALETTE
from convsmith.report.extras import need

WIDTH, HEIGHT = 620, 360
"""Of the plane, in px."""


def scale_chart(report: Mapping[str, Any]) -> Any:
    """The Altair chart of a study (plain data, as in scale.json). Raises MissingExtra without Altair."""
    alt = need("altair")
    rows = [
        {"rule": one["rule"], "phi": one["phi"], "macs": one["macs"], "accuracy": one["accuracy"]}
        for one in report["networks"]
    ]
    (base,) = (row for row in rows if row["rule"] == "base")
    rules = list(dict.fromkeys(row["rule"] for row in rows if row["rule"] not in ("base", "grid")))
    lines = [row for row in rows if row["rule"] in rules] + [base | {"rule": rule} for rule in rules]
    scale = alt.Scale(domain=rules, range=[PALETTE[i] for i in range(len(rules))])
    x = alt.X("macs:Q", title="MACs of one image", scale=alt.Scale(type="log", nice=False, padding=12),
              axis=alt.Axis(format="~s", grid=False, tickCount=6))  # fmt: skip
    y = alt.Y("accuracy:Q", title="validation top-1", scale=alt.Scale(zero=False), axis=alt.Axis(format=".1%"))
    tips = [alt.Tooltip("rule:N"), alt.Tooltip("phi:Q"), alt.Tooltip("macs:Q", format=","),
            alt.Tooltip("accuracy:Q", format=".2%")]  # fmt: skip
    points = alt.Chart(alt.InlineData(values=[row for row in rows if row["rule"] == "grid"]))
    cloud = points.mark_circle(size=30, color=NEUTRAL, opacity=0.6).encode(x=x, y=y, tooltip=tips)
    colour = alt.Color("rule:N", scale=scale, legend=alt.Legend(title=None, orient="right"))
    drawn = alt.Chart(alt.InlineData(values=sorted(lines, key=lambda row: (row["rule"], row["macs"]))))
    line = drawn.mark_line(strokeWidth=2.5, point=True).encode(x=x, y=y, color=colour, tooltip=tips)
    best = report["best"]
    subtitle = (
        f"alpha {best['depth']:g} (depth), beta {best['width']:g} (width), gamma {best['side']:g} (side); "
        "grey: the grid at phi = 1"
    )
    title = alt.TitleParams(f"Ways to make {report['network']} larger", subtitle=subtitle, offset=12)
    return alt.layer(cloud, line).properties(width=WIDTH, height=HEIGHT, title=title)
