"""`convsmith chart`: a picture of what a network costs, sees or holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.subject import HELP
from convsmith.cli.words import complete_network

CHARTS = {
    "cost": ("depth", "batch", "train"),
    "field": (),
    "memory": ("batch", "train", "optimiser"),
    "sees": ("image", "layer", "unit"),
}
"""Which options each chart takes, besides those that all take."""


@guarded
def command(
    network: Annotated[str, typer.Argument(autocompletion=complete_network, help=HELP)],
    what: Annotated[
        str,
        typer.Argument(
            autocompletion=lambda: list(CHARTS),
            help="cost by layer, receptive field along depth, memory over time, or what part of an image a unit sees.",
        ),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="The file to write: .html, .svg or .png (sees: .svg, .png).")],
    side: Annotated[str | None, typer.Option(help="Input size in pixels: 224, or 224x160 (rows x columns).")] = None,
    classes: Annotated[int | None, typer.Option(help="Another number of classes.")] = None,
    channels: Annotated[int | None, typer.Option(help="Another number of input channels.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the architecture: --set shortcut=C.")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(help="cost: a row a module of so many path segments: 1 are stages.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="cost, memory: images at once.")] = None,
    train: Annotated[bool, typer.Option("--train", help="cost, memory: as in training, with auxiliary heads.")] = False,
    optimiser: Annotated[
        str | None, typer.Option(help="memory --train: sgd, momentum (if none is named), adam or adamw.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="sees: an image file; without one a grid is drawn.")] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="sees: a layer, or a module for its last; repeat it for more. If none, one of each map size."
        ),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(help="sees: row,column on the layer's map, from 0; one each --layer. If none, the middle."),
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="For a dark ground. HTML follows the reader's screen.")] = False,
) -> None:
    """Draw a network: HTML that works offline, SVG or PNG.

    Example: convsmith chart resnet50 memory --train --batch 32 -o memory.html
    """
    from convsmith.cli.subject import subject
    from convsmith.cli.words import settings, side_of
    from convsmith.report.chart_file import FORMATS, form_of
    from convsmith.spec.errors import SpecError, UnknownName, nearest
    from convsmith.spec.files import write_whole

    if what not in CHARTS:
        raise UnknownName(f"no chart {what!r}{nearest(what, CHARTS)} (there are {', '.join(CHARTS)})")
    given = {
        "depth": depth, "batch": batch, "train": train, "optimiser": optimiser, "image": image, "layer": layer,
        "unit": unit,
    }  # fmt: skip
    for name, value in given.items():
        if value not in (None, False) and name not in CHARTS[what]:
            takes = [chart for chart, options in CHARTS.items() if name in options]
            raise SpecError(f"--{name} is for {' and '.join(takes)}, not for {what}")
    path = Path(out)
    form = form_of(path, FORMATS if what != "sees" else FORMATS[1:])
    found = subject(network, classes=classes, side=side_of(side), channels=channels, options=settings(set_ or []))
    if what == "sees":
        data = _sees(found.graph, form, image, layer or [], unit or [], dark)
    else:
        from convsmith.report.chart_file import drawn

        chart = _chart(found, what, depth, 1 if batch is None else batch, train, optimiser)
        data = drawn(chart, form, title=f"{found.graph.name}: {what}", dark=dark)
    write_whole(path, data)
    print(path)


def _chart(found: Any, what: str, depth: int | None, batch: int, train: bool, optimiser: str | None) -> Any:
    from convsmith.report import network_charts
    from convsmith.spec.errors import SpecError
    from convsmith.spec.signature import positive_size
    from convsmith.views import describe, inference_memory, training_memory

    positive_size("batch", batch)
    if depth is not None:
        positive_size("depth", depth)
    if what == "cost":
        return network_charts.cost_chart(describe(found.network, found.graph, batch=batch, train=train), depth)
    if what == "field":
        return network_charts.field_chart(found.graph)
    if not train and optimiser:
        raise SpecError("--optimiser is for training: add --train")
    if not train:
        return network_charts.memory_chart(found.graph, inference_memory(found.graph), batch)
    name = optimiser or "momentum"
    return network_charts.memory_chart(found.graph, training_memory(found.graph, name), batch, f"training with {name}")


def _sees(graph: Any, form: str, image: str | None, layers: list[str], units: list[str], dark: bool) -> bytes:
    from convsmith.report import sees
    from convsmith.spec.errors import SpecError

    if units and len(units) != len(layers):
        raise SpecError(f"{len(layers)} of --layer and {len(units)} of --unit: give each layer its unit, or none one")
    places: list[tuple[int, int] | None] = [_unit(text) for text in units] if units else [None] * len(layers)
    if layers:
        seen = [sees.seen(graph, layer, place) for layer, place in zip(layers, places, strict=True)]
    else:
        seen = [sees.seen(graph, layer) for layer in sees.telling(graph)]
    png = sees.as_input(Path(image), graph) if image else None
    svg = sees.picture(graph, seen, png, dark=dark)
    return sees.as_png(svg) if form == "png" else svg.encode()


def _unit(text: str) -> tuple[int, int]:
    from convsmith.spec.errors import SpecError

    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise SpecError(f"{text!r} is not a unit: write row,column from 0, such as 3,4")
    return int(parts[0]), int(parts[1])
