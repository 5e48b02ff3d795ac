"""Pictures of what goes on inside a network: heat maps over images, grids of filters and maps, charts by depth.

Pictures are PNG bytes of NumPy arrays; charts are inline SVG.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from math import ceil, floor, isfinite, log10
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.report.charts import GREY, inline
from convsmith.report.extras import need

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

SHOWN = 192
"""Pixels at least of a picture's longer side; what is smaller is enlarged by a whole factor, its pixels as squares."""
WARM, HOT, COLD = (255, 196, 61), (206, 32, 64), (36, 92, 214)
"""From weak to strong what speaks for a class, and what speaks against it."""
COVER = 0.82
"""How much of the image the strongest heat hides, 0..1."""
LOW_TO_HIGH = ("#0d1b3d", "#274b8f", "#3f87b5", "#8cc6ae", "#f6f0b2")
"""A feature map's colours, from its lowest value to its highest."""
NETS = ("#c0395b", "#2f6fb7", "#2a8f63", "#b07a1e")
"""Colours of several networks in one chart."""
PANEL, GAP = 400, 2
MOST_DECADES = 8
"""Powers of ten that an axis names at most."""
POWERS = "datum.value < 0.001 || datum.value > 9999 ? format(datum.value, '.0e') : format(datum.value, '~f')"
BETWEEN = (214, 219, 229)
"""What lies between tiles: no colour of theirs."""


def plain(picture: Bytes) -> bytes:
    """A picture (H, W, C) with C 1 or 3 as PNG, enlarged if it is small."""
    return _png(_enlarged(_rgb(picture), _factor(picture)))


def overlay(picture: Bytes, heat: Floats) -> bytes:
    """A heat map over a picture (H, W, C), as PNG.

    `heat` is (h, w) of any size, -1..1, bilinear in between: what is positive glows from yellow to red, what is
    negative blue; at zero the picture, in grey, shows through.
    """
    scale = _factor(picture)
    grey = _rgb(picture).astype(np.float32).mean(2, keepdims=True)
    ground = _enlarged(np.repeat(grey.round().astype(np.uint8), 3, 2), scale).astype(np.float32)
    height, width = ground.shape[:2]
    warmth = np.asarray(
        Image.fromarray(np.asarray(heat, dtype=np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    )[..., None]
    strength = np.abs(warmth).clip(0, 1)
    warm, hot, cold = (np.array(colour, dtype=np.float32) for colour in (WARM, HOT, COLD))
    colour = np.where(warmth > 0, warm + (hot - warm) * strength, cold)
    share = COVER * strength**0.7
    return _png((ground * (1 - share) + colour * share).round().clip(0, 255).astype(np.uint8))


def filter_grid(pictures: Bytes, *, cell: int = 44, columns: int = 16) -> bytes:
    """Filters, uint8 (n, rows, cols, C) with C 1 or 3, row by row as PNG, each about `cell` px wide."""
    scale = max(1, round(cell / max(pictures.shape[1:3])))
    return _png(_tiled([_enlarged(_rgb(picture), scale) for picture in pictures], columns, 2 * GAP))


def map_grid(maps: Floats, *, cell: int = 72, columns: int = 12) -> bytes:
    """Feature maps (n, h, w) row by row as PNG, each stretched from its own lowest to its highest value."""
    scale = max(1, ceil(cell / max(maps.shape[1:])))
    low = maps.min((1, 2), keepdims=True)
    span = maps.max((1, 2), keepdims=True) - low
    level = np.where(span > 0, (maps - low) / np.where(span > 0, span, 1), 0)
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in LOW_TO_HIGH], dtype=np.float32)
    at = np.linspace(0, 1, len(anchors))
    coloured = np.stack([np.interp(level, at, anchors[:, i]) for i in range(3)], -1).round().astype(np.uint8)
    return _png(_tiled([_enlarged(picture, scale) for picture in coloured], columns))


