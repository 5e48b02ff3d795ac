"""A chart as a file: HTML that works offline, SVG or PNG, on a light or a dark ground."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from convsmith.report.extras import all_printable, need
from convsmith.spec.errors import UnknownName
from convsmith.views.printable import printable
from convsmith.views.svg import FONT

FORMATS = ("html", "svg", "png")

PNG_SCALE = 2
"""Pixels of a PNG per px of the picture, so that text stays sharp on screens of today and in print."""


class Ground(NamedTuple):
    """Colours of what is no data: the ground, text, quieter text, grid lines, axis lines."""

    paper: str
    ink: str
    grey: str
    grid: str
    domain: str


LIGHT = Ground("#ffffff", "#1f2430", "#5b6472", "#e6e9ef", "#c3c9d3")
DARK = Ground("#14181f", "#eceff4", "#a9b2c0", "#2a313c", "#4a5362")

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}
body {{ margin: 1rem; overflow-x: auto; font: 13px {font} }}</style>
</head>
<body>
<div id="chart"></div>
<script>{library}</script>
<script>
const spec = {spec}, looks = {looks};
const dark = matchMedia("(prefers-color-scheme: dark)");
const actions = {{export: true, source: false, compiled: false, editor: false}};
const draw = () => vegaEmbed("#chart", spec, {{config: looks[dark.matches ? 1 : 0], renderer: "svg", actions}});
dark.addEventListener("change", draw);
draw();
</script>
</body>
</html>
"""


def form_of(path: Path, forms: Sequence[str]) -> str:
    """The form that the name's ending stands for. Raises UnknownName for another one than these."""
    form = path.suffix.removeprefix(".").lower()
    if form not in forms:
        ends = [f".{name}" for name in forms]
        raise UnknownName(f"{path}: the name must end in {', '.join(ends[:-1])} or {ends[-1]}")
    return form


def drawn(chart: Any, form: str, *, title: str, dark: bool = False) -> bytes:
    """An Altair chart as a file's bytes: `html`, `svg` or `png`.

    The page holds all of its JavaScript (0.9 MB) and forbids itself every address; it follows the reader's choice of
    a light or a dark ground, unless `dark` is asked for. Raises MissingExtra without the libraries for reports.
    """
    spec, convert = all_printable(chart.to_dict()), need("vl_convert")
    look = _look(DARK if dark else LIGHT)
    if form == "html":
        return _page(spec, title, look, _look(DARK)).encode()
    if form == "svg":
        return str(convert.vegalite_to_svg(spec | {"config": look})).encode()
    png: bytes = convert.vegalite_to_png(spec | {"config": look}, scale=PNG_SCALE)
    return png


def _page(spec: dict[str, Any], title: str, light: dict[str, Any], dark: dict[str, Any]) -> str:
    grounds = light["background"], dark["background"]
    style = "body {{ background: {} }} @media (prefers-color-scheme: dark) {{ body {{ background: {} }} }}".format(
        *grounds
    )
    library = need("vl_convert").javascript_bundle().replace("</script", "<\\/script")
    return PAGE.format(
        title=escape(printable(title)),
        font=FONT,
        style=style,
        library=library,
        spec=_script(spec),
        looks=_script([light, dark]),
    )


def _script(data: Any) -> str:
    return json.dumps(data).replace("<", "\\u003c")  # no name ends the script that it stands in


def _look(ground: Ground) -> dict[str, Any]:
    """Vega-Lite's configuration: lines and the style `loud` are ink, other text and rules stand back."""
    return {
        "background": ground.paper,
        "padding": 14,
        "font": FONT,
        "view": {"stroke": None},
        "title": {
            "anchor": "start", "fontSize": 13, "fontWeight": "bold", "color": ground.ink, "offset": 10,
            "subtitleColor": ground.grey, "subtitleFontSize": 11.5,
        },
        "axis": {
            "labelColor": ground.grey, "titleColor": ground.grey, "gridColor": ground.grid,
            "domainColor": ground.domain, "tickColor": ground.domain, "labelFontSize": 11, "titleFontWeight": "normal",
        },
        "legend": {"labelColor": ground.ink, "titleColor": ground.grey, "labelFontSize": 11},
        "rule": {"color": ground.domain},
        "line": {"color": ground.ink},
        "text": {"color": ground.grey, "fontSize": 11},
        "style": {"loud": {"color": ground.ink, "fontSize": 12, "fontWeight": "bold"}},
    }  # fmt: skip
