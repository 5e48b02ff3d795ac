"""A diff as one SVG: both networks side by side from top to bottom, what changed tinted, what is alike in one bar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from convsmith.spec.trace import Graph, Row
from convsmith.views import svg as draw
from convsmith.views.diff import Diff, Line, Status
from convsmith.views.diff_outline import Repeat, Run, first_path, last_path, outline, spaced, words
from convsmith.views.diff_text import title
from convsmith.views.labels import label_of
from convsmith.views.painter import COLOURS
from convsmith.views.printable import printable
from convsmith.views.svg import FONT, GREY, INK, Picture
from convsmith.views.units import short

TINTS: dict[Status, tuple[str, str]] = {
    "changed": ("#fff3d1", "#b07d00"),
    "moved": ("#e9e4fb", "#6a4bc4"),
    "added": ("#e0f4e6", "#2e8b57"),
    "removed": ("#fbe4e4", "#c0395b"),
}
"""Ground and edge."""

BOX, MIDDLE, HIGH, GAP = 262.0, 196.0, 36.0, 7.0
WIDE = 2 * BOX + MIDDLE
PAGE = 1.414
"""Long to short side of the sheet that columns are chosen for (ISO 216)."""


def diff_svg(found: Diff) -> str:
    """The picture as a standalone SVG document with its own ground. Names are escaped, whatever they hold."""
    pieces = [_piece(found, entry) for entry in outline(found)]
    body = _sheet(pieces, (found.a, found.b))
    head, foot = f"{title(found.a)}  →  {title(found.b)}", _legend(found)
    width = max(body.width, draw.text_width(head, 18, bold=True), foot.width) + 48
    height = 60 + body.height + 20 + foot.height + 18
    ground = f'x="0.5" y="0.5" width="{width - 1:.1f}" height="{height - 1:.1f}" rx="14"'
    parts = [
        f'<rect {ground} fill="#ffffff" stroke="#d5dae2"/>', draw.caption(24, 36, head, 18, bold=True),
        draw.place(body.svg, 24, 60), draw.place(foot.svg, 24, 80 + body.height),
    ]  # fmt: skip
    size = f'viewBox="0 0 {width:.1f} {height:.1f}" width="{width:.0f}" height="{height:.0f}" role="img"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}"><title>{escape(head)}</title>'
    return f"{start}{''.join(parts)}</svg>\n"


def _sheet(pieces: Sequence[Picture], graphs: tuple[Graph, Graph]) -> Picture:
    """The pieces in as many columns as print largest on a page, each under both names."""
    best: Picture | None = None
    for count in range(1, 7):
        limit = max(sum(piece.height + GAP for piece in pieces) / count, *(piece.height for piece in pieces), 1)
        columns: list[list[Picture]] = [[]]
        used = 0.0
        for piece in pieces:
            if columns[-1] and used + piece.height > limit + 1 and len(columns) < count:
                columns, used = [*columns, []], 0.0
            columns[-1].append(piece)
            used += piece.height + GAP
        found = _beside([_column(column, graphs) for column in columns])
        if best is None or _long(found) < _long(best):
            best = found
    assert best is not None  # one column is always tried
    return best


def _long(picture: Picture) -> float:
    return min(max(picture.width * PAGE, picture.height), max(picture.width, picture.height * PAGE))


def _beside(columns: Sequence[Picture]) -> Picture:
    svg = "".join(draw.place(column.svg, index * (WIDE + 44), 0) for index, column in enumerate(columns))
    return Picture(len(columns) * (WIDE + 44) - 44, max(column.height for column in columns), 0, svg)


def _column(pieces: Iterable[Picture], graphs: tuple[Graph, Graph]) -> Picture:
    svg = "".join(
        draw.caption(x, 12, fitted(printable(graph.name) or word, 12.5, BOX), 12.5, INK, bold=True)
        for graph, x, word in zip(graphs, (0.0, BOX + MIDDLE), ("A", "B"), strict=True)
    )
    y = 24.0
    for piece in pieces:
        svg += draw.place(piece.svg, 0, y)
        y += piece.height + GAP
    return Picture(WIDE, y - GAP, 0, svg)


def _piece(found: Diff, entry: Run | Line | Repeat) -> Picture:
    if isinstance(entry, Run):
        return _run(entry)
    if isinstance(entry, Line):
        return _line(found, entry)
    y, svg = 6.0, ""
    for piece in (_piece(found, inner) for inner in entry.entries):
        svg += draw.place(piece.svg, 0, y)
        y += piece.height + GAP
    words_ = fitted(f"×{entry.times}, to {entry.last}", 11, WIDE - 20)
    frame = f'x="-9" y="0" width="{WIDE + 18}" height="{y + 19:.1f}" rx="9"'
    svg = f'<rect {frame} fill="none" stroke="#aeb6c3" stroke-dasharray="5 4"/>{svg}'
    return Picture(WIDE, y + 19, 0, svg + draw.caption(WIDE / 2, y + 11, words_, 11, INK, "middle", bold=True))


def _run(run: Run) -> Picture:
    """One slim bar across both networks; the names of its layers on hovering."""
    first, last = first_path(run), last_path(run)
    said = fitted(f"{run.words} · {first if first == last else f'{first} … {last}'}", 10.5, WIDE - 24)
    hint = escape("\n".join(printable(line.row.path) for line in run.lines))
    bar = f'<g><title>{hint}</title><rect width="{WIDE}" height="20" rx="6" fill="#f3f5f9" stroke="#dfe3ea"/>'
    return Picture(WIDE, 20, 0, bar + draw.caption(WIDE / 2, 14, said, 10.5, GREY, "middle") + "</g>")


def _line(found: Diff, line: Line) -> Picture:
    ground, edge = TINTS[line.status]
    said = words(line.changes) if line.changes else line.status
    told = _broken(f"{'moved, ' * (line.status == 'moved')}{said}", 10.5, MIDDLE - 24)
    high = max(HIGH, 13.0 * len(told) + 6)
    y = (high - HIGH) / 2
    svg = "".join(
        draw.place(_box(graph, row, ground, edge) if row else _nothing(), x, y)
        for graph, row, x in ((found.a, line.a, 0.0), (found.b, line.b, BOX + MIDDLE))
    )
    top = high / 2 - 6.5 * len(told) + 10
    for index, piece in enumerate(told):
        svg += draw.caption(BOX + MIDDLE / 2, top + 13 * index, spaced(piece), 10.5, edge, "middle", bold=True)
    return Picture(WIDE, high, 0, svg)


def _box(graph: Graph, row: Row, ground: str, edge: str) -> str:
    stripe, out = COLOURS[row.node.category], str(row.out)
    label = label_of(row.node, graph.sigs(row)[0]) if row.inputs else row.kind
    path = fitted(printable(row.path), 10, BOX - 26 - draw.text_width(out, 10.5))
    hint = f"{row.path}: {row.kind}, {row.facts.params:,} parameters, {row.facts.macs:,} MACs"
    look = f'width="{BOX}" height="{HIGH}" rx="6"'
    return (
        f'<g><title>{escape(printable(hint))}</title><rect {look} fill="{ground}" stroke="{edge}"/>'
        f'<rect x="4" y="5" width="4" height="{HIGH - 10}" rx="2" fill="{stripe}"/>'
        + draw.caption(14, 15, fitted(printable(label), 11.5, BOX - 22, bold=True), 11.5, bold=True)
        + draw.caption(14, 29, path, 10, GREY)
        + draw.caption(BOX - 8, 29, out, 10.5, GREY, "end")
        + "</g>"
    )


def _nothing() -> str:
    return (
        f'<rect x="0.5" y="0.5" width="{BOX - 1}" height="{HIGH - 1}" rx="6" fill="none" stroke="#ccd2db" '
        'stroke-dasharray="4 4"/>'
    )


def _legend(found: Diff) -> Picture:
    """The tints that occur, and both totals."""
    x, svg = 0.0, ""
    for status, (ground, edge) in TINTS.items():
        if count := found.counts[status]:
            svg += f'<rect x="{x:.1f}" y="0" width="13" height="13" rx="3" fill="{ground}" stroke="{edge}"/>'
            svg += draw.caption(x + 19, 11, f"{count} {status}", 11)
            x += 34 + draw.text_width(f"{count} {status}", 11)
    alike = found.counts["equal"] + found.counts["resized"]
    resized = found.counts["resized"]
    svg += draw.caption(x, 11, f"{alike} alike" + (f", {resized} of them at another size" if resized else ""), 11)
    totals = {name: (before, after) for name, before, after in found.totals}
    facts = " · ".join(
        f"{name}: {short(totals[key][0])} → {short(totals[key][1])}"
        for key, name in (("params", "parameters"), ("macs", "MACs"), ("activations", "activations, all outputs"))
    )
    return Picture(max(x + 260, draw.text_width(facts, 11)), 34, 0, svg + draw.caption(0, 31, facts, 11, GREY))


def fitted(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, with its middle left out where it is wider than `room` px."""
    if draw.text_width(text, size, bold=bold) <= room:
        return text
    keep = len(text) - 1
    while keep > 2 and draw.text_width(f"{text[: keep // 2]}…{text[-(keep // 2) :]}", size, bold=bold) > room:
        keep -= 1
    return f"{text[: keep // 2]}…{text[-(keep // 2) :]}"


def _broken(text: str, size: float, room: float) -> list[str]:
    """The text in lines of at most `room` px; a single word that is wider loses its middle."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.text_width(longer, size, bold=True) > room:
            lines.append(fitted(word, size, room, bold=True))
        else:
            lines[-1] = longer if lines[-1] else fitted(word, size, room, bold=True)
    return lines
