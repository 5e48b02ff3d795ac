"""Charts of one network: cost by layer, receptive field along depth, memory over time.

Each chart has a function for its data, plain rows that equal the views' numbers, and one that draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import ceil
from typing import Any

from convsmith.report.charts import COLUMNS, SHORT
from convsmith.report.extras import need
from convsmith.spec.trace import INPUT, Graph
from convsmith.views.cost import FREE
from convsmith.views.memory import MemoryPlan, stages
from convsmith.views.memory.report import PHASES
from convsmith.views.painter import COLOURS
from convsmith.views.receptive_field import receptive_field
from convsmith.views.stages import trunk
from convsmith.views.svg import text_width
from convsmith.views.units import short

MOST_ROWS = 60
"""More layers than this are gathered by module, so that a chart stays one page long."""

WIDTH, HEIGHT = 760, 340
APART = 17
"""px from one slanted name to the next, below which they would touch."""

GROWS = ("convolution", "linear", "pooling")
"""Categories that count as a step of depth."""

PATHS = (("along all paths", "size"), ("along the shortest path", "least"))


def cost_rows(layers: Sequence[dict[str, Any]], depth: int | None = None) -> list[dict[str, Any]]:
    """`path, category, activation_bytes, params, macs` of each layer, or module of `depth` path segments and category.

    layers  as `describe` has them
    depth   None: as deep as leaves at most `MOST_ROWS` paths; where even the outermost are more, they are binned

    Element-wise layers and reshapes hold no activation of their own, as they can work in place: memory adds up to
    `Cost.in_place_activations` less the input. Paths at which all three are nothing are left out.
    """
    paths = [row["path"].split(".") for row in layers]
    deepest = max(map(len, paths))
    for level in [depth] if depth else range(deepest, 0, -1):
        named = [".".join(path[:level]) for path in paths]
        found = _sums(layers, named)
        if len({row["path"] for row in found}) <= MOST_ROWS:
            return found
    return found if depth else _sums(layers, _binned(named, {row["path"] for row in found}))


def cost_chart(found: dict[str, Any], depth: int | None = None) -> Any:
    """Three columns of bars on one layer axis, coloured by category; `found` is what `describe` found."""
    alt, rows = need("altair"), cost_rows(found["layers"], depth)
    present = [category for category in COLOURS if any(row["category"] == category for row in rows)]
    scale = alt.Scale(domain=present, range=[COLOURS[category] for category in present])
    colour = alt.Color("category:N", scale=scale, legend=alt.Legend(orient="bottom", title=None, columns=8))
    paths = list(dict.fromkeys(row["path"] for row in rows))
    names = alt.Axis(labelLimit=260, labelPadding=6, ticks=False, domain=False, labelOverlap=False)
    base = alt.Chart(alt.InlineData(values=rows)).mark_bar(cornerRadiusEnd=2)
    charts: list[Any] = []
    for column, heading in COLUMNS:
        total = short(sum(row[column] for row in rows), "B" if column.endswith("bytes") else "")
        layer = alt.Y("path:N", sort=paths, title=None, axis=None if charts else names)
        value = alt.X(f"{column}:Q", axis=alt.Axis(labelExpr=SHORT, tickCount=4, title=None))
        tips = [alt.Tooltip("path:N"), alt.Tooltip("category:N"), alt.Tooltip(f"{column}:Q", format=",")]
        chart = base.encode(x=value, y=layer, color=colour, tooltip=tips)
        title = f"{heading.partition(',')[0]}: {total}"
        charts.append(chart.properties(title=title, width=230, height=alt.Step(18)))
    images = "one image" if found["batch"] == 1 else f"{found['batch']} images"
    words = f"{images}, {found['dtype']}; element-wise layers work in place and hold no activation of their own"
    return alt.hconcat(*charts, spacing=24).properties(title=_title(f"Cost of {found['name']} by layer", words))


def field_rows(graph: Graph) -> list[dict[str, Any]]:
    """`path, category, depth, rows, cols, size, least, jump, whole, trunk` of each row; auxiliary heads are left out.

    depth  convolutions, linear layers and pools on the longest path from the image up to here
    size   of the field in px, along its longer axis; `rows` and `cols` are both, `least` that along the shortest path
    trunk  whether every path from the image to the output leads through this row
    """
    depths: dict[int, int] = {INPUT: 0}
    found = []
    always = trunk(graph)
    for index, (row, field) in enumerate(zip(graph.rows, receptive_field(graph), strict=True)):
        depths[index] = max(depths[source] for source in row.inputs) + (row.node.category in GROWS)
        if row.tap is None:
            found.append({
                "path": row.path, "category": row.node.category, "depth": depths[index],
                "rows": field.rows.size, "cols": field.cols.size, "size": max(field.size), "least": max(field.least),
                "jump": float(max(field.rows.jump, field.cols.jump)), "whole": field.whole, "trunk": index in always,
            })  # fmt: skip
    return found


def field_chart(graph: Graph) -> Any:
    """The receptive field over depth: a line through the trunk, another along the shortest path, a dot a layer."""
    alt, rows = need("altair"), field_rows(graph)
    image = max(graph.input.rows, graph.input.cols)
    last, top = max(row["depth"] for row in rows), max(image, *(row["size"] for row in rows))
    words = "convolutions, linear layers and pools on the longest path"
    axis = alt.Axis(title=words, grid=False, format="d", tickMinStep=1, tickCount=min(10, last))
    x = alt.X("depth:Q", scale=alt.Scale(domain=[0, last], nice=False), axis=axis)
    scale = alt.Scale(domain=[0, top * 1.06], nice=False)
    y = alt.Y("size:Q", scale=scale, axis=alt.Axis(title="receptive field, px", domain=False))
    dots = [row for row in rows if row["category"] in (*GROWS, "join")]
    present = [category for category in COLOURS if any(row["category"] == category for row in dots)]
    colours = alt.Scale(domain=present, range=[COLOURS[category] for category in present])
    tips = ["path:N", "category:N", "depth:Q", "rows:Q", "cols:Q", "least:Q", "jump:Q", "whole:N"]
    points = alt.Chart(alt.InlineData(values=dots)).mark_circle(size=34, opacity=0.8)
    points = points.encode(x=x, y=y, tooltip=tips, color=alt.Color("category:N", scale=colours, legend=_legend(alt)))
    dashes = alt.Scale(domain=[words for words, _ in PATHS], range=[[1, 0], [5, 4]])
    line = alt.Chart(alt.InlineData(values=_field_lines(rows))).mark_line(strokeWidth=1.5)
    line = line.encode(
        x=x, y=y, order="order:Q", strokeDash=alt.StrokeDash("along:N", scale=dashes, legend=_legend(alt))
    )
    marks = _landmarks(alt, [(row["depth"], row["path"]) for row in rows if row["category"] in GROWS], graph, last)
    chart = alt.layer(*marks, *_level(alt, image, scale), line, points)
    whole = next((row["path"] for row in rows if row["whole"]), None)
    seen = f"from {whole} on, units see the whole image" if whole else "no unit sees the whole of a large image"
    title = _title(f"Receptive field of {graph.name} along depth", seen)
    return chart.properties(width=WIDTH, height=HEIGHT, title=title)


def memory_rows(plan: MemoryPlan, batch: int = 1) -> list[dict[str, Any]]:
    """`step, path, phase, fixed, batch, bytes, peak` of each moment; bytes of `batch` images, `peak` at one of them."""
    at = plan.moments.index(plan.peak(batch))
    return [
        {
            "step": step, "path": moment.path, "phase": moment.phase, "fixed": moment.fixed,
            "batch": batch * moment.image, "bytes": moment.bytes(batch), "peak": step == at,
        }
        for step, moment in enumerate(plan.moments)
    ]  # fmt: skip


def memory_chart(graph: Graph, plan: MemoryPlan, batch: int = 1, what: str = "inference") -> Any:
    """Activation memory over time; below, on its own scale, what the batch does not change; the peak of both marked."""
    alt, rows = need("altair"), memory_rows(plan, batch)
    last, training = max(1, len(rows) - 1), bool(plan.kept)
    peak = next(row for row in rows if row["peak"])
    rest = "weights, gradients, optimiser's state" if training else "weights and buffers"
    activations = _area(alt, rows, "batch", last, HEIGHT, COLOURS["convolution"])
    fixed = _area(alt, rows, "fixed", last, HEIGHT // 4, "#8b94a3")
    places = [(row["step"], row["path"]) for row in rows if row["phase"] == "forward"]
    above = [activations, *_landmarks(alt, places, graph, last), *_phases(alt, rows, last)]
    upper = alt.layer(*above, *_peak(alt, peak, last, training=training))
    mark = alt.Chart(alt.InlineData(values=[peak])).mark_rule(color=COLOURS["pooling"]).encode(x="step:Q")
    lower = alt.layer(fixed, mark).properties(title=_heading(alt, f"{rest}, which the batch does not change"))
    upper = upper.properties(title=_heading(alt, "activations and their gradients" if training else "activations"))
    images = "one image" if batch == 1 else f"a batch of {batch}"
    title = _title(f"Memory of {graph.name} over time: {what}", f"{images}, float32; layers in the order of time")
    return alt.vconcat(upper, lower, spacing=12).properties(title=title)


def landmarks(places: Sequence[tuple[int, str]], graph: Graph, last: int) -> list[tuple[int, str]]:
    """(x, path) of the stages, or of all layers where there are none; of two that would touch, of the longer alone.

    places  (x, path) of layers on an axis from 0 to `last` that is `WIDTH` px wide
    """
    found: list[tuple[int, int, str]] = []
    for name in stages(graph) or list(dict.fromkeys(path for _, path in places)):
        inside = [x for x, path in places if path == name or path.startswith(f"{name}.")]
        if inside:
            found.append((max(inside) - min(inside), min(inside), name))
    marks: list[tuple[int, str]] = []
    for _, x, name in sorted(found, key=lambda stage: -stage[0]):
        if all(abs(x - other) * WIDTH / last >= APART for other, _ in marks):
            marks.append((x, name))
    return sorted(marks)


def peak_words(moment: dict[str, Any], *, training: bool) -> str:
    """`peak at layer1.0.downsample.1: 11.04 MB, 113.5 MB in all`; of a training step also in which pass."""
    where = f"{moment['path']}{PHASES[moment['phase']]}" if training else moment["path"]
    return f"peak at {where}: {short(moment['batch'], 'B')}, {short(moment['bytes'], 'B')} in all"


def _sums(layers: Sequence[dict[str, Any]], named: Sequence[str]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for row, path in zip(layers, named, strict=True):
        start = {"path": path, "category": row["category"]} | dict.fromkeys([name for name, _ in COLUMNS], 0)
        entry = sums.setdefault((path, row["category"]), start)
        for column, _ in COLUMNS:
            if column != "activation_bytes" or row["category"] not in FREE:
                entry[column] += row[column]
    return [entry for entry in sums.values() if any(entry[column] for column, _ in COLUMNS)]


def _binned(named: Sequence[str], shown: set[str]) -> list[str]:
    """As many neighbours under one name as leaves `MOST_ROWS` of those that are shown."""
    order = [path for path in dict.fromkeys(named) if path in shown]
    size = ceil(len(order) / MOST_ROWS)
    bins = [order[start : start + size] for start in range(0, len(order), size)]
    name = {path: f"{group[0]} to {group[-1]}" if len(group) > 1 else path for group in bins for path in group}
    return [name.get(path, path) for path in named]


def _field_lines(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points of two lines along the trunk, from the image's single pixel on."""
    start = {"depth": 0, "size": 1, "least": 1}
    way = [start, *(row for row in rows if row["trunk"])]
    return [
        {"along": along, "order": order, "depth": row["depth"], "size": row[column]}
        for along, column in PATHS
        for order, row in enumerate(way)
    ]


