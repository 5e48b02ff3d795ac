"""The units of a network: what runs as one piece, a convolution with the normalisation and activation that follow it.

Engines fuse such rows, and reading them together makes a time that can be added up. A unit begins at each convolution,
linear layer, pooling and change of shape, and holds the rows after it until the next begins.
"""

from __future__ import annotations

from typing import NamedTuple

from convsmith.spec.graph import Graph, Row

ANCHORS = frozenset({"convolution", "linear", "pooling", "shape"})


class Unit(NamedTuple):
    """A piece of a network on one image: `rows` first to last but one of its graph, which are none for the image.

    key       all that its time depends on: the anchor with its settings, and the shapes that it and its followers see
    form      the key without sizes: units of one form differ in channels and pixels alone
    kind      the form without window and followers
    macs      multiply-adds
    moved     elements that its rows read and write
    weights   parameters and buffers
    entering  channels that the anchor reads
    leaving   channels that it makes
    pixels    of what it makes
    """

    key: str
    form: str
    kind: str
    rows: range
    macs: int
    moved: int
    weights: int
    entering: int
    leaving: int
    pixels: int


def units(graph: Graph) -> tuple[Unit, ...]:
    """The units in execution order. The first is the image, which some engines normalise before the network runs.

    Rows of auxiliary heads, which evaluation never runs, are in none.
    """
    image = graph.input
    sizes = image.channels, image.channels, image.rows * image.cols
    found = [Unit(f"image {image}", "image", "image", range(0), 0, 2 * image.elements, 0, *sizes)]
    runs = [i for i, row in enumerate(graph.rows) if row.tap is None]
    starts = [at for at, i in enumerate(runs) if not at or graph.rows[i].category in ANCHORS]
    for at, end in zip(starts, [*starts[1:], len(runs)], strict=True):
        found.append(_unit([graph.rows[i] for i in runs[at:end]], range(runs[at], runs[end - 1] + 1)))
    return tuple(found)


def _unit(rows: list[Row], where: range) -> Unit:
    anchor, *followers = rows
    entering = " ".join(str(sig) for sig in anchor.facts.entering)
    after = "".join(f" {row.kind} {row.out}" for row in followers)
    kind = f"{anchor.kind} {_grouping(anchor)}".rstrip()
    window = anchor.facts.window
    seen = "" if window is None else f" {window.kernel} {window.stride}"
    return Unit(
        f"{anchor.node!r} {entering} > {anchor.out}{after}",
        f"{kind}{seen} {' '.join(row.kind for row in followers)}".rstrip(),
        kind,
        where,
        sum(row.macs for row in rows),
        sum(row.reads + row.activations for row in rows),
        sum(row.params + row.buffers for row in rows),
        anchor.facts.entering[0].channels,
        anchor.out.channels,
        anchor.out.rows * anchor.out.cols,
    )


def _grouping(row: Row) -> str:
    """How a convolution's channels meet: all of them, each alone, or in groups."""
    groups = getattr(row.node, "groups", 1)
    if groups == 1:
        return ""
    return "depthwise" if groups == row.facts.entering[0].channels else "grouped"