def gradient_by_depth(nets: Mapping[str, Sequence[Mapping[str, Any]]], *, by: str = "output") -> str:
    """Norm of the loss's gradient by each layer's outputs or (`by="weight"`) weights, as RMS, on a logarithmic axis.

    `nets` is name -> rows with `depth` and what `convsmith.nn.look.by_depth` gives; layers where it is 0 or absent have
    no point. "" where none has one.
    """
    return _by_depth(nets, f"{by}_grad_rms", title=f"Gradient of the loss by a layer's {by}s, RMS", log=True)


def activation_by_depth(nets: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Standard deviation of each layer's responses, on a logarithmic axis; `nets` as in `gradient_by_depth`."""
    return _by_depth(nets, "std", title="Standard deviation of responses", log=True)


def zeros_by_depth(nets: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Share of zeros after each layer's activation, 0 to 100 %; "" for a network without activations."""
    return _by_depth(nets, "zeros", title="Share of zeros after the activation", log=False)


def _by_depth(nets: Mapping[str, Sequence[Mapping[str, Any]]], column: str, *, title: str, log: bool) -> str:
    points = [
        {"depth": row["depth"], "value": row[column], "net": name}
        for name, rows in nets.items()
        for row in rows
        if row[column] is not None and isfinite(row[column]) and (row[column] > 0 or not log)
    ]
    if not points:
        return ""
    alt = need("altair")
    if log:
        decades = _decades([float(point["value"]) for point in points])
        scale = alt.Scale(type="log", domain=[decades[0], decades[-1]], nice=False)
        axis = alt.Axis(labelExpr=POWERS, title=None, values=decades)
    else:
        scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(format="%", title=None, tickCount=5)
    most = max(len(rows) for rows in nets.values())
    along = alt.Axis(title="layer, from the image to the classes", tickMinStep=1, format="d", grid=False)
    x = alt.X("depth:Q", axis=along, scale=alt.Scale(domain=[0, most + 1], nice=False))
    colours = alt.Scale(domain=list(nets), range=[NETS[i % len(NETS)] for i in range(len(nets))])
    legend = alt.Legend(orient="bottom", title=None, symbolType="stroke", symbolStrokeWidth=3)
    colour = alt.Color("net:N", scale=colours, legend=legend) if len(nets) > 1 else alt.value(NETS[1])
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=x, y=alt.Y("value:Q", scale=scale, axis=axis), color=colour
    )
    drawn = base.mark_line(strokeWidth=1.6) + base.mark_circle(size=max(8, min(44, 900 // most)), opacity=1)
    if not log:
        half = alt.Chart(alt.InlineData(values=[{"half": 0.5}])).mark_rule(color=GREY, strokeDash=[5, 4])
        drawn = half.encode(y=alt.Y("half:Q", scale=scale)) + drawn
    return inline(drawn.properties(title=title, width=PANEL, height=200))


def _decades(values: Sequence[float]) -> list[float]:
    """Powers of ten from below the least to above the largest, evenly thinned to `MOST_DECADES`; at least two."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    step = max(1, ceil((high - low) / (MOST_DECADES - 1)))
    steps = max(1, ceil((high - low) / step))
    return [10.0 ** (low + step * i) for i in range(steps + 1)]


def _rgb(picture: Bytes) -> Bytes:
    return np.repeat(picture, 3, 2) if picture.shape[2] == 1 else picture


def _factor(picture: Bytes) -> int:
    return max(1, ceil(SHOWN / int(max(picture.shape[:2]))))


def _enlarged(picture: Bytes, scale: int) -> Bytes:
    return picture.repeat(scale, 0).repeat(scale, 1)


def _tiled(tiles: Sequence[Bytes], columns: int, gap: int = GAP) -> Bytes:
    """Tiles of one size in rows, `gap` px apart."""
    columns = max(1, min(columns, len(tiles)))
    rows, (height, width) = ceil(len(tiles) / columns), tiles[0].shape[:2]
    sheet = np.empty((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), dtype=np.uint8)
    sheet[:] = BETWEEN
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _png(picture: Bytes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