def _landmarks(alt: Any, places: Sequence[tuple[int, str]], graph: Graph, last: int) -> list[Any]:
    """The landmarks' names, slanted above the plot, and a line at each."""
    marks = [{"x": x, "words": _brief(name)} for x, name in landmarks(places, graph, last)]
    base = alt.Chart(alt.InlineData(values=marks)).encode(x="x:Q")
    text = base.mark_text(angle=315, align="left", baseline="middle", dy=-7, limit=150)
    return [base.mark_rule(strokeDash=[2, 3]), text.encode(y=alt.value(0), text="words:N")]


def _brief(path: str) -> str:
    """The path's last name; of a number also the name before: `denseblock1`, `features.3`."""
    parts = path.split(".")
    return ".".join(parts[-2:] if parts[-1].isdecimal() else parts[-1:])


def _area(alt: Any, rows: Sequence[dict[str, Any]], column: str, last: int, height: int, colour: str) -> Any:
    top = max(row[column] for row in rows)
    axis = alt.Axis(title=None, labels=False, ticks=False, grid=False)
    x = alt.X("step:Q", scale=alt.Scale(domain=[0, last], nice=False), axis=axis)
    label = SHORT.removesuffix(")") + ") + 'B'"
    axis = alt.Axis(title=None, labelExpr=label, domain=False, tickCount=max(2, height // 50))
    y = alt.Y(f"{column}:Q", scale=alt.Scale(domain=[0, top * 1.2 or 1], nice=False), axis=axis)
    tips = ["path:N", "phase:N", alt.Tooltip("bytes:Q", format=","), alt.Tooltip(f"{column}:Q", format=",")]
    area = alt.Chart(alt.InlineData(values=rows)).mark_area(interpolate="step", opacity=0.85, color=colour)
    return area.encode(x=x, y=y, tooltip=tips).properties(width=WIDTH, height=height)


def _phases(alt: Any, rows: Sequence[dict[str, Any]], last: int) -> list[Any]:
    """Where a training step turns back, a line, and the names of the passes that have room for one."""
    found: list[dict[str, Any]] = []
    step = 0
    for phase, group in groupby(rows, key=lambda row: "backward" if row["phase"] == "again" else row["phase"]):
        width = len(list(group))
        found.append({"from": step, "middle": step + width / 2, "words": f"{phase} pass", "share": width / (last + 1)})
        step += width
    wide = [phase for phase in found if phase["share"] > 0.2]
    if len(wide) < 2:
        return []
    text = alt.Chart(alt.InlineData(values=wide)).mark_text(baseline="top")
    turn = alt.Chart(alt.InlineData(values=wide[1:])).mark_rule(strokeWidth=1.5)
    return [turn.encode(x="from:Q"), text.encode(x="middle:Q", y=alt.value(6), text="words:N")]


def _peak(alt: Any, peak: dict[str, Any], last: int, *, training: bool) -> list[Any]:
    words, at = peak_words(peak, training=training), peak["step"] / last * WIDTH
    right = text_width(words, 12, bold=True) + 12 <= WIDTH - at or at < WIDTH / 2
    base = alt.Chart(alt.InlineData(values=[peak | {"words": words}])).encode(x=alt.X("step:Q"), y=alt.Y("batch:Q"))
    look = {"align": "left", "dx": 9, "limit": WIDTH - at} if right else {"align": "right", "dx": -9, "limit": at}
    rule = alt.Chart(alt.InlineData(values=[peak])).mark_rule(color=COLOURS["pooling"]).encode(x="step:Q")
    dot = base.mark_circle(size=80, opacity=1, color=COLOURS["pooling"])
    return [rule, dot, base.mark_text(style="loud", dy=-11, **look).encode(text="words:N")]


def _level(alt: Any, image: int, scale: Any) -> list[Any]:
    """The image's own size, a dashed line across."""
    base = alt.Chart(alt.InlineData(values=[{"size": image, "words": f"the image, {image} px"}]))
    base = base.encode(y=alt.Y("size:Q", scale=scale))
    text = base.mark_text(align="left", dx=6, dy=-7).encode(x=alt.value(0), text="words:N")
    return [base.mark_rule(strokeDash=[6, 4]), text]


def _heading(alt: Any, words: str) -> Any:
    return alt.TitleParams(text=words, fontWeight="normal", fontSize=12, offset=6)


def _legend(alt: Any) -> Any:
    return alt.Legend(orient="bottom", title=None, labelLimit=400)


def _title(text: str, subtitle: str) -> Any:
    return need("altair").TitleParams(text=text, subtitle=subtitle, fontSize=15, subtitlePadding=5, offset=16)
