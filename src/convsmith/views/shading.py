"""How strongly a diagram tints its nodes: by their share of a cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from convsmith.spec.errors import UnknownName, nearest
from convsmith.spec.trace import Graph, Row
from convsmith.views.cost import cost

SHADES = {"macs": "MACs", "params": "parameters", "activations": "activations"}
"""Columns of the cost table that a diagram can be shaded by, with the word for them."""

LIGHT, DARK = 0.04, 0.5
"""The tints of a node without any of the cost and of the node with most; words stay readable on both."""


class Shading(NamedTuple):
    """`shares` gives each row its part of the whole network's `column`, 0..1; `largest` is that of the top row."""

    column: str
    shares: tuple[float, ...]
    largest: float

    def tint(self, rows: Sequence[int]) -> float:
        """Opacity of the ground of a node of these rows, in proportion to its share."""
        share = sum(self.shares[row] for row in rows)
        return LIGHT + (DARK - LIGHT) * min(1.0, share / (self.largest or 1))

    def of(self, graph: Graph, rows: Sequence[Row]) -> Shading:
        """The same shading for a graph whose rows are some of these `rows`, found by their paths."""
        shares = dict(zip((row.path for row in rows), self.shares, strict=True))
        return self._replace(shares=tuple(shares.get(row.path, 0.0) for row in graph.rows))

    def words(self) -> tuple[str, str]:
        """The ends of the scale: no cost, and the largest share."""
        return "0 %", f"{self.largest:.1%} of all {SHADES[self.column]} in one layer".replace("%", " %", 1)


def shading(graph: Graph, column: str) -> Shading:
    """The shading of a graph by a column of `SHADES`. Raises UnknownName for another one."""
    if column not in SHADES:
        raise UnknownName(f"no shade {column!r}{nearest(column, SHADES)} (there are {', '.join(SHADES)})")
    costs = [getattr(row, column) for row in cost(graph, train=True).layers]
    whole = sum(n for n, row in zip(costs, graph.rows, strict=True) if row.tap is None) or 1
    shares = tuple(n / whole for n in costs)
    return Shading(column, shares, max(shares))
