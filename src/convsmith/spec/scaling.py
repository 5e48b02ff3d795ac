"""A description made wider, deeper, or for another image: the three ways to scale of Tan & Le 2019 (arXiv:1905.11946).

Where a paper has multipliers of its own, its options know its exceptions: `spec("mobilenet_v2", width=0.5)` keeps the
last convolution's 1280 maps, as the paper does, and `scaled` halves them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from math import ceil, isfinite, lcm

from convsmith.spec.combinators import Children, Residual, Seq
from convsmith.spec.edit import mapped, walk, wiring, with_leaves
from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.network import Network
from convsmith.spec.node import Layer, Node
from convsmith.spec.nodes.conv import Conv, ConvTranspose, TableConv
from convsmith.spec.nodes.linear import Linear
from convsmith.spec.nodes.regularise import DropPath
from convsmith.spec.nodes.shape import Shuffle, Slice, ZeroChannels
from convsmith.spec.nodes.tiled import TiledConv
from convsmith.spec.signature import Pair, positive_size
from convsmith.spec.trace import Graph, Row, trace, under
from convsmith.spec.widths import Width, round_to

COARSEST = 64
"""Widths are rounded to multiples of this at most; groups that want coarser ones cannot be kept."""


def scaled(
    network: Network, *, width: float = 1, depth: float = 1, side: int | Pair | None = None, multiple: int = 8
) -> Network:
    """The network `width` times as wide and `depth` times as deep, for images of `side`.

    width   times every channel count that is written as a number but the classes, in auxiliary heads too, rounded to a
            `multiple` (as MobileNet does, `round_to`) that also divides into the groups; relative widths follow
    depth   times the blocks of each stage, rounded up: a stage is a run of residual blocks in one sequence which keep
            the shape and differ at most in stochastic depth, and the block before them if it changes the shape. The
            last block is repeated, or last blocks are left out. A stage of one block that changes the shape stays

    Raises SpecError where a scale is not above 0, where the result would not be connected alike, where the groups have
    no common multiple up to 64, and where there is no such stage.
    """
    for what, times in (("width", width), ("depth", depth)):
        if isinstance(times, bool) or not isinstance(times, int | float) or not (times > 0 and isfinite(times)):
            raise SpecError(f"scaled: {what} must be a finite number above 0, got {times!r}")
    positive_size("scaled: multiple", multiple)
    made = network
    if width != 1:
        made = replace(made, body=_wider(network, width, multiple), provenance="own")
    if depth != 1:
        made = replace(made, body=_deeper(made, depth), provenance="own")
    return made if side is None else replace(made, side=side)


def _wider(network: Network, times: float, multiple: int) -> Node:
    graph = trace(network)
    rows = {row.path: row for row in graph.rows}
    last = {row.tap: row for row in graph.rows if row.facts.weights}
    if None not in last or last[None].out.channels != network.classes:
        raise SpecError(f"{network.name} does not end in a layer of {network.classes} outputs: its width has no end")
    fixed = {row.path for row in last.values()}
    multiple = _multiple(network, rows, multiple)
    leaves = {
        path: _wide(node, rows[path], times, multiple)
        for path, node in walk(network.body)
        if isinstance(node, Layer) and path in rows and path not in fixed
    }
    body = with_leaves(network.body, leaves)
    try:
        same = wiring(trace(replace(network, body=body))) == wiring(graph)
    except ShapeError as error:
        raise SpecError(f"{network.name}: {times} times as wide, its parts do not meet ({error})") from None
    if not same:
        raise SpecError(
            f"{network.name}: {times} times as wide, a residual would gain or lose its skip, as rounding makes its "
            "widths equal or unequal; choose another width or multiple"
        )
    return body


def _multiple(network: Network, rows: Mapping[str, Row], multiple: int) -> int:
    """What widths are rounded to, so that every group, shuffle and split still divides them."""
    parts = {1}
    for path, node in walk(network.body):
        if isinstance(node, Conv | ConvTranspose) and isinstance(node.groups, int) and not _depthwise(node, rows, path):
            parts.add(node.groups)
        if isinstance(node, Shuffle):
            parts.add(node.groups)
    parts |= {row.node.parts for row in rows.values() if isinstance(row.node, Slice)}
    whole = lcm(multiple, *parts)
    if whole > max(COARSEST, multiple):
        raise SpecError(
            f"{network.name}: its groups ({', '.join(map(str, sorted(parts - {1})))}) would round widths to multiples "
            f"of {whole}; scale it by the options of its paper, or its groups by hand"
        )
    return whole


def _depthwise(node: Conv | ConvTranspose, rows: Mapping[str, Row], path: str) -> bool:
    """Whether the groups are as many as the channels put out, so that they are scaled as those are."""
    return path in rows and 1 < rows[path].out.channels == node.groups


def _wide(node: Layer, row: Row, times: float, multiple: int) -> Node:
    def wide(channels: int | Width) -> int | Width:
        return channels if isinstance(channels, Width) else round_to(channels * times, multiple)

    if isinstance(node, TableConv):
        raise SpecError(f"{row.path}: a connection table names its maps one by one, so it cannot be scaled")
    if isinstance(node, ZeroChannels):
        return replace(node, to=wide(node.to))
    if isinstance(node, Conv | ConvTranspose) and _depthwise(node, {row.path: row}, row.path):
        return replace(node, out=wide(node.out), groups=wide(node.groups))
    return replace(node, out=wide(node.out)) if isinstance(node, Conv | ConvTranspose | TiledConv | Linear) else node


def _deeper(network: Network, times: float) -> Node:
    graph = trace(network)

    def change(path: str, node: Node) -> Node:
        if not isinstance(node, Seq) or not any(
            _run(graph, path, node.children[i:]) for i in range(len(node.children))
        ):
            return node
        made: list[tuple[str, Node]] = []
        index = 0
        while index < len(node.children):
            name, child = node.children[index]
            run = _run(graph, path, node.children[index:])
            if run:
                opens = index > 0 and _opens(graph, path, *node.children[index - 1])
                wanted = ceil((run + opens) * times - 1e-9) - opens  # 1e-9: 25 * 1.12 is 28.000000000000004
                made += _again(node.children[index : index + run], wanted, node)
            else:
                made.append((name, mapped(child, change, under(path, name))))
            index += run or 1
        numbered = all(name == str(i) for i, (name, _) in enumerate(node.children))
        return Seq(*(child for _, child in made)) if numbered else Seq(**dict(made))

    body = mapped(network.body, change)
    if body is network.body:
        raise SpecError(
            f"{network.name} has no residual blocks that keep their shape, one behind another in a sequence, so its "
            "depth cannot be scaled"
        )
    return body


def _opens(graph: Graph, path: str, name: str, child: Node) -> bool:
    """Whether a child is the block of a stage that changes the shape."""
    return isinstance(child, Residual) and not _keeps(graph, under(path, name))


def _run(graph: Graph, path: str, children: Children) -> int:
    """How many children from the first on are residual blocks that keep their shape and are alike."""
    length = 0
    for name, child in children:
        alike = isinstance(child, Residual) and _plain(child) == _plain(children[0][1])
        if not alike or not _keeps(graph, under(path, name)):
            break
        length += 1
    return length


def _plain(node: Node) -> Node:
    """The block without its stochastic depth, which differs from block to block."""

    def change(_: str, inner: Node) -> Node:
        if isinstance(inner, DropPath) and inner.rate:
            return DropPath(0.0)
        return _plain(replace(inner, drop=0.0)) if isinstance(inner, Residual) and inner.drop else inner

    return mapped(node, change)


def _keeps(graph: Graph, path: str) -> bool:
    """Whether what comes out of the module at a path has the channels, size and stride of what enters."""
    rows = [row for row in graph.rows if row.path.startswith(f"{path}.")]
    return bool(rows) and graph.sigs(rows[0])[0] == rows[-1].out


def _again(run: Children, wanted: int, owner: Seq) -> list[tuple[str, Node]]:
    """The first `wanted` of a run, its last block repeated under names that go on counting."""
    kept = list(run[:wanted])
    name, last = run[-1]
    counted = re.fullmatch(r"(.*?)(\d+)", name)
    stem, number = (counted[1], int(counted[2])) if counted else (name, 1)
    taken = {other for other, _ in owner.children}
    for i in range(1, wanted - len(run) + 1):
        new = f"{stem}{number + i}"
        if new in taken and not name.isdigit():
            raise SpecError(f"a block after {name!r} would be called {new!r}, a name that another has; rename that one")
        kept.append((new, last))
    return kept
