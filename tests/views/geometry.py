"""Where the words, lines and nodes of a diagram lie, read back from its SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

from convsmith.views.svg import text_width

SVG = "{http://www.w3.org/2000/svg}"

Box = tuple[float, float, float, float]
Point = tuple[float, float]


class Drawn(NamedTuple):
    """Boxes of words, ways of lines, and boxes of nodes and frames, in px of the document."""

    words: list[tuple[Box, str]]
    ways: list[list[Point]]
    boxes: list[Box]


def drawn(svg: str) -> Drawn:
    found = Drawn([], [], [])
    for node, x, y, turned in _placed(ET.fromstring(svg), 0, 0, False):
        if node.tag == f"{SVG}text":
            found.words.append((_box(node, x, y, turned), node.text or ""))
        elif node.tag == f"{SVG}polyline":
            points = (point.split(",") for point in node.get("points", "").split())
            found.ways.append([(x + float(a), y + float(b)) for a, b in points])
        elif node.tag == f"{SVG}path" and node.get("fill") == "none":
            found.ways.append(list(_way(node.get("d", ""), x, y)))
        elif node.tag == f"{SVG}rect" and float(node.get("height", 0)) >= 29:
            left, top = x + float(node.get("x", 0)), y + float(node.get("y", 0))
            found.boxes.append((left, top, left + float(node.get("width", 0)), top + float(node.get("height", 0))))
    return found


def lines_through_words(found: Drawn) -> list[str]:
    """Words that a line runs through."""
    return [words for box, words in found.words for way in found.ways if _meets(way, box)]


def lines_through_nodes(found: Drawn) -> list[Box]:
    """Nodes that a line runs through, at least 3 px inside; frames are higher than nodes and may be entered."""
    nodes = {box for box in found.boxes if box[3] - box[1] <= 50}
    inner = [(left + 3, top + 3, right - 3, bottom - 3) for left, top, right, bottom in nodes]
    return [box for box in inner for way in found.ways if _meets(way, box)]


def overlapping_boxes(found: Drawn) -> list[tuple[Box, Box]]:
    """Pairs of nodes or frames that overlap and neither holds the other; the cards behind repeated ones may."""
    return [
        (a, b) for a, b in combinations(sorted({*found.boxes}), 2)
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] and not (_holds(a, b) or _holds(b, a))
        and max(abs(i - j) for i, j in zip(a, b, strict=True)) > 5.1
    ]  # fmt: skip


def _placed(node: ET.Element, x: float, y: float, turned: bool) -> Iterator[tuple[ET.Element, float, float, bool]]:
    if moved := re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", node.get("transform", "")):
        x, y = x + float(moved[1]), y + float(moved[2])
    turned = turned or "rotate" in node.get("transform", "")
    yield node, x, y, turned
    for child in node:
        yield from _placed(child, x, y, turned)


def _box(node: ET.Element, x: float, y: float, turned: bool) -> Box:
    size = float(node.get("font-size", 0))
    x, y = x + float(node.get("x", 0)), y + float(node.get("y", 0))
    wide = 0.86 * text_width(
        node.text or "", size, bold=node.get("font-weight") == "bold"
    )  # the estimate is an upper one
    if turned:
        return x, y, x + size, y + wide
    left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[node.get("text-anchor", "start")]
    return left, y - 0.72 * size, left + wide, y + 0.15 * size


def _way(path: str, x: float, y: float) -> Iterator[Point]:
    at = (x, y)
    for letter, numbers in re.findall(r"([MCV])([^MCV]+)", path):
        values = [float(n) for n in numbers.split()]
        if letter == "C":
            a, b, end = ((x + values[i], y + values[i + 1]) for i in (0, 2, 4))
            yield from (_bezier(at, a, b, end, step / 12) for step in range(1, 12))
            at = end
        else:
            at = (at[0], y + values[0]) if letter == "V" else (x + values[0], y + values[1])
        yield at


def _bezier(p: Point, q: Point, r: Point, s: Point, t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(w * point[axis] for w, point in zip(weights, (p, q, r, s), strict=True)) for axis in (0, 1))
    return x, y


def _meets(way: list[Point], box: Box) -> bool:
    return any(_enters(a, b, box) for a, b in pairwise(way))


def _enters(a: Point, b: Point, box: Box) -> bool:
    left, top, right, bottom = box
    if max(a[0], b[0]) < left or min(a[0], b[0]) > right or max(a[1], b[1]) < top or min(a[1], b[1]) > bottom:
        return False
    steps = max(2, int(max(abs(a[0] - b[0]), abs(a[1] - b[1])) / 2))
    points = ((a[0] + (b[0] - a[0]) * i / steps, a[1] + (b[1] - a[1]) * i / steps) for i in range(steps + 1))
    return any(left < x < right and top < y < bottom for x, y in points)


def _holds(outer: Box, inner: Box) -> bool:
    return all(o - 0.6 <= i for o, i in zip(outer[:2], inner[:2], strict=True)) and all(
        i <= o + 0.6 for o, i in zip(outer[2:], inner[2:], strict=True)
    )
