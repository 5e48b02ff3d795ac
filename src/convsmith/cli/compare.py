"""`convsmith compare`: networks beside each other, and which of them no other beats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_network

if TYPE_CHECKING:
    from convsmith.spec.trace import Graph
    from convsmith.views.compare import Totals

BY = ("macs", "params")
MOST_COLUMNS = 5
"""More networks than this stand below each other instead of beside each other."""


@guarded
def command(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NETWORK]...",
            autocompletion=complete_network,
            help="Names, glob patterns over them in quotes ('vgg1?'), and whatever else `convsmith show` reads.",
        ),
    ] = None,
    side: Annotated[str | None, typer.Option(help="Input size of all: 224, or 224x160 (rows x columns).")] = None,
    batch: Annotated[int, typer.Option(help="Images at once: MACs, ops, activations and peaks are those of all.")] = 1,
    sort: Annotated[
        str | None, typer.Option(help="Ascending by a column of the JSON: params, macs, top1, depth.")
    ] = None,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Only those that no other beats in cost and published top-1.")
    ] = False,
    by: Annotated[str, typer.Option(help="The cost of --pareto: macs or params.")] = "macs",
    chart: Annotated[
        Path | None, typer.Option(help="Write top-1 against MACs as .html (with a year slider), .svg or .png.")
    ] = None,
    depth_chart: Annotated[
        Path | None, typer.Option(help="Write MACs and parameters by depth, overlaid, as .html, .svg or .png.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="text, markdown, csv, html or json.")] = "text",
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print totals of networks side by side: parameters, MACs, activations, memory, receptive field, depth, top-1.

    Top-1 is the best published on ImageNet. With --pareto or --chart, and no network named, all of the zoo are meant,
    each at the image size of its top-1.

    Example: convsmith compare alexnet vgg16 googlenet resnet50
    """
    from convsmith.cli.words import side_of
    from convsmith.spec.errors import SpecError, UnknownName, nearest
    from convsmith.views.compare import HEADS, plain, ranked, sheet, wide_sheet
    from convsmith.views.sheet import FORMATS

    form = "json" if json_ else form
    for word, given, known in (("format", form, (*FORMATS, "json")), ("cost", by, BY)):
        if given not in known:
            raise UnknownName(f"no {word} {given!r}{nearest(given, known)} (there are {', '.join(known)})")
    whole = pareto or chart is not None
    if not networks and not whole:
        raise SpecError("there is nothing to compare; name networks, or ask for --pareto or --chart of the whole zoo")
    size = side_of(side)
    graphs, found = _read(_named(networks or ["*"]), size, batch, at_top1=whole and size is None)
    if chart is not None or depth_chart is not None:
        _draw(chart, depth_chart, graphs, found)
    if pareto:
        found = _front(found, by)
    if sort is not None:
        found = ranked(found, sort)
    if form == "json":
        import json

        print(json.dumps(plain(found), ensure_ascii=False, indent=1))
        return
    if form == "csv":
        made = wide_sheet(found, tuple(HEADS))
    elif len(found) > MOST_COLUMNS or pareto:
        made = wide_sheet(found, title=f"{len(found)} networks that no other beats in {HEADS[by]} and top-1" * pareto)
    else:
        made = sheet(found)
    print(made.write(form).rstrip("\n"))


def _named(words: list[str]) -> list[str]:
    """The words, with patterns replaced by the names they match, each once. Raises UnknownName for no match."""
    from convsmith.spec.errors import UnknownName, nearest
    from convsmith.zoo import VARIANTS, names

    found: dict[str, None] = {}
    for word in words:
        pattern = any(letter in word for letter in "*?[") and ":" not in word
        matched = names(word) if pattern else (word,)
        if not matched:
            raise UnknownName(f"no network matches {word!r}{nearest(word.strip('*?'), VARIANTS)}")
        found |= dict.fromkeys(matched)
    return list(found)


def _read(words: list[str], side: Any, batch: int, *, at_top1: bool) -> tuple[list[Graph], list[Totals]]:
    from convsmith.cli.subject import subject
    from convsmith.views.compare import totals
    from convsmith.zoo import VARIANTS
    from convsmith.zoo.cards import card, card_of

    graphs, found = [], []
    for word in words:
        known = card(word) if word in VARIANTS else None
        size = known.best.side if at_top1 and known and known.best else side
        graph, network = subject(word, side=size)
        about = known or (card_of(network) if network else None)
        graphs.append(graph)
        found.append(totals(graph, about, batch=batch))
    return graphs, found


def _front(found: list[Totals], by: str) -> list[Totals]:
    """The front among networks whose top-1 is of one crop, as their cost is."""
    from convsmith.spec.errors import SpecError
    from convsmith.views.compare import ONE_CROP
    from convsmith.views.pareto import pareto

    kept = pareto([vars(one) | {"totals": one} for one in found if one.top1_protocol == ONE_CROP], by)
    if not kept:
        raise SpecError("none of these networks has a published top-1 on ImageNet for one crop; name others")
    return [row["totals"] for row in kept]


def _draw(chart: Path | None, depth_chart: Path | None, graphs: list[Graph], found: list[Totals]) -> None:
    from convsmith.report.chart_file import FORMATS, drawn, form_of
    from convsmith.report.compare_charts import ACCURACY, BY_DEPTH, accuracy, by_depth
    from convsmith.spec.files import write_whole

    files = [(file, form_of(file, FORMATS)) for file in (chart, depth_chart) if file is not None]
    for file, form in files:
        if file is chart:
            made = drawn(accuracy([one.plain() for one in found]), form, title=ACCURACY)
        else:
            named = [(one.name, graph) for one, graph in zip(found, graphs, strict=True)]
            made = drawn(by_depth(named), form, title=BY_DEPTH)
        write_whole(file, made)
