"""The part of an image that a unit sees, drawn on the image, as SVG text of our own."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from convsmith.report.chart_file import DARK, LIGHT, PNG_SCALE, Ground
from convsmith.report.extras import need
from convsmith.spec.errors import DataError, UnknownName, nearest
from convsmith.spec.signature import Pair
from convsmith.spec.trace import Graph
from convsmith.views.printable import printable
from convsmith.views.reading import places
from convsmith.views.receptive_field import Axis, Field, receptive_field
from convsmith.views.region import Box, region
from convsmith.views.stages import trunk
from convsmith.views.svg import FONT, caption, text_width

COLOURS = ("#e0482f", "#1d8cf0", "#12a150", "#e0a000", "#9a52d6", "#0aa5b5", "#d4408f")
SIDE = 460
"""px of the image's longer side in the picture."""
EDGE = 46
"""px around the image, for the ruler at its left and top."""
LONGEST = 44
"""Characters of a name in the picture."""


class Seen(NamedTuple):
    """A unit (row, column) of a layer whose map has so many rows and columns, and the box of the image that it sees.

    `box` is None where it sees padding alone. `centre` is (y, x) in pixels from the image's top left corner, of the
    field in the plain theory where the box is that field cut at the border, else (where it is the whole image, or has
    gaps at the border) of the box.
    """

    path: str
    unit: Pair
    map: Pair
    field: Field
    box: Box | None
    centre: tuple[float, float] | None


