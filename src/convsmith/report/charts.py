"""Charts as inline SVG, drawn by Vega-Lite without a browser, so that a page needs neither scripts nor a network."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from convsmith.report.extras import all_printable, need
from convsmith.views.cost import IN_PLACE
from convsmith.views.painter import COLOURS
from convsmith.views.svg import FONT

INK, GREY, GRID = "#1f2430", "#5b6472", "#e6e9ef"
SERIES = {"train": "#9aa3b2", "validation": COLOURS["convolution"]}
MOST_ROWS = 36
"""More layers than this are summed by block, so that their names stay readable."""
NUMBERED = 20
"""Up to so many classes a confusion matrix shows its counts."""
LARGEST_MATRIX = 200

SHORT = "datum.value == 0 ? '0' : format(datum.value, '~s')"
COLUMNS = (("activation_bytes", "Activation memory, bytes"), ("params", "Parameters"), ("macs", "MACs"))


def layer_costs(layers: Sequence[dict[str, Any]]) -> str:
    """Three bar charts on one layer axis: activation memory (float32, one image), parameters, MACs.

    Element-wise layers and reshapes are left out, as they can work in place.
    """
    alt, rows = need("altair"), _by_block([row for row in layers if row["category"] not in (*IN_PLACE, "shape")])
    present = [category for category in COLOURS if any(row["category"] == category for row in rows)]
    scale = alt.Scale(domain=present, range=[COLOURS[category] for category in present])
    base = alt.Chart(alt.InlineData(values=rows)).mark_bar(cornerRadiusEnd=2)
    shared = alt.Y(
        "path:N", sort=None, title=None, axis=alt.Axis(labelLimit=180, labelPadding=6, ticks=False, domain=False)
    )
    bare = alt.Y("path:N", sort=None, title=None, axis=None)
    colour = alt.Color("category:N", scale=scale, legend=alt.Legend(orient="bottom", title=None))
    axis = alt.Axis(labelExpr=SHORT, tickCount=4, title=None)
    charts = [
        base.encode(x=alt.X(f"{column}:Q", axis=axis), y=bare if index else shared, color=colour).properties(
            title=title, width=230, height=max(90, 18 * len(rows))
        )
        for index, (column, title) in enumerate(COLUMNS)
    ]
    return inline(alt.hconcat(*charts, spacing=22))


def curve(rows: Sequence[dict[str, Any]], columns: dict[str, str], *, percent: bool = False, title: str) -> str:
    """Columns of the metrics over epochs; `columns` is column -> series ("train", "validation" or "" for one line)."""
    alt = need("altair")
    points = [
        {"epoch": row["epoch"], "value": row[column], "series": series}
        for column, series in columns.items()
        for row in rows
        if isinstance(row.get(column), int | float) and isfinite(row[column])
    ]
    named = [series for series in columns.values() if series]
    scale = alt.Scale(domain=named, range=[SERIES[series] for series in named])
    legend = alt.Legend(orient="bottom", title=None, symbolType="stroke", symbolStrokeWidth=3)
    colour = alt.Color("series:N", scale=scale, legend=legend) if named else alt.value(COLOURS["linear"])
    axis = alt.Axis(format="%" if percent else "~g", title=None, tickCount=5)
    mark = {"point": True} if len(rows) < 3 else {}
    chart = alt.Chart(alt.InlineData(values=points)).mark_line(strokeWidth=2, **mark)
    value = alt.Y("value:Q", axis=axis, scale=alt.Scale(zero=False))
    epoch = alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False, format="d"))
    return inline(chart.encode(x=epoch, y=value, color=colour).properties(title=title, width=260, height=170))


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Rows are true classes, columns predicted ones; colour is the share of the row, 0..1. "" beyond 200 classes."""
    if len(classes) > LARGEST_MATRIX:
        return ""
    alt, side = need("altair"), min(34, max(4, 560 // max(1, len(classes))))
    cells = [
        {"true": i, "predicted": j, "count": count, "share": count / (sum(row) or 1)}
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
    ]
    # positions, since two classes may shorten to the same words
    names = f"{_json(all_printable(list(classes)))}[datum.value]"
    axis = {"labelExpr": names, "labelLimit": 110, "ticks": False, "domain": False}
    axis["labelOverlap"] = len(classes) > NUMBERED
    rows = alt.Y("true:O", axis=alt.Axis(title="true class", **axis))
    columns = alt.X("predicted:O", axis=alt.Axis(title="predicted class", labelAngle=-45, orient="top", **axis))
    shade = alt.Color("share:Q", scale=alt.Scale(range=["#f4f7fb", "#1f4e8c"], domain=[0, 1]), legend=None)
    base = alt.Chart(alt.InlineData(values=cells)).encode(x=columns, y=rows)
    chart = base.mark_rect(stroke="white", strokeWidth=1 if side > 8 else 0).encode(color=shade)
    if len(classes) <= NUMBERED:
        ink = alt.condition("datum.share > 0.5", alt.value("#ffffff"), alt.value(INK))
        numbers = base.transform_filter("datum.count > 0").mark_text(fontSize=11)
        chart = chart + numbers.encode(text=alt.Text("count:Q"), color=ink)
    size = alt.Step(side)
    return inline(chart.properties(width=size, height=size))


def _by_block(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows' costs; where they are too many, summed over ever larger blocks."""
    depth = max((row["path"].count(".") + 1 for row in rows), default=1)
    while True:
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            path = ".".join(row["path"].split(".")[:depth])
            entry = found.setdefault(
                path, {"path": path, "category": row["category"], "most": -1} | dict.fromkeys(_COSTS, 0)
            )
            entry |= {column: entry[column] + row[column] for column in _COSTS}
            if row["macs"] > entry["most"]:
                entry |= {"category": row["category"], "most": row["macs"]}
        if len(found) <= MOST_ROWS or depth == 1:
            return list(found.values())
        depth -= 1


_COSTS = tuple(column for column, _ in COLUMNS)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def inline(chart: Any) -> str:
    """A chart as SVG text in the look of the pages."""
    look = {
        "background": "white",
        "font": FONT,
        "view": {"stroke": None},
        "title": {"anchor": "start", "fontSize": 13, "fontWeight": "bold", "color": INK, "offset": 10},
        "axis": {
            "labelColor": GREY,
            "titleColor": GREY,
            "gridColor": GRID,
            "domainColor": "#c3c9d3",
            "labelFontSize": 11,
        },
        "legend": {"labelColor": INK, "labelFontSize": 11},
    }
    svg: str = need("vl_convert").vegalite_to_svg(all_printable(chart.to_dict()) | {"config": look})
    return svg
