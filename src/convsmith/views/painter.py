"""Draws the structure of a graph: nodes, branches, blocks, auxiliary heads, each as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from convsmith.spec.node import Category
from convsmith.spec.nodes.joins import Add, Mul
from convsmith.spec.nodes.regularise import DropPath, Regulariser
from convsmith.spec.trace import Graph, Row
from convsmith.views import svg as draw
from convsmith.views.blocks import FUSED, structure
from convsmith.views.items import (
    Chain,
    Fork,
    Head,
    Item,
    Op,
    Section,
    Tangle,
    Towers,
    is_entry,
    is_stage,
    output_of,
    rows_of,
    trunk_ops,
)
from convsmith.views.labels import label_of
from convsmith.views.shading import Shading
from convsmith.views.svg import GAP, GREY, JOIN, RADIUS, Picture
from convsmith.views.towers import towers
from convsmith.views.woven import cells, woven

COLOURS: dict[Category, str] = {
    "convolution": "#2f6fb7",
    "linear": "#c2571a",
    "normalisation": "#8a5bb0",
    "activation": "#2e8b57",
    "pooling": "#c0395b",
    "regularisation": "#7d8590",
    "shape": "#3a8fa3",
    "join": JOIN,
}


DIVIDING = (Fork, Tangle, Towers)
"""Items that begin where a line divides, so that no arrow leads there."""


@dataclass(frozen=True)
class Painter:
    """Draws one graph. `shade` tints nodes by their share of a cost, `expand` draws equal blocks one by one."""

    graph: Graph
    shade: Shading | None = None
    expand: bool = False
    _drawn: dict[object, Picture] = field(default_factory=dict)

    @cached_property
    def parts(self) -> tuple[Chain, tuple[Head, ...]]:
        """The trunk and the auxiliary heads."""
        return structure(self.graph, expand=self.expand)

    @cached_property
    def ends(self) -> dict[int, int]:
        """Row of the first of equal blocks -> the same row of the last."""
        found: dict[int, int] = {}
        todo = [*self.parts[0], *(item for head in self.parts[1] for item in head.items)]
        while todo:
            item = todo.pop()
            if isinstance(item, Section):
                found |= zip(rows_of(item), item.ends, strict=True) if item.ends else ()
                todo += item.items
            elif isinstance(item, Fork):
                todo += [inner for branch in item.branches for inner in branch]
        return found

    def of(self, graph: Graph) -> Painter:
        """A painter of another graph, with the same wishes."""
        return Painter(graph, self.shade.of(graph, self.graph.rows) if self.shade else None, self.expand)

    def whole(self) -> Picture:
        """The graph in one column, without its input."""
        return self.chain(self.parts[0][1:], wide=False)

    @cached_property
    def tabs(self) -> tuple[float, float]:
        """In nodes outside of branches: x of the fused layers' labels, and width of the node."""
        words = [self._words(item.rows) for item in trunk_ops(self.parts[0])]
        tab = 14 + max(draw.text_width(title, 12.5, bold=True) for title, *_ in words) + 8
        tags = max(draw.pills_width(tags) for _, tags, *_ in words)
        return tab, max(260.0, tab + tags + 12 + max(draw.text_width(shape, 11) for *_, shape, _ in words) + 9)

    def cells(self) -> list[Picture]:
        """Close-ups of the cells that the trunk shows by their names."""
        return [cell for item in self.parts[0] if isinstance(item, Tangle) for cell in cells(self, item)]

    def trunk(self, items: Chain) -> Picture:
        """A part of the network, with the auxiliary heads that read it to the right of everything else."""
        whole, free, y, right = self.chain(items, wide=True), 0.0, 0.0, 0.0
        for item in items:
            y += self.chain((item,), wide=True).height + GAP
            for head in (head for head in self.parts[1] if head.source in (*rows_of(item), output_of(item))):
                right = right if 0 < free < y else whole.width
                inside = head.source != output_of(item)
                whole, free = self._beside(whole, head, y - GAP / 2, right, inside=inside)
        return whole

    def _beside(self, main: Picture, head: Head, y: float, right: float, *, inside: bool) -> tuple[Picture, float]:
        """The head to the right of `right`, read from the trunk at y; and the y below which its column is free."""
        note = f"training only, reads {self.graph.rows[head.source].path}" if inside else "training only"
        box, x, top = draw.frame(self.chain(head.items, wide=False), head.path, note, dashed=True), right + 30, y + GAP
        svg = draw.dot(main.axis, y) + draw.line((main.axis, y), (x + box.axis, y), (x + box.axis, top), dashed=True)
        width, height = max(main.width, x + box.width), max(main.height, top + box.height)
        svg += draw.line((main.axis, main.height), (main.axis, height), tip=False) if height > main.height else ""
        return Picture(width, height, main.axis, main.svg + svg + draw.place(box.svg, x, top)), top + box.height + GAP

    def chain(self, items: Chain, *, wide: bool, frame: str = "") -> Picture:
        """Items below each other on one axis; inside the container `frame`, paths are given from there."""
        drawn = [self._item(item, wide, frame) for item in items]
        axis, y, svg = max((p.axis for p in drawn), default=0.0), 0.0, ""
        right = max((p.width - p.axis for p in drawn), default=0.0)
        for index, (item, picture) in enumerate(zip(items, drawn, strict=True)):
            svg += draw.line((axis, y - GAP), (axis, y), tip=not isinstance(item, DIVIDING)) if index else ""
            svg += draw.place(picture.svg, axis - picture.axis, y)
            y += picture.height + GAP
        return Picture(axis + right, max(0.0, y - GAP), axis, svg)

    def _item(self, item: Item, wide: bool, frame: str) -> Picture:
        key = (id(item), wide, frame)  # the structure keeps its items alive
        if key not in self._drawn:
            self._drawn[key] = self._draw(item, wide, frame)
        return self._drawn[key]

    def _draw(self, item: Item, wide: bool, frame: str) -> Picture:
        if isinstance(item, Op):
            return self.op(item.rows, wide=wide)
        if isinstance(item, Section):
            return self._section(item, wide, frame)
        if isinstance(item, Tangle):
            return woven(self, item)
        if isinstance(item, Towers):
            return towers(self, item)
        join = self.graph.rows[item.join].node
        return self._glyph(item, frame) if isinstance(join, Add | Mul) else self._bar(item, frame)

    def op(self, rows: Sequence[int], *, wide: bool) -> Picture:
        """A layer and what is fused into it; `wide` is one line, for the trunk, else there are two."""
        title, tags, shape, _ = self._words(rows)
        if not wide:
            return self.node(title, tags, shape, rows)
        tab, width = self.tabs
        svg = draw.caption(14, 19, title, 12.5, bold=True) + draw.pills(tab, 7, tags)
        svg += draw.caption(width - 9, 19, shape, 11, self._ink, "end")
        return Picture(width, 30, width / 2, self._ground(rows, width, 30, svg))

    def node(self, title: str, tags: list[tuple[str, str]], shape: str, rows: Sequence[int]) -> Picture:
        """A node of two lines for these rows: its title, then the fused layers and the shape."""
        second = 14 + draw.pills_width(tags) + 8 + draw.text_width(shape, 11) + 9
        width = max(14 + draw.text_width(title, 12.5, bold=True) + 9, second)
        svg = draw.caption(14, 19, title, 12.5, bold=True) + draw.pills(14, 25, tags)
        svg += draw.caption(width - 9, 36, shape, 11, self._ink, "end")
        return Picture(width, 44, width / 2, self._ground(rows, width, 44, svg))

    @property
    def _ink(self) -> str:
        """Of shapes: dark enough for a dark ground where there may be one."""
        return draw.INK if self.shade else GREY

    def _ground(self, rows: Sequence[int], width: float, height: float, svg: str) -> str:
        """The box of a node around what is written in it, tinted and with a tip of all its layers."""
        if not rows or is_entry(self.graph.rows[rows[0]].node):
            return f"<g>{draw.box(width, height, GREY)}{svg}</g>"
        colour = COLOURS[self._head(rows).node.category]
        tint = self.shade.tint(rows) if self.shade else draw.TINT
        return f"<g><title>{draw.written(self._hint(rows))}</title>{draw.box(width, height, colour, tint)}{svg}</g>"

    def _head(self, rows: Sequence[int]) -> Row:
        """The row that gives a node its colour: the first that is fused into none."""
        found = (self.graph.rows[row] for row in rows)
        return next((row for row in found if row.node.category not in FUSED), self.graph.rows[rows[0]])

    def shape(self, row: int) -> str:
        """The output's shape; where equal blocks differ in channels, those of the first and the last."""
        first, last = (str(self.graph.rows[i].out) for i in (row, self.ends.get(row, row)))
        if first == last:
            return first
        pairs = zip(first.split("×"), last.split("×"), strict=True)
        return "×".join(a if a == b else f"{a}…{b}" for a, b in pairs)

    def _words(self, rows: Sequence[int]) -> tuple[str, list[tuple[str, str]], str, str]:
        if not rows:
            return "input", [], str(self.graph.input), GREY
        head, *rest = (self.graph.rows[row] for row in rows)
        tags = [self.tag(index) for index, row in zip(rows[1:], rest, strict=True) if not _idle(row)]
        return self.label(rows[0]), tags, self.shape(rows[-1]), COLOURS[head.node.category]

    def _hint(self, rows: Sequence[int]) -> str:
        lines = []
        for row in (self.graph.rows[index] for index in rows):
            window = row.facts.window
            more = f", kernel {window.kernel}, stride {window.stride}, pad {window.pad}" if window else ""
            lines.append(f"{row.path}: {row.kind}, {row.facts.params:,} parameters, {row.facts.macs:,} MACs{more}")
        return "\n".join(lines)

    def _glyph(self, fork: Fork, frame: str) -> Picture:
        """Sum or product: the first branch straight on, the others around it to the right."""
        main, *others = (self.chain(branch, wide=False, frame=frame) for branch in fork.branches)
        sides = [picture if branch else None for picture, branch in zip(others, fork.branches[1:], strict=True)]
        row = self.graph.rows[fork.join]
        shape = self.shape(output_of(fork))
        axis = max(main.axis, draw.text_width(shape, 11) + RADIUS + 8)
        body = max([main.height, 36.0, *(side.height for side in sides if side)])
        meet = 26 + body + GAP + RADIUS
        svg, x = draw.dot(axis, 8), axis + max(main.width - main.axis, RADIUS + 4) + 20
        for side in sides:
            svg, x = svg + self._side(side, axis, x, body, meet), x + (side.width + 20 if side else 38)
        ends = ((axis, 26), (axis, 26 + main.height)) if fork.branches[0] else ((axis, 8), (axis, 8))
        svg += draw.line((axis, 0), ends[0], tip=bool(fork.branches[0])) + draw.line(ends[1], (axis, meet - RADIUS))
        svg += draw.place(main.svg, axis - main.axis, 26)
        svg += draw.sign(axis, meet, isinstance(row.node, Add))
        svg += draw.caption(axis - RADIUS - 6, meet + 4, shape, 11, GREY, "end")
        return self._tail(fork, Picture(x - 14, meet + RADIUS, axis, svg))

    def _side(self, side: Picture | None, axis: float, x: float, body: float, meet: float) -> str:
        if side is None:
            line = x + 8
            around = draw.line((axis, 8), (line, 8), (line, meet), (axis + RADIUS, meet))
            return (
                around
                + f'<g transform="translate({line + 5:.1f} {26 + body / 2 - 15:.1f}) rotate(90)">'
                + draw.caption(0, 0, "skip", 11, GREY)
                + "</g>"
            )
        line, top = x + side.axis, 26 + (body - side.height) / 2
        before, after = (
            draw.line((axis, 8), (line, 8), (line, top)),
            draw.line((line, top + side.height), (line, meet), (axis + RADIUS, meet)),
        )
        return before + after + draw.place(side.svg, x, top)

    def _tail(self, fork: Fork, picture: Picture) -> Picture:
        tags = [self.tag(row) for row in fork.tail]
        if not tags:
            return picture
        width = draw.pills_width(tags)
        axis = max(picture.axis, width / 2)
        svg = draw.place(picture.svg, axis - picture.axis, 0) + draw.pills(axis - width / 2, picture.height + 8, tags)
        svg += draw.line((axis, picture.height), (axis, picture.height + 8), tip=False)
        return Picture(max(picture.width - picture.axis, width / 2) + axis, picture.height + 24, axis, svg)

    def tag(self, row: int) -> tuple[str, str]:
        """Words and colour of a fused layer."""
        return self.label(row), COLOURS[self.graph.rows[row].node.category]

    def label(self, row: int) -> str:
        """A layer in a few words; without the rate of stochastic depth, which differs in blocks that count as equal."""
        node = self.graph.rows[row].node
        return "drop path" if isinstance(node, DropPath) else label_of(node, self.graph.sigs(self.graph.rows[row])[0])

    def _bar(self, fork: Fork, frame: str) -> Picture:
        """Concatenation: branches side by side on one bar."""
        skip = Picture(56, 0, 28, "")
        drawn = [self.chain(branch, wide=False, frame=frame) if branch else skip for branch in fork.branches]
        title, tags, shape, colour = self._words((fork.join, *fork.tail))
        total = sum(picture.width for picture in drawn) + GAP * (len(drawn) - 1)
        tab = 14 + draw.text_width(title, 12.5, bold=True) + 8
        width = max(total, tab + draw.pills_width(tags) + 8 + draw.text_width(shape, 11) + 9)
        body = 26 + max(36.0, *(picture.height for picture in drawn))
        x, svg, ends = (width - total) / 2, "", [width / 2]
        for branch, picture in zip(fork.branches, drawn, strict=True):
            at = x + picture.axis
            svg += draw.line((at, 8), (at, 26), tip=bool(branch)) + draw.line(
                (at, 26 + picture.height), (at, body + GAP)
            )
            svg += draw.place(picture.svg, x, 26) if branch else draw.caption(at + 6, body / 2 + 17, "skip", 11, GREY)
            ends, x = [*ends, at], x + picture.width + GAP
        svg += draw.line((width / 2, 0), (width / 2, 8), tip=False) + draw.line(
            (min(ends), 8), (max(ends), 8), tip=False
        )
        bar = draw.box(width, 30, colour) + draw.caption(14, 19, title, 12.5, bold=True) + draw.pills(tab, 7, tags)
        bar += draw.caption(width - 9, 19, shape, 11, GREY, "end")
        return Picture(width, body + GAP + 30, width / 2, svg + draw.place(bar, 0, body + GAP))

    def _section(self, section: Section, wide: bool, frame: str) -> Picture:
        """A framed block, or a stage with its blocks side by side."""
        name, last = (_from(path, frame) for path in (section.path, section.last))
        name = name if section.repeat == 1 else f"{name} … {last}"
        blocks = [item for item in section.items if isinstance(item, Section)]
        stage, tip = is_stage(section), not isinstance(section.items[0], DIVIDING)
        if not stage or len(blocks) == 1:
            inner = self.chain(section.items, wide=wide, frame=section.path)
        else:
            inner, tip = draw.side_by_side([self._section(block, wide, section.path) for block in blocks]), False
        count = sum(block.repeat for block in blocks) if stage else 1
        note = f"{count} blocks" if count > 1 else ""
        return draw.frame(inner, name, note, repeat=section.repeat, stage=stage, tip=tip)


def _idle(row: Row) -> bool:
    """Whether a layer does nothing in training either, as dropout 0 of imported networks."""
    return isinstance(row.node, Regulariser) and row.node.rate == 0


def _from(path: str, frame: str) -> str:
    """A path as seen from a container; a mere number keeps the whole path, as does what lies elsewhere."""
    inner = path.removeprefix(f"{frame}.")
    return path if inner.isdecimal() else inner
