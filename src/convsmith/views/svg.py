"""SVG text: lines, boxes, labels and frames, as small pictures that larger ones place.

Widths of text are estimated from the widest sans-serif in use, so that no reader's font overflows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
INK, GREY, RULE = "#1f2430", "#5b6472", "#8b94a3"

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, escaped or not (XML 1.0, section 2.2)."""

JOIN = "#8a6700"
"""Where branches meet; dark enough for a sign on a light ground."""

TINT = 0.13
"""How much of its category's colour the ground of a node has."""

GAP, PAD, RADIUS = 16, 14, 11


class Picture(NamedTuple):
    """SVG text with its width, height and the x of its entry and exit, in px."""

    width: float
    height: float
    axis: float
    svg: str


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Upper estimate in px of a text of `size` px: the widths of DejaVu Sans, the widest of the stack."""
    narrow, wide = "ijlI.,:;'|!()[] ", "mwMW@%×→·"
    units = sum(0.4 if c in narrow else 0.98 if c in wide else 0.66 if ord(c) < 0x250 else 1.05 for c in text)
    return units * size * (1.12 if bold else 1.0)


def frame(
    inner: Picture, name: str, note: str = "", *, repeat: int = 1, stage: bool = False, dashed: bool = False,
    tip: bool = True, out: bool = True,
) -> Picture:  # fmt: skip
    """A titled box around a picture; equal ones lie behind it as cards. Without `out` nothing enters or leaves it."""
    mark, cards = f"×{repeat}" if repeat > 1 else "", 5 if repeat > 1 else 0
    tab, noted = text_width(mark, 13, bold=True) + 14 if mark else 0, 22 + text_width(name, 12, bold=True)
    title = noted + text_width(note, 11) + 12 + (tab + 8 if mark else 0)
    axis = PAD + inner.axis
    width = max(inner.width + 2 * PAD, title)
    top = 24 + (GAP if tip else 4)
    height, fill = top + inner.height + 12, "#f3f5f9" if stage else "#ffffff"
    look = f'width="{width:.1f}" height="{height:.1f}" rx="8" fill="{fill}" stroke="#aeb6c3"'
    look += ' stroke-dasharray="5 4"' if dashed else ""
    svg = "".join(f'<rect x="{at}" y="{at}" {look}/>' for at in ((cards, 0) if cards else (0,)))
    right = f"{width - 0.5:.1f}"
    svg += f'<path d="M0.5 24 V8 Q0.5 0.5 8 0.5 H{width - 8:.1f} Q{right} 0.5 {right} 8 V24 Z" fill="#dfe5ee"/>'
    svg += caption(12, 16.5, name, 12, bold=True) + caption(noted, 16.5, note, 11, GREY)
    svg += badge(width - 5, 3, mark)
    svg += line((axis, 24), (axis, top), tip=tip) if out else ""
    svg += "" if dashed or not out else line((axis, height - 12), (axis, height + cards), tip=False)
    return Picture(width + cards, height + cards, axis, svg + place(inner.svg, axis - inner.axis, top))


def slanted(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A straight line with an arrow head in its direction."""
    (a, b), (x, y) = start, end
    long = ((x - a) ** 2 + (y - b) ** 2) ** 0.5 or 1.0
    u, v = (x - a) / long, (y - b) / long
    wings = " ".join(f"{x - 6 * u + turn * v:.1f},{y - 6 * v - turn * u:.1f}" for turn in (3.5, -3.5))
    way = f'<path d="M{a:.1f} {b:.1f} L{x - 4 * u:.1f} {y - 4 * v:.1f}" stroke="{RULE}" stroke-width="1.4"/>'
    return f'{way}<polygon points="{x:.1f},{y:.1f} {wings}" fill="{RULE}"/>'


def badge(right: float, y: float, text: str) -> str:
    """White words on a dark pill that ends at `right`; nothing where there are none."""
    if not text:
        return ""
    width = text_width(text, 13, bold=True) + 14
    look = f'width="{width:.1f}" height="18" rx="9" fill="{INK}"'
    words = caption(right - width / 2, y + 13.5, text, 13, "#ffffff", "middle", bold=True)
    return f'<rect x="{right - width:.1f}" y="{y:.1f}" {look}/>{words}'


def side_by_side(pictures: Sequence[Picture], *, back: bool = True) -> Picture:
    """Pictures side by side, read from left to right; `back` leads from the last one's exit to the first's axis."""
    x, svg, before, height = 0.0, "", (0.0, 0.0), 0.0
    for index, picture in enumerate(pictures):
        here = x + picture.axis
        if index:
            below, gutter = before[1] + 12, x - 18
            svg += line(before, (before[0], below), (gutter, below), (gutter, 2), (here, 2), (here, 18))
        svg += place(picture.svg, x, 18)
        before, x, height = (here, 18 + picture.height), x + picture.width + 36, max(height, 30 + picture.height)
    axis = pictures[0].axis
    if back:
        height += 12
        svg += line((axis, 0), (axis, 18)) + line(before, (before[0], height), (axis, height), tip=False)
    return Picture(x - 36, height, axis, svg)


