"""`convsmith draw`: a network, or one block of it, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.subject import HELP
from convsmith.cli.words import complete_network


@guarded
def command(
    network: Annotated[str, typer.Argument(autocompletion=complete_network, help=HELP)],
    at: Annotated[str, typer.Option(help="The path of a block, which is drawn alone: layer1.0.")] = "",
    shade: Annotated[
        str | None, typer.Option(help="Tint layers by their share of macs, params or activations.")
    ] = None,
    expand: Annotated[bool, typer.Option("--expand", help="Draw equal blocks one by one, not once with ×N.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file: .svg, .png or .pdf. Without it, SVG is printed.")
    ] = None,
    side: Annotated[str | None, typer.Option(help="Input size in pixels: 224, or 224x160 (rows x columns).")] = None,
    classes: Annotated[int | None, typer.Option(help="Another number of classes.")] = None,
    channels: Annotated[int | None, typer.Option(help="Another number of input channels.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the architecture: --set shortcut=C.")
    ] = None,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Draw operations without a rule instead of refusing them.")
    ] = False,
) -> None:
    """Draw a network as textbooks do: layers by colour, branches side by side, equal blocks once.

    Example: convsmith draw resnet50 --at layer1.0 -o block.svg
    """
    from convsmith.cli.picture import check, save
    from convsmith.cli.subject import subject
    from convsmith.cli.words import settings, side_of
    from convsmith.views.diagram import diagram

    if out is not None:
        check(out)
    found = subject(
        network, classes=classes, side=side_of(side), channels=channels, options=settings(set_ or []),
        allow_unknown=allow_unknown,
    )  # fmt: skip
    svg = diagram(found.graph, at=at, shade=shade, expand=expand)
    if out is None:
        print(svg, end="")
    else:
        save(svg, out)
        print(out)
