"""`convsmith show`: what every layer of a network outputs, learns, computes and sees."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.subject import HELP, Subject
from convsmith.cli.words import complete_network


@guarded
def command(
    network: Annotated[str, typer.Argument(autocompletion=complete_network, help=HELP)],
    side: Annotated[str | None, typer.Option(help="Input size in pixels: 224, or 224x160 (rows x columns).")] = None,
    classes: Annotated[int | None, typer.Option(help="Another number of classes.")] = None,
    channels: Annotated[int | None, typer.Option(help="Another number of input channels.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the architecture: --set shortcut=C.")
    ] = None,
    depth: Annotated[int | None, typer.Option(help="One row a module of so many path segments: 1 are stages.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns, with commas: params,macs,weight_bytes,intensity.")
    ] = None,
    weights_only: Annotated[bool, typer.Option("--weights-only", help="Only rows that have parameters.")] = False,
    batch: Annotated[int, typer.Option(help="Images at once: MACs, operations and activations are those of all.")] = 1,
    dtype: Annotated[str, typer.Option(help="Of bytes: float64, float32, float16, bfloat16, int8.")] = "float32",
    train: Annotated[bool, typer.Option("--train", help="As in training, with auxiliary heads.")] = False,
    memory: Annotated[bool, typer.Option("--memory", help="What inference and training hold at most.")] = False,
    available: Annotated[
        str | None, typer.Option(help="With --memory: bytes there are (8G). Which batch fits?")
    ] = None,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="List operations without a rule instead of refusing them.")
    ] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Print the diagram as SVG instead of the table.")] = False,
    form: Annotated[str, typer.Option("--format", help="text, markdown, csv, html or json.")] = "text",
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print the cost table of a network: parameters, MACs, operations, activations and receptive field of every layer.

    Below it, for a network of the zoo: its paper, published accuracy, trained weights and departures.

    Example: convsmith show resnet50 --side 160
    """
    from convsmith.cli.subject import subject
    from convsmith.cli.words import settings, side_of
    from convsmith.spec.errors import UnknownName, nearest
    from convsmith.views.sheet import FORMATS

    form = "json" if json_ else form
    if form not in (*FORMATS, "json"):
        raise UnknownName(f"no format {form!r}{nearest(form, FORMATS)} (there are {', '.join(FORMATS)} and json)")
    found = subject(
        network, classes=classes, side=side_of(side), channels=channels, options=settings(set_ or []),
        allow_unknown=allow_unknown,
    )  # fmt: skip
    if svg:
        from convsmith.views.diagram import diagram

        print(diagram(found.graph))
    elif memory:
        _memory(found, batch, available, form == "json")
    else:
        remarks = set_ is None and side is None
        _table(
            found, network if remarks else "", form, columns, weights_only, depth, batch=batch, dtype=dtype, train=train
        )


def _table(
    found: Subject, name: str, form: str, columns: str | None, weights_only: bool, depth: int | None, **how: Any
) -> None:
    from convsmith.views import describe
    from convsmith.views.card import card_facts
    from convsmith.views.table import USUAL, sheet
    from convsmith.zoo import VARIANTS
    from convsmith.zoo.cards import card_of

    known = VARIANTS.get(name) if found.network is not None else None
    description = describe(found.network, found.graph, known.remarks if known else (), **how)
    about = card_of(found.network) if found.network is not None else None
    if form == "json":
        import json

        print(json.dumps(description | {"card": about.plain() if about else None}, ensure_ascii=False))
        return
    wanted = tuple(columns.split(",")) if columns else USUAL
    print(sheet(description, every_row=not weights_only, depth=depth, columns=wanted).write(form))
    if about and form == "text":
        print("", *(f"{word}: {fact}" for word, fact in card_facts(about).items()), sep="\n")


def _memory(found: Subject, batch: int, available: str | None, as_json: bool) -> None:
    from convsmith.views.memory import memory
    from convsmith.views.units import size_of

    plans = memory(found.graph, batch, size_of(available) if available else None)
    if as_json:
        import json

        print(json.dumps(plans.plain(), ensure_ascii=False))
    else:
        print("\n".join(plans.lines()))
