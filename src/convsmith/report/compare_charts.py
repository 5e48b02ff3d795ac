"""Charts of several networks: accuracy against computation, and cost by depth overlaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

from convsmith.report.extras import need
from convsmith.spec.errors import SpecError
from convsmith.spec.trace import Graph
from convsmith.views.compare import ONE_CROP
from convsmith.views.cost import cost
from convsmith.views.pareto import pareto
from convsmith.views.svg import text_width

PALETTE = (
    "#2f6fb7", "#c2571a", "#2e8b57", "#c0395b", "#8a5bb0", "#a67c00", "#3a8fa3", "#5b6472", "#e377a2", "#7aa32b",
    "#4a63d9", "#e08a4a", "#6cc08b", "#e2738b", "#b797d1", "#d6b13c", "#7cc3d3", "#a3abb8", "#ff6f3c", "#2fbf71",
    "#5254a3", "#d6616b", "#00a6a6", "#9c9ede", "#637939",
)  # fmt: skip
"""Told apart on light and dark grounds; where there are more families or networks, it begins again."""

FEW = 15
"""Up to so many networks each bubble has its name; of more, those on the front."""

NEUTRAL = "#8b94a3"

ACCURACY = "Accuracy against computation; dashed: no other beats these"
BY_DEPTH = "Cost by depth"

WIDTH, HEIGHT = 720, 470
"""Of the bubble chart's plane, in px."""