def place(svg: str, x: float, y: float) -> str:
    """A picture's text with its origin moved to (x, y)."""
    return f'<g transform="translate({x:.1f} {y:.1f})">{svg}</g>'


def caption(
    x: float, y: float, text: str, size: float, fill: str = INK, anchor: str = "start", *, bold: bool = False
) -> str:
    """Escaped text at (x, y), its baseline; nothing where there is none."""
    if not text:
        return ""
    look = f'font-size="{size}" fill="{fill}" text-anchor="{anchor}"' + (' font-weight="bold"' if bold else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{written(text)}</text>'


def written(text: str) -> str:
    """Text as XML takes it: escaped, and a sign in place of each character that XML forbids."""
    return escape(FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))


def box(width: float, height: float, colour: str, tint: float = TINT) -> str:
    """A node: ground tinted to 0..1 and a stripe of its category's colour at the left."""
    size = f'width="{width:.1f}" height="{height:.1f}" rx="6"'
    stripe = f'<path d="M6 0 H5 Q0 0 0 6 V{height - 6:.1f} Q0 {height:.1f} 5 {height:.1f} H6 Z" fill="{colour}"/>'
    look = f'fill="{colour}" fill-opacity="{tint:.3g}" stroke="{colour}"'
    return f'<rect {size} fill="#ffffff"/><rect {size} {look}/>{stripe}'


def pills(x: float, y: float, tags: Sequence[tuple[str, str]]) -> str:
    """Labels (words, colour) of fused layers, one after the other."""
    svg = ""
    for label, colour in tags:
        width = text_width(label, 10, bold=True) + 12
        svg += f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="16" rx="8" fill="{colour}"/>'
        svg += caption(x + width / 2, y + 11.5, label, 10, "#ffffff", "middle", bold=True)
        x += width + 4
    return svg


def pills_width(tags: Sequence[tuple[str, str]]) -> float:
    """Width of `pills`, in px."""
    return max(0.0, sum(text_width(label, 10, bold=True) + 16 for label, _ in tags) - 4)


def sign(x: float, y: float, add: bool) -> str:
    """The circle of a sum or product around (x, y)."""
    look = f'r="{RADIUS}" fill="#fff6d9" stroke="{JOIN}" stroke-width="1.5"'
    words = caption(x, y + 5.5, "+" if add else "×", 17, JOIN, "middle", bold=True)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" {look}/>{words}'


def curve(points: Sequence[tuple[float, float]], colour: str = RULE) -> str:
    """A smooth line downwards through the points, with an arrow head at the last."""
    (x, y), *rest = points
    way = f"M{x:.1f} {y:.1f}"
    for a, b in (*rest[:-1], (rest[-1][0], rest[-1][1] - 5)):
        if a == x:
            way += f" V{b:.1f}"
        else:
            way += f" C{x:.1f} {(y + b) / 2:.1f} {a:.1f} {(y + b) / 2:.1f} {a:.1f} {b:.1f}"
        x, y = a, b
    a, b = rest[-1]
    head = f"{a:.1f},{b:.1f} {a - 3.5:.1f},{b - 6:.1f} {a + 3.5:.1f},{b - 6:.1f}"
    look = f'fill="none" stroke="{colour}" stroke-width="1.4"'
    return f'<path d="{way}" {look}/><polygon points="{head}" fill="{colour}"/>'


def dot(x: float, y: float) -> str:
    """Where a line divides."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{RULE}"/>'


def line(*points: tuple[float, float], tip: bool = True, dashed: bool = False) -> str:
    """A line through the points, with an arrow head at the last; the head is a shape, so that no id is needed."""
    (x0, y0), (x, y) = points[-2:]
    way = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    svg = f'<polyline points="{way}" fill="none" stroke="{RULE}" stroke-width="1.4" stroke-linejoin="round"{dash}/>'
    if not tip:
        return svg
    across = (x - 6 if x > x0 else x + 6, y - 3.5, y + 3.5)
    head = f"{x:.1f},{y:.1f} {across[0]:.1f},{across[1]:.1f} {across[0]:.1f},{across[2]:.1f}"
    if x == x0:
        back = y - 6 if y > y0 else y + 6
        head = f"{x:.1f},{y:.1f} {x - 3.5:.1f},{back:.1f} {x + 3.5:.1f},{back:.1f}"
    return f'{svg}<polygon points="{head}" fill="{RULE}"/>'
