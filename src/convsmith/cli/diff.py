"""`convsmith diff`: what changed between two networks, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.subject import HELP
from convsmith.cli.words import complete_network


@guarded
def command(
    a: Annotated[str, typer.Argument(autocompletion=complete_network, help=f"The network before. {HELP}")],
    b: Annotated[str, typer.Argument(autocompletion=complete_network, help="The network after, said in the same way.")],
    side: Annotated[str | None, typer.Option(help="Input size of both: 224, or 224x160 (rows x columns).")] = None,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write the picture to this file, too: both side by side.")] = None,
) -> None:
    """Print what the second network has otherwise than the first: layers changed, added, removed, moved; and totals.

    Layers are paired by their path where it is the same, else by kind, settings and order. "Alike, at another size"
    are layers that nobody changed, but something before them.

    Example: convsmith diff alexnet_2012 zfnet
    """
    from convsmith.cli.subject import subject
    from convsmith.cli.words import side_of
    from convsmith.spec.errors import UnknownName, nearest
    from convsmith.views.diff import diff

    form = "json" if json_ else form
    if form not in ("text", "json"):
        raise UnknownName(f"no format {form!r}{nearest(form, ('text', 'json'))} (there are text and json)")
    size = side_of(side)
    found = diff(*(subject(word, side=size).graph for word in (a, b)))
    if svg is not None:
        from convsmith.spec.files import write_whole
        from convsmith.views.diff_svg import diff_svg

        write_whole(svg, diff_svg(found).encode())
    if form == "json":
        import json

        print(json.dumps(found.plain(), ensure_ascii=False))
    else:
        from convsmith.views.diff_text import text

        print(text(found))
