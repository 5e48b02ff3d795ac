"""Draws what is interwoven: the parts of a tangle in ranks, every edge to be followed, and close-ups of its cells."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from convsmith.spec.nodes.conv import Conv
from convsmith.spec.nodes.joins import Add, Mul
from convsmith.views import svg as draw
from convsmith.views.blocks import FUSED
from convsmith.views.items import Part, Tangle, is_entry
from convsmith.views.labels import label_of
from convsmith.views.layered import layered
from convsmith.views.part import part
from convsmith.views.svg import GREY, RADIUS, RULE, Picture
from convsmith.views.units import short

if TYPE_CHECKING:
    from convsmith.views.painter import Painter

INKS = ("#2f6fb7", "#c2571a", "#2e8b57")
"""Lines from what is read by three or more, so that each can be told from its neighbours."""

LONGEST = 14
"""A container of more layers than this is drawn by its name."""


def woven(painter: Painter, tangle: Tangle) -> Picture:
    """The parts below each other, each with lines from what it reads."""
    graph = painter.graph
    drawn = [_box(painter, one) for one in tangle.parts]
    entered = any(is_entry(graph.rows[one.rows[0]].node) for one in tangle.parts)
    sizes = [(p.width, p.height) for p in drawn]
    edges = [(source, i) for i, one in enumerate(tangle.parts) for source in one.sources if source >= 0]
    outer = [i for i, one in enumerate(tangle.parts) if min(one.sources, default=0) < 0]
    if not entered:  # a point that stands for what comes before
        sizes = [(6.0, 0.0), *sizes]
        edges = [*((0, i + 1) for i in outer), *((a + 1, b + 1) for a, b in edges)]
    plan = layered(sizes, edges)
    places = plan.places if entered else plan.places[1:]
    axis, top = places[-1][0] + drawn[-1].width / 2, 0.0 if entered else 10.0
    ways = [*plan.ways]
    if not entered:  # the point is alone in its rank: it can stand above the exit
        ways = [
            (*((axis, y) for _, y in way[:2]), *way[2:]) if a == 0 else way
            for (a, _), way in zip(edges, plan.ways, strict=True)
        ]
    inks = _inks(edges)
    svg = "".join(draw.curve(way, inks.get(a, RULE)) for (a, _), way in zip(edges, ways, strict=True))
    svg += "".join(draw.place(p.svg, x, y) for p, (x, y) in zip(drawn, places, strict=True))
    svg = draw.place(svg, 0, top)
    if not entered:
        svg += draw.line((axis, 0), (axis, top), tip=False) + draw.dot(axis, top)
    return Picture(plan.width, plan.height + top, axis, svg)


def _inks(edges: list[tuple[int, int]]) -> dict[int, str]:
    readers = Counter(source for source, _ in edges)
    wide = [source for source in sorted(readers) if readers[source] >= 3]
    return {source: INKS[number % len(INKS)] for number, source in enumerate(wide)}


def _box(painter: Painter, one: Part) -> Picture:
    rows = [painter.graph.rows[i] for i in one.rows]
    if len(rows) == 1 and isinstance(rows[0].node, Add | Mul):
        return Picture(2.0 * RADIUS, 2.0 * RADIUS, RADIUS, draw.sign(RADIUS, RADIUS, isinstance(rows[0].node, Add)))
    if all(row.node.category in FUSED for row in rows[1:]):
        return painter.op(one.rows, wide=False)
    shape = painter.shape(one.rows[-1])
    if _is_chain(painter, one):
        title, tags = _summary(painter, one), []
        if rows[0].node.category == "activation":
            tags = [painter.tag(one.rows[0])]
        if rows[-1].node.category in FUSED:
            tags += [painter.tag(i) for i in one.rows[1:] if painter.graph.rows[i].node.category in FUSED][-1:]
        return painter.node(title, list(dict.fromkeys(tags)), shape, one.rows)
    name, last = (path.rpartition(".")[2] for path in (one.path, one.last))
    title = name if one.repeat == 1 else f"{name} … {last}"
    facts = [painter.graph.rows[i].facts for i in one.every]
    words = f"{short(sum(f.params for f in facts))} parameters · {short(sum(f.macs for f in facts))} MACs"
    words += ", each reads all before it" if one.dense else " in all" if one.repeat > 1 else ""
    return _named(title, words, shape, one)


def _named(title: str, words: str, shape: str, one: Part) -> Picture:
    """A card for a container: its name, what it costs, the shape that leaves it."""
    badge = f"×{one.repeat}" if one.repeat > 1 else ""
    tab = draw.text_width(badge, 13, bold=True) + 14 if badge else 0.0
    line = 12 + draw.text_width(words, 11) + 14 + draw.text_width(shape, 11) + 9
    width, cards = max(line, 24 + draw.text_width(title, 12.5, bold=True) + tab + 8), 5 if badge else 0
    look = f'width="{width:.1f}" height="46" rx="8" fill="#dfe5ee" stroke="#aeb6c3"'
    svg = "".join(f'<rect x="{at}" y="{at}" {look}/>' for at in ((cards, 0) if cards else (0,)))
    svg += draw.caption(12, 19, title, 12.5, bold=True) + draw.caption(12, 37, words, 11, GREY)
    svg += draw.caption(width - 9, 37, shape, 11, GREY, "end") + draw.badge(width - 5, 3, badge)
    return Picture(width + cards, 46 + cards, width / 2, svg)


def _is_chain(painter: Painter, one: Part) -> bool:
    """Whether each layer reads the one before it alone, and they are few."""
    follows = (painter.graph.rows[b].inputs == (a,) for a, b in zip(one.rows, one.rows[1:], strict=False))
    return len(one.rows) <= LONGEST and one.repeat == 1 and all(follows)


def _summary(painter: Painter, one: Part) -> str:
    """Layers in a row in a few words: `5×5 separable conv, 44 ×2`."""
    words: list[str] = []
    for index in one.rows:
        row = painter.graph.rows[index]
        if row.node.category in FUSED:
            continue
        word = label_of(row.node, painter.graph.sigs(row)[0])
        if words and "depthwise" in words[-1] and isinstance(row.node, Conv) and row.node.kernel in (1, (1, 1)):
            stride = words[-1].partition(", /")[2]
            kernel = words[-1].partition(" ")[0]
            words[-1] = f"{kernel} separable conv, {row.node.out}" + (f", /{stride}" if stride else "")
        else:
            words.append(word)
    plain = [word.partition(", /")[0] for word in words]
    if len(words) > 1 and len(set(plain)) == 1:
        return f"{words[0]} (×{len(words)})"
    counted = [(word, len(list(group))) for word, group in groupby(words)]
    return " → ".join(word if count == 1 else f"{word} (×{count})" for word, count in counted)


def cells(painter: Painter, tangle: Tangle) -> list[Picture]:
    """A framed close-up of every container that stands in the tangle by its name and occurs repeatedly."""
    kinds: dict[object, list[Part]] = {}
    for one in tangle.parts:
        if len(one.rows) > LONGEST and not _is_chain(painter, one):
            kinds.setdefault(_kind(painter, one), []).append(one)
    found = []
    for alike in kinds.values():
        count = sum(one.repeat for one in alike)
        if count > 1:
            inner = painter.of(part(painter.graph, alike[0].path)).whole()
            found.append(draw.frame(inner, alike[0].path, f"and {count - 1} like it", tip=False, out=False))
    return found


def _kind(painter: Painter, one: Part) -> object:
    """Equal for containers of the same layers and edges, whatever their widths and sizes."""
    start, rows = one.rows[0], (painter.graph.rows[i] for i in one.rows)
    return tuple(
        (row.kind, row.facts.window, tuple(i - start if i >= start else -1 for i in row.inputs)) for row in rows
    )
