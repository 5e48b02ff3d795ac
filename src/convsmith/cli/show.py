"""`convsmith show`: what every layer of a network outputs, learns, computes and sees."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_network


@guarded
def command(
    network: Annotated[
        str,
        typer.Argument(
            autocompletion=complete_network,
            help="A name (see `convsmith list`), a description (.json) or a run folder.",
        ),
    ],
    side: Annotated[str | None, typer.Option(help="Input size in pixels: 224, or 224x160 (rows x columns).")] = None,
    classes: Annotated[int | None, typer.Option(help="Another number of classes.")] = None,
    channels: Annotated[int | None, typer.Option(help="Another number of input channels.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the architecture: --set shortcut=C.")
    ] = None,
    weights_only: Annotated[bool, typer.Option("--weights-only", help="Only rows that have parameters.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Print the diagram as SVG instead of the table.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the cost table of a network: parameters, MACs, operations, activations and receptive field of every layer.

    Below it, for a network of the zoo: its paper, published accuracy, trained weights and departures.

    Example: convsmith show resnet50 --side 160
    """
    from convsmith.cli.words import network_of, settings, side_of
    from convsmith.spec.trace import trace
    from convsmith.views import describe, table
    from convsmith.views.card import card_facts
    from convsmith.zoo import VARIANTS
    from convsmith.zoo.cards import card_of

    found = network_of(network, classes, settings(set_ or []))
    graph = trace(found, side_of(side), channels)
    if svg:
        from convsmith.views.diagram import diagram

        print(diagram(graph))
        return
    known = VARIANTS.get(network)
    same = known is not None and not set_ and side is None
    description = describe(found, graph, known.remarks if known and same else ())
    about = card_of(found)
    if json_:
        import json

        print(json.dumps(description | {"card": about.plain() if about else None}, ensure_ascii=False))
    else:
        print(table(description, every_row=not weights_only))
        if about:
            print("", *(f"{word}: {fact}" for word, fact in card_facts(about).items()), sep="\n")
