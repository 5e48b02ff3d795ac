"""The network, or one container of it, as one SVG: top-down, coloured by category, with equal blocks drawn once."""

from __future__ import annotations

from collections.abc import Sequence

from convsmith.spec.node import Category
from convsmith.spec.trace import Graph
from convsmith.views import svg as draw
from convsmith.views.cost import cost
from convsmith.views.items import Chain, Section, is_entry
from convsmith.views.painter import COLOURS, Painter
from convsmith.views.part import part
from convsmith.views.shading import DARK, LIGHT, shading
from convsmith.views.svg import FONT, GAP, GREY, Picture
from convsmith.views.units import short

LEGEND: dict[Category, str] = {category: category for category in COLOURS} | {
    "shape": "reshaping",
    "join": "join of branches",
}

NOTES = (
    "conv: kernel, channels, /stride (stride 1 where none is shown), groups",
    "shapes: channels × rows × columns of the output",
)

STEPS = 6
"""Steps of the scale of the shading."""

PAGE = 1.414
"""Long to short side of the sheet that columns are chosen for (ISO 216)."""


def diagram(graph: Graph, *, at: str = "", shade: str | None = None, expand: bool = False) -> str:
    """The network as a standalone SVG document with its own light ground, so that it reads on any page.

    at      the path of a container: it alone is drawn, as a close-up
    shade   a column of `convsmith.views.shading.SHADES`: the larger a layer's share of it, the darker its node
    expand  equal blocks in a row, which are drawn once and marked ×N, are drawn one by one

    A name is escaped, whatever it holds. Raises UnknownName for a path or column that is not there.
    """
    shown = part(graph, at) if at else graph
    painter = Painter(shown, shading(shown, shade) if shade is not None else None, expand)
    cells, foot = painter.cells(), _legend(painter)
    trunk = _close(painter) if at else painter.trunk(painter.parts[0]) if cells else _columns(painter)
    trunk = _with_cells(trunk, cells)
    title, facts = _titles(shown)
    width = max(trunk.width, foot.width, draw.text_width(title, 18, bold=True), draw.text_width(facts, 12)) + 48
    height = 72 + trunk.height + 24 + foot.height + 20
    ground = f'x="0.5" y="0.5" width="{width - 1:.1f}" height="{height - 1:.1f}" rx="14"'
    body = [
        f'<rect {ground} fill="#ffffff" stroke="#d5dae2"/>',
        draw.caption(24, 36, title, 18, bold=True),
        draw.caption(24, 55, facts, 12, GREY),
        draw.place(trunk.svg, (width - trunk.width) / 2, 72),
        draw.place(foot.svg, 24, 72 + trunk.height + 24),
    ]
    size = f'viewBox="0 0 {width:.1f} {height:.1f}" width="{width:.0f}" height="{height:.0f}" role="img"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}"><title>{draw.written(title)}</title>'
    return f"{head}{''.join(body)}</svg>\n"


def _columns(painter: Painter) -> Picture:
    """The trunk in as many columns as print largest on a page, of heights as equal as they come."""
    items = painter.parts[0]
    tall = [painter.chain((item,), wide=True).height + GAP for item in items]
    best: Picture | None = None
    for count in range(1, min(8, len(items)) + 1):
        limit = max(sum(tall) / count, *tall)
        while len(parts := _split(items, tall, limit)) > count:
            limit *= 1.02
        columns = [painter.trunk(part) for part in parts]
        found = columns[0] if count == 1 else draw.side_by_side(columns, back=False)
        if best is None or _sheet(found) < _sheet(best):
            best = found
    assert best is not None  # a chain begins with the input
    return best


def _close(painter: Painter) -> Picture:
    """A container in one column; what enters from several places stands for itself, else there is an input."""
    enters, *inner = painter.parts[0]
    while len(inner) == 1 and isinstance(only := inner[0], Section) and only.repeat == 1:
        inner = [*only.items]  # the title names it
    several = is_entry(painter.graph.rows[0].node)
    return painter.chain(tuple(inner) if several else (enters, *inner), wide=False)


def _with_cells(trunk: Picture, cells: Sequence[Picture]) -> Picture:
    """The network with close-ups of its cells to the right of it."""
    x, y, right, svg = trunk.width + 44, 0.0, trunk.width, trunk.svg
    for cell in cells:
        svg += draw.place(cell.svg, x, y)
        y, right = y + cell.height + GAP, max(right, x + cell.width)
    return Picture(right, max(trunk.height, y - GAP), trunk.axis, svg)


def _sheet(picture: Picture) -> float:
    """Long side in px of the smallest sheet, upright or lying, that holds the picture."""
    width, height = picture.width, picture.height
    return min(max(width * PAGE, height), max(width, height * PAGE))


def _split(items: Chain, tall: Sequence[float], limit: float) -> list[Chain]:
    parts: list[Chain] = [()]
    used = 0.0
    for item, height in zip(items, tall, strict=True):
        if parts[-1] and used + height > limit:
            parts, used = [*parts, ()], 0.0
        parts[-1] += (item,)
        used += height
    return parts


def _titles(graph: Graph) -> tuple[str, str]:
    total = cost(graph)
    return graph.name or "network", f"{short(total.params)} parameters · {short(total.macs)} MACs at {graph.input}"


def _legend(painter: Painter) -> Picture:
    """The categories that occur, with their colours, how to read a node, and the scale of the shading."""
    present = {row.node.category for row in painter.graph.rows if not is_entry(row.node)}
    step = 20 + max(draw.text_width(word, 11) for word in LEGEND.values()) + 6
    y, widest, svg = -20.0, 0.0, ""
    for index, category in enumerate(c for c in COLOURS if c in present):
        x, y = index % 3 * step, index // 3 * 20.0
        svg += f'<rect x="{x:.1f}" y="{y:.1f}" width="13" height="13" rx="3" fill="{COLOURS[category]}"/>'
        svg, widest = svg + draw.caption(x + 19, y + 10.5, LEGEND[category], 11), max(widest, x + step)
    for line in NOTES:
        y += 20
        svg, widest = svg + draw.caption(0, y + 10, line, 10.5, GREY), max(widest, draw.text_width(line, 10.5))
    if painter.shade is None:
        return Picture(widest, y + 16, 0, svg)
    least, most = painter.shade.words()
    x, y = draw.text_width(least, 10.5) + 6, y + 20
    svg += draw.caption(0, y + 11, least, 10.5, GREY)
    for step in range(STEPS):
        look = f'fill="{GREY}" fill-opacity="{LIGHT + (DARK - LIGHT) * step / (STEPS - 1):.3g}"'
        svg += f'<rect x="{x + 22 * step:.1f}" y="{y}" width="22" height="14" {look}/>'
    x += 22 * STEPS + 6
    return Picture(
        max(widest, x + draw.text_width(most, 10.5)), y + 16, 0, svg + draw.caption(x, y + 11, most, 10.5, GREY)
    )