def seen(graph: Graph, layer: str, unit: Pair | None = None) -> Seen:
    """What a unit of a layer sees; of a module, its last layer; without `unit`, the one in the middle.

    Raises UnknownName for a layer that is not there, SpecError for a unit that is not on its map.
    """
    inside = [i for i, row in enumerate(graph.rows) if row.path == layer or row.path.startswith(f"{layer}.")]
    if not inside:
        known = {".".join(row.path.split(".")[:n]) for row in graph.rows for n in range(1, row.path.count(".") + 2)}
        raise UnknownName(f"{graph.name} has no layer {layer!r}{nearest(layer, sorted(known))}")
    row = inside[-1]
    size = places(graph.rows[row].out)
    at = unit or (size[0] // 2, size[1] // 2)
    box, field = region(graph, row, at), receptive_field(graph)[row]
    if box is None:
        return Seen(graph.rows[row].path, at, size, field, None, None)
    y = _centre(field.rows, at[0], box.top, box.bottom, graph.input.rows)
    x = _centre(field.cols, at[1], box.left, box.right, graph.input.cols)
    return Seen(graph.rows[row].path, at, size, field, box, (y, x))


def telling(graph: Graph) -> tuple[str, ...]:
    """Layers worth drawing together: of each size of map the last layer that all paths lead through.

    Those that see the whole image are left out, unless there are no others.
    """
    always, fields = trunk(graph), receptive_field(graph)
    last = {places(row.out): row.path for i, row in enumerate(graph.rows) if i in always and not fields[i].whole}
    return tuple(last.values()) or (graph.rows[graph.output].path,)


def as_input(path: Path, graph: Graph) -> bytes:
    """The image file as the network sees it, as a PNG: short side fitted, centre crop, grey for one channel.

    Raises DataError for a file that is no image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    size = graph.input.cols, graph.input.rows
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("L" if graph.input.channels == 1 else "RGB")
    except UnidentifiedImageError:
        raise DataError(f"{path}: this is no image that Pillow reads") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image: {getattr(error, 'strerror', None) or error}") from None
    out = BytesIO()
    ImageOps.fit(image, size, Image.Resampling.BILINEAR).save(out, "PNG")
    return out.getvalue()


def picture(graph: Graph, units: Sequence[Seen], image: bytes | None = None, *, dark: bool = False) -> str:
    """SVG of the image (PNG bytes of the network's input size; None for a grid) with each unit's box and centre."""
    ground, (rows, cols) = DARK if dark else LIGHT, (graph.input.rows, graph.input.cols)
    scale = SIDE / max(rows, cols)
    width, height = cols * scale, rows * scale
    words, title = [_words(each) for each in units], f"Receptive fields in {_brief(graph.name)}"
    legend = 40 + max(
        text_width(title, 15, bold=True) - width,
        *(max(text_width(first, 12, bold=True), text_width(second, 11)) + 22 for first, second in words),
    )
    whole = EDGE + width + max(legend, 0) + 12, max(EDGE + 26 + height + 16, EDGE + 26 + 44 * len(units) + 8)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole[0]:.0f}" height="{whole[1]:.0f}" '
    svg += f'viewBox="0 0 {whole[0]:.0f} {whole[1]:.0f}" font-family="{FONT}" role="img">'
    svg += f'<rect width="100%" height="100%" fill="{ground.paper}"/>'
    svg += caption(EDGE, 24, title, 15, ground.ink, bold=True)
    svg += f'<g transform="translate({EDGE} {EDGE + 26})">' + _ruler(rows, cols, scale, ground, grid=image is None)
    if image is not None:
        smooth = "auto" if scale < 3 else "pixelated"
        svg += (
            f'<image width="{width:g}" height="{height:g}" style="image-rendering:{smooth}" preserveAspectRatio="none" '
        )
        svg += f'href="data:image/png;base64,{b64encode(image).decode()}"/>'
    colours = [COLOURS[index % len(COLOURS)] for index in range(len(units))]
    for index in reversed(range(len(units))):  # deeper layers see more, and lie below
        below = sum(other.box == units[index].box for other in units[index + 1 :])
        svg += _box(units[index].box, colours[index], scale, inset=5 * below)
    svg += "".join(_cross(each, colour, scale) for each, colour in zip(units, colours, strict=True))
    for index, (first, second) in enumerate(words):
        x, y = width + 24, 12 + 44 * index
        svg += f'<rect x="{x:g}" y="{y - 10}" width="12" height="12" rx="2" fill="{colours[index]}"/>'
        svg += caption(x + 20, y, first, 12, ground.ink, bold=True) + caption(x + 20, y + 16, second, 11, ground.grey)
    return svg + "</g></svg>\n"


def as_png(svg: str) -> bytes:
    """The picture as a PNG. Raises MissingExtra without the libraries for reports."""
    png: bytes = need("vl_convert").svg_to_png(svg, scale=PNG_SCALE)
    return png


def _centre(axis: Axis, unit: int, start: int, stop: int, side: int) -> float:
    first = axis.start + unit * axis.jump
    if (max(0, first), min(side, first + axis.size)) == (start, stop) and not axis.whole:
        return float(first + axis.size / 2)
    return (start + stop) / 2


def _brief(name: str) -> str:
    name = printable(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _words(each: Seen) -> tuple[str, str]:
    """Two lines: which unit, and how many pixels it sees."""
    unit = f"{_brief(each.path)}, unit ({each.unit[0]}, {each.unit[1]}) of {each.map[0]}×{each.map[1]}"
    if each.box is None:
        return unit, "sees padding alone"
    box, size = each.box, each.field.size
    inside = box.bottom - box.top, box.right - box.left
    field = "the whole image" if each.field.whole else f"{size[0]}×{size[1]} px"
    cut = "" if each.field.whole or inside == size else f", {inside[0]}×{inside[1]} of them in the image"
    return unit, f"sees {field}{cut}: rows {box.top} to {box.bottom - 1}, columns {box.left} to {box.right - 1}"


def _box(box: Box | None, colour: str, scale: float, *, inset: float) -> str:
    """A frame with a white rim, so that it shows on any photograph; `inset` px inside one of the same size."""
    if box is None:
        return ""
    top, bottom, left, right = (value * scale for value in box)
    inset = min(inset, (bottom - top) / 3, (right - left) / 3)
    at = f'x="{left + inset:.1f}" y="{top + inset:.1f}" '
    at += f'width="{right - left - 2 * inset:.1f}" height="{bottom - top - 2 * inset:.1f}"'
    svg = f'<rect {at} fill="{colour}" fill-opacity="0.08" stroke="#ffffff" stroke-width="4.5" stroke-opacity="0.75"/>'
    return svg + f'<rect {at} fill="none" stroke="{colour}" stroke-width="2"/>'


def _cross(each: Seen, colour: str, scale: float) -> str:
    """The centre, small enough to leave its box visible."""
    if each.box is None or each.centre is None:
        return ""
    y, x = (value * scale for value in each.centre)
    arm = min(6.0, (each.box.bottom - each.box.top) * scale / 4, (each.box.right - each.box.left) * scale / 4)
    path = f'<path d="M{x - arm:.1f} {y:.1f} h{2 * arm:.1f} M{x:.1f} {y - arm:.1f} v{2 * arm:.1f}" fill="none" '
    return f'{path}stroke="#ffffff" stroke-width="4"/>{path}stroke="{colour}" stroke-width="2"/>'


def _ruler(rows: int, cols: int, scale: float, ground: Ground, *, grid: bool) -> str:
    """Pixel numbers at the left and the top; with `grid`, also a neutral ground with a line at each."""
    step = _step(max(rows, cols))
    svg = f'<rect width="{cols * scale:g}" height="{rows * scale:g}" fill="{ground.grid}"/>' if grid else ""
    for side, across, down in ((cols, rows, True), (rows, cols, False)):
        for pixel in range(0, side + 1, step):
            at = pixel * scale
            line = f"M{at:.1f} -5 V{across * scale if grid else 0:.1f}"
            line = line if down else f"M-5 {at:.1f} H{across * scale if grid else 0:.1f}"
            svg += f'<path d="{line}" stroke="{ground.domain}"/>'
            spot = (at, -9, "middle") if down else (-9, at + 4, "end")
            svg += caption(spot[0], spot[1], str(pixel), 10.5, ground.grey, spot[2])
    return svg


def _step(side: int) -> int:
    """Pixels from one number to the next: an eighth of the image, or a round number of which nine at most fit."""
    if side % 8 == 0:
        return side // 8
    steps = (unit * factor for unit in (1, 10, 100, 1000) for factor in (1, 2, 4, 8))
    return next((step for step in steps if side / step <= 8), side)
