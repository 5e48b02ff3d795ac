"""A look inside a network on one page: what answers rest on, filters, maps, signals by depth; without scripts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convsmith.report import look_charts
from convsmith.report.extras import need
from convsmith.report.numbers import percent
from convsmith.report.templates import fill
from convsmith.spec.files import write_whole


def write_look(path: Path, record: Mapping[str, Any]) -> Path:
    """Write the page of `record` to `path`, and return that. Raises RunError if it cannot be written.

    Raises MissingExtra where the libraries for reports are not installed. `record` is plain data, with NumPy arrays:

    run, network, data, command, environment, layer   words about what is looked at
    about     a sentence on which images are shown, and why
    images    of each: name, label (or None), picture uint8 (H, W, C), and `views` of classes: class, role, probability
              0..1, cam float (h, w) 0..1, occlusion float (rows, cols) -1..1 (what the square takes from the
              probability)
    square    side of the occluding square in pixels
    filters   layer and pictures uint8 (n, rows, cols, C), or None
    maps      layer, image (its name), channels (their numbers), of (how many there are), maps float (n, h, w); or None
    depth     rows of `convsmith.nn.look.by_depth` as plain data, or None; `depth_about`: of which images, or why not
    """
    for library in ("jinja2", "altair", "vl_convert"):
        need(library)
    write_whole(path, render(record).encode())
    return path


def render(record: Mapping[str, Any]) -> str:
    """The page's HTML. Every string of the record is escaped."""
    filters, maps = record["filters"], record["maps"]
    drawn = {
        "shown": [_shown(image) for image in record["images"]],
        "filter_grid": "" if filters is None else _inline(look_charts.filter_grid(filters["pictures"])),
        "map_grid": "" if maps is None else _inline(look_charts.map_grid(maps["maps"])),
        "charts": _charts(record),
    }
    return fill("look.html", {**record, **drawn}, {"percent": percent})


def _shown(image: Mapping[str, Any]) -> dict[str, Any]:
    picture = image["picture"]
    views = [
        {
            **view,
            "cam_png": _inline(look_charts.overlay(picture, view["cam"])) if view["cam"].any() else "",
            "occlusion_png": _inline(look_charts.overlay(picture, view["occlusion"])),
            "most": float(view["occlusion"].max()),
        }
        for view in image["views"]
    ]
    return {**image, "png": _inline(look_charts.plain(picture)), "views": views}


def _charts(record: Mapping[str, Any]) -> list[str]:
    if record["depth"] is None:
        return []
    nets = {record["network"]: record["depth"]}
    drawn = (
        look_charts.activation_by_depth(nets),
        look_charts.zeros_by_depth(nets),
        look_charts.gradient_by_depth(nets),
        look_charts.gradient_by_depth(nets, by="weight"),
    )
    return [chart for chart in drawn if chart]


def _inline(png: bytes) -> str:
    return b64encode(png).decode()