def accuracy(networks: Sequence[Mapping[str, Any]]) -> Any:
    """Published top-1 against MACs (log), area = parameters, colour = family, and the front that no other beats.

    networks  plain data of `convsmith.views.compare.Totals`; those without a published top-1 are left out

    The Altair chart; as a page it has a slider that ends at a year, the front with it. Only networks tested on one crop
    stand on the front, as MACs are of one. Raises SpecError where no network has a published top-1, MissingExtra
    without Altair.
    """
    alt, rows = need("altair"), [dict(row) for row in networks if row["top1"] is not None]
    if not rows:
        raise SpecError("none of these networks has a published top-1 on ImageNet; name others")
    years = sorted({row["year"] for row in rows})
    fronts = [row for until in range(years[0], years[-1] + 1) for row in _front(rows, until)]
    for row in rows:
        row["tested"] = f"{row['top1_source']}, {row['top1_side']} px, {row['top1_protocol']}"
    slider = alt.binding_range(min=years[0], max=years[-1], step=1, name="up to the year ")
    year = alt.param("year", value=years[-1], bind=slider) if len(years) > 1 else alt.param("year", value=years[-1])
    families = list(dict.fromkeys(row["family"] for row in sorted(rows, key=lambda row: (row["year"], row["family"]))))
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(families))]
    legend = alt.Legend(title="family", symbolType="circle", columns=1 + len(families) // 26, labelLimit=150)
    x = alt.X("macs:Q", scale=alt.Scale(type="log", nice=False, domain=_domain(rows)), title="MACs of one image",
              axis=alt.Axis(format="~s", values=[k * 10**p for p in range(3, 13) for k in (1, 2, 5)]))  # fmt: skip
    least, most = min(row["top1"] for row in rows), max(row["top1"] for row in rows)
    y = alt.Y("top1:Q", scale=alt.Scale(domain=[least - 0.02, most + 0.02]), title="published top-1 on ImageNet",
              axis=alt.Axis(format=".0%", tickCount=8))  # fmt: skip
    areas = alt.Legend(title="parameters", format="~s", values=_steps(rows), symbolFillColor=NEUTRAL)
    # all scales are those of the last year, so that nothing but networks comes and goes with the slider
    sizes = alt.Scale(type="linear", domain=[0, max(row["params"] for row in rows)], range=[0, 2600])
    bubbles = (
        alt.Chart(alt.InlineData(values=rows))
        .transform_filter("datum.year <= year")
        .transform_calculate(order="-datum.params")
        .mark_circle(opacity=0.7)
        .encode(
            x=x, y=y, order=alt.Order("order:Q"),
            size=alt.Size("params:Q", scale=sizes, legend=areas),
            color=alt.Color("family:N", scale=alt.Scale(domain=families, range=colours), legend=legend),
            tooltip=[
                alt.Tooltip("name:N"), alt.Tooltip("year:Q"), alt.Tooltip("top1:Q", format=".2%", title="top-1"),
                alt.Tooltip("macs:Q", format=",", title="MACs"), alt.Tooltip("params:Q", format=","),
                alt.Tooltip("tested:N", title="top-1 of"),
            ],
        )
    )  # fmt: skip
    front = alt.Chart(alt.InlineData(values=fronts)).transform_filter("datum.until == year")
    line = front.mark_line(opacity=0.6, strokeDash=[4, 3], strokeWidth=1.2).encode(x=x, y=y, order="macs:Q")
    named = alt.Chart(alt.InlineData(values=rows)).transform_filter("datum.year <= year")
    if len(rows) > FEW:
        named = front.transform_filter("datum.named")
    names = named.mark_text(style="loud", fontSize=10, fontWeight="normal", dy=-9, dx=-4, align="right")
    names = names.encode(x=x, y=y, text="name:N")
    made = alt.layer(bubbles, line, names).add_params(year)
    return made.properties(width=WIDTH, height=HEIGHT, title=ACCURACY)


def _front(rows: Sequence[Mapping[str, Any]], until: int) -> list[dict[str, Any]]:
    """The front of the networks up to a year; `named` are those whose label covers no other label."""
    front = pareto([row for row in rows if row["year"] <= until and row["top1_protocol"] == ONE_CROP])
    (low, high), (least, most) = _domain(rows), (min(row["top1"] for row in rows), max(row["top1"] for row in rows))
    found, taken = list[dict[str, Any]](), list[tuple[float, float, float]]()
    for row in reversed(front):  # the most accurate first
        right = log(row["macs"] / low) / log(high / low) * WIDTH
        y, left = row["top1"] / (most - least or 1) * HEIGHT * 0.9, right - text_width(row["name"], 10)
        free = all(abs(y - other) > 11 or right < start or left > end for start, end, other in taken)
        taken += [(left, right, y)] * free
        found.append({key: row[key] for key in ("name", "macs", "top1")} | {"until": until, "named": free})
    return found[::-1]


def _domain(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Ends of the axis of MACs, with room for the first label at the left."""
    least, most = min(row["macs"] for row in rows), max(row["macs"] for row in rows)
    ratio = max(most / least, 10.0)
    return least * ratio**-0.16, most * ratio**0.07


def by_depth(networks: Sequence[tuple[str, Graph]]) -> Any:
    """MACs and parameters summed from the image to the logits, as shares of the whole, one line a network.

    The Altair chart. Depth counts layers with weights in execution order, as a share of all of them. Raises
    MissingExtra without Altair.
    """
    alt, rows, names = need("altair"), list[dict[str, Any]](), list[str]()
    for index, (name, graph) in enumerate(networks):
        times = sum(name == other for other, _ in networks[:index])
        names.append(f"{name} ({times + 1})" if times else name)
        rows += [{"network": names[-1]} | point for point in _cumulated(graph)]
    scale = alt.Scale(domain=names, range=[PALETTE[i % len(PALETTE)] for i in range(len(names))])
    colour = alt.Color("network:N", scale=scale, legend=alt.Legend(title=None, symbolStrokeWidth=3, labelLimit=200))
    share = alt.Axis(format="%", tickCount=5)
    base = alt.Chart(alt.InlineData(values=rows)).mark_line(interpolate="step-after", strokeWidth=2)
    panels = [
        base.encode(
            x=alt.X("depth:Q", axis=share, title="share of the layers with weights"),
            y=alt.Y(f"{column}:Q", axis=share, title=None), color=colour, tooltip=["network:N", "path:N"],
        ).properties(title=title, width=330, height=260)
        for column, title in (("macs", "MACs so far, share of all"), ("params", "Parameters so far, share of all"))
    ]  # fmt: skip
    return alt.hconcat(*panels, spacing=30)


def _cumulated(graph: Graph) -> list[dict[str, Any]]:
    total = cost(graph)
    weighted = sum(layer.category in ("convolution", "linear") for layer in total.layers)
    points, macs, params, depth = [{"depth": 0.0, "macs": 0.0, "params": 0.0, "path": "input"}], 0, 0, 0
    for layer in total.layers:
        macs, params = macs + layer.macs, params + layer.params
        if layer.category in ("convolution", "linear"):
            depth += 1
        if layer.macs or layer.params:
            shares = {"macs": macs / (total.macs or 1), "params": params / (total.params or 1)}
            points.append({"depth": depth / (weighted or 1), **shares, "path": layer.path})
    return points


def _steps(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Up to four round parameter counts for the legend of areas."""
    most = max(row["params"] for row in rows)
    return [step for step in (5_000_000, 25_000_000, 100_000_000, 400_000_000) if step <= 1.2 * most] or [most]
