"""Draws AlexNet's two towers: half of the channels each, which meet only where a convolution reads all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from convsmith.spec.node import Leaf
from convsmith.spec.nodes.conv import Conv
from convsmith.spec.signature import Sig
from convsmith.views import svg as draw
from convsmith.views.items import Op, Towers
from convsmith.views.labels import label_of
from convsmith.views.svg import Picture

if TYPE_CHECKING:
    from convsmith.views.painter import Painter

BETWEEN, BELOW = 30.0, 34.0
"""Gaps in px between the towers and between their layers."""


def towers(painter: Painter, item: Towers) -> Picture:
    """Both towers side by side, layer by layer; a layer's tip counts both halves."""
    drawn = [_half(painter, op) for op in item.ops]
    wide = max(picture.width for picture in drawn)
    width, axis, y = 2 * wide + BETWEEN, wide + BETWEEN / 2, 22.0
    left, right = wide / 2, 1.5 * wide + BETWEEN
    svg = draw.line((axis, 0), (axis, 6), (left, 6), (left, y)) + draw.line((axis, 6), (right, 6), (right, y))
    for number, (op, picture) in enumerate(zip(item.ops, drawn, strict=True)):
        if number:
            svg += draw.line((left, y - BELOW), (left, y)) + draw.line((right, y - BELOW), (right, y))
            if _reads_all(painter.graph.rows[op.rows[0]].node):
                svg += draw.slanted((left + 14, y - BELOW), (right - 14, y))
                svg += draw.slanted((right - 14, y - BELOW), (left + 14, y))
        svg += "".join(draw.place(picture.svg, x - picture.axis, y) for x in (left, right))
        y += picture.height + BELOW
    y -= BELOW
    for x in (left, right):
        svg += draw.line((x, y), (x, y + 10), (axis, y + 10), tip=False)
    return Picture(width, y + 10, axis, svg)


def _reads_all(node: Leaf) -> bool:
    return isinstance(node, Conv) and node.groups == 1


def _half(painter: Painter, op: Op) -> Picture:
    row = painter.graph.rows[op.rows[0]]
    node = replace(row.node, out=row.node.out // 2, groups=1) if isinstance(row.node, Conv) else row.node
    out = painter.graph.rows[op.rows[-1]].out
    tags = [painter.tag(index) for index in op.rows[1:]]
    half: Sig = out._replace(channels=out.channels // 2)
    return painter.node(label_of(node, painter.graph.sigs(row)[0]), tags, str(half), op.rows)
