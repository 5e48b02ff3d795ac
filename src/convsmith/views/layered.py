"""Places for the nodes of a directed acyclic graph, rank below rank, and ways for its edges.

After Sugiyama, Tagawa & Toda 1981: longest-path ranks, a dummy node wherever an edge passes a rank, orders by
barycentre, and then places from left to right in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

ACROSS, DOWN, LANE = 18.0, 46.0, 8.0
"""Gaps in px between the nodes of a rank and between ranks, and the width of an edge that passes a rank."""

SWEEPS = 12

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """`places` are the nodes' upper left corners, `ways` the points of each edge from node to node, in px."""

    width: float
    height: float
    places: tuple[Point, ...]
    ways: tuple[tuple[Point, ...], ...]


def layered(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Layout:
    """Places for nodes of these (widths, heights), numbered so that every edge leads to a larger number."""
    rank = _ranks(len(sizes), edges)
    nodes = [*sizes]
    chains: list[list[int]] = []
    for start, end in edges:
        chain = [start]
        for level in range(rank[start] + 1, rank[end]):
            chain.append(len(nodes))
            nodes.append((LANE, 0.0))
            rank.append(level)
        chains.append([*chain, end])
    rows: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for node, level in enumerate(rank):
        rows[level].append(node)
    links = [link for chain in chains for link in pairwise(chain)]
    if all(sum(node < len(sizes) for node in row) == 1 for row in rows):
        centre = _single(rows, nodes, chains)
    else:
        centre = _across(rows, nodes, links)
    tops, y = [], 0.0
    heights = [max(nodes[node][1] for node in row) for row in rows]
    for height in heights:
        tops.append(y)
        y += height + DOWN
    middle = [tops[level] + heights[level] / 2 for level in rank]
    places = [(centre[i] - w / 2, middle[i] - h / 2) for i, (w, h) in enumerate(nodes)]
    ways = []
    for chain in chains:
        # straight past every rank, so that a line crosses no taller neighbour
        way = [(centre[i], y) for i in chain for y in (tops[rank[i]], tops[rank[i]] + heights[rank[i]])]
        way[0] = (centre[chain[0]], places[chain[0]][1] + nodes[chain[0]][1])
        way[-1] = (centre[chain[-1]], places[chain[-1]][1])
        ways.append(tuple(way))
    width = max((centre[i] + nodes[i][0] / 2 for i in range(len(nodes))), default=0.0)
    return Layout(width, max(0.0, y - DOWN), tuple(places[: len(sizes)]), tuple(ways))


def _single(rows: list[list[int]], nodes: Sequence[Point], chains: Sequence[Sequence[int]]) -> list[float]:
    """One column, where every rank has one node: edges that pass a rank run beside it, left and right in turn."""
    half = max((width / 2 for width, _ in nodes), default=0.0)
    centre = [0.0] * len(nodes)
    ends: dict[tuple[int, int], int] = {}  # (side, lane) -> the last node whose rank it passes
    level = {node: number for number, row in enumerate(rows) for node in row}
    side = 1
    for chain in sorted((chain for chain in chains if len(chain) > 2), key=lambda chain: level[chain[0]]):
        side, lane = -side, 0
        while ends.get((side, lane), -1) >= level[chain[1]]:
            lane += 1
        ends[side, lane] = level[chain[-2]]
        for node in chain[1:-1]:
            centre[node] = side * (half + ACROSS + lane * 2 * LANE)
    left = min((centre[i] - nodes[i][0] / 2 for i in range(len(nodes))), default=0.0)
    return [x - left for x in centre]


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Longest way from the top; what nothing leads to stands right above its first reader."""
    rank = [0] * count
    for start, end in sorted(edges, key=lambda edge: edge[1]):
        rank[end] = max(rank[end], rank[start] + 1)
    entered = {end for _, end in edges}
    for node in range(count):
        readers = [rank[end] for start, end in edges if start == node]
        if node not in entered and readers:
            rank[node] = min(readers) - 1
    return rank


def _across(rows: list[list[int]], nodes: Sequence[Point], links: Sequence[tuple[int, int]]) -> list[float]:
    """The centre of every node: orders by barycentre, downwards and upwards in turn, then places in that order."""
    above: list[list[int]] = [[] for _ in nodes]
    below: list[list[int]] = [[] for _ in nodes]
    for start, end in links:
        above[end].append(start)
        below[start].append(end)
    centre = [0.0] * len(nodes)
    for row in rows:
        _packed(row, nodes, centre)
    best, fewest = list(centre), float("inf")
    for sweep in range(SWEEPS):
        near = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            aims = {i: sum(centre[j] for j in near[i]) / len(near[i]) if near[i] else centre[i] for i in row}
            row.sort(key=aims.__getitem__)
            _spread(row, nodes, centre, aims)
        length = sum(abs(centre[start] - centre[end]) for start, end in links)
        if length < fewest:
            best, fewest = list(centre), length
    left = min((best[i] - nodes[i][0] / 2 for i in range(len(nodes))), default=0.0)
    return [x - left for x in best]


def _packed(row: Sequence[int], nodes: Sequence[Point], centre: list[float]) -> None:
    width = sum(nodes[i][0] for i in row) + ACROSS * (len(row) - 1)
    x = -width / 2
    for i in row:
        centre[i] = x + nodes[i][0] / 2
        x += nodes[i][0] + ACROSS


def _spread(row: Sequence[int], nodes: Sequence[Point], centre: list[float], aims: dict[int, float]) -> None:
    """Each node as near to its aim as the order allows: the mean of packing from the left and from the right."""
    edge, from_left = float("-inf"), {}
    for i in row:
        x = max(aims[i], edge + nodes[i][0] / 2)
        from_left[i], edge = x, x + nodes[i][0] / 2 + ACROSS
    edge, from_right = float("inf"), {}
    for i in reversed(row):
        x = min(aims[i], edge - nodes[i][0] / 2)
        from_right[i], edge = x, x - nodes[i][0] / 2 - ACROSS
    for i in row:
        centre[i] = (from_left[i] + from_right[i]) / 2
