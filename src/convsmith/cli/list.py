"""`convsmith list`: the networks that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli.guard import guarded

if TYPE_CHECKING:
    from convsmith.zoo.cards import Card

Row = dict[str, Any]

KEYS = ("name", "year", "params", "macs", "receptive-field", "top1")


@guarded
def command(
    patterns: Annotated[
        list[str] | None, typer.Argument(metavar="[PATTERN]...", help="Glob patterns over names, in quotes.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="Those of one paper's file, as resnet_cifar.")] = None,
    year: Annotated[str | None, typer.Option(help="Those of a year or of years: 2015, 2012-2016.")] = None,
    provenance: Annotated[str | None, typer.Option(help="The form of: paper, torchvision or timm.")] = None,
    weights: Annotated[bool, typer.Option("--weights", help="Only those with trained weights.")] = False,
    max_params: Annotated[str | None, typer.Option(help="At most so many parameters: 5M.")] = None,
    max_macs: Annotated[str | None, typer.Option(help="At most so many MACs: 600M.")] = None,
    min_receptive_field: Annotated[int | None, typer.Option(help="Sees at least so many pixels.", min=1)] = None,
    max_receptive_field: Annotated[int | None, typer.Option(help="Sees at most so many pixels.", min=1)] = None,
    min_top1: Annotated[float | None, typer.Option(help="At least so many per cent top-1 on ImageNet: 75.")] = None,
    sort: Annotated[
        str | None, typer.Option(help=f"Ascending, unknown ones first: {', '.join(KEYS)}. Default: history.")
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="Turn the order round.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print a JSON list with all that is known of each.")] = False,
) -> None:
    """List the networks of the zoo with their provenance, their cost at their own input size, what they see and score.

    Top-1 is the best known on ImageNet, of trained weights or else as printed; behind an @ stands another image size.

    Example: convsmith list 'resnet*' --max-params 30M --sort top1
    """
    from convsmith.cli.words import size
    from convsmith.spec.errors import SpecError

    if sort is not None and sort not in KEYS:
        from convsmith.spec.errors import UnknownName, nearest

        raise UnknownName(f"nothing is sorted by {sort!r}{nearest(sort, KEYS)} (there are {', '.join(KEYS)})")
    if min_top1 is not None and not 1 < min_top1 <= 100:
        raise SpecError(f"--min-top1 is in per cent, above 1 and at most 100 like 75, got {min_top1:g}")
    limits = {"params": (None, size(max_params)), "macs": (None, size(max_macs))}
    fields = (min_receptive_field, max_receptive_field)
    cards = _known(patterns or ["*"], family, provenance, _years(year), weights=weights)
    rows = [
        row
        for row in map(_row, cards)
        if all(_within(row[column], limit) for column, limit in limits.items())
        and all(_within(pixels, fields) for pixels in _two(row["receptive_field"]))
        and (min_top1 is None or (row["top1"] is not None and row["top1"] >= min_top1 / 100 - 1e-9))
    ]
    if not rows:
        raise SpecError(f"none of the {len(cards)} networks that match is within all limits; loosen one of them")
    if sort is not None:
        rows.sort(key=lambda row: _key(row[sort.replace("-", "_")]))
    if reverse:
        rows.reverse()
    if json_:
        import json

        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        _print(rows)


def _known(
    patterns: list[str], family: str | None, provenance: str | None, years: tuple[int, int], *, weights: bool
) -> list[Card]:
    """The cards that names, family, form, years and weights allow, in the order of history. None of them costs a trace.

    Raises UnknownName for a pattern without a network, an unknown family or form.
    """
    from convsmith.spec.errors import SpecError, UnknownName, nearest
    from convsmith.zoo import PAPERS, VARIANTS, names
    from convsmith.zoo.cards import card

    matches = {pattern: names(pattern) for pattern in patterns}
    for pattern, matched in matches.items():
        if not matched:
            raise UnknownName(f"no network matches {pattern!r}{nearest(pattern.strip('*'), VARIANTS)}")
    for word, given, known in (
        ("family", family, dict.fromkeys(PAPERS)),
        ("form", provenance, dict.fromkeys(found.provenance for found in VARIANTS.values())),
    ):
        if given is not None and given not in known:
            raise UnknownName(f"no {word} is called {given!r}{nearest(given, known)} (there are {', '.join(known)})")
    asked = {name for matched in matches.values() for name in matched}
    cards = [
        found
        for found in map(card, (name for name in VARIANTS if name in asked))
        if family in (None, found.family)
        and provenance in (None, found.provenance)
        and years[0] <= found.year <= years[1]
        and (found.weights or not weights)
    ]
    if not cards:
        raise SpecError(
            f"none of the {len(asked)} networks of these names is all of this; leave out one of the filters"
        )
    return cards


def _years(text: str | None) -> tuple[int, int]:
    """`"2015"`, `"2012-2016"`, both included. Raises SpecError."""
    from convsmith.spec.errors import SpecError

    if text is None:
        return 0, 9999
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and len(text) in (4, 9)):
        raise SpecError(f"--year is a year like 2015 or years like 2012-2016, got {text!r}")
    return int(first), int(last or first)


def _row(card: Card) -> Row:
    from convsmith.spec.trace import trace
    from convsmith.views.cost import cost
    from convsmith.views.receptive_field import receptive_field
    from convsmith.zoo import spec

    graph = trace(spec(card.name))
    total, (rows, cols) = cost(graph), receptive_field(graph)[graph.output].size
    best = card.best
    counts = {"params": total.params, "macs": total.macs, "receptive_field": rows if rows == cols else [rows, cols]}
    return card.plain() | counts | {"top1": best.top1 if best else None}


def _within(value: int, limit: tuple[int | None, int | None]) -> bool:
    least, most = limit
    return (least is None or value >= least) and (most is None or value <= most)


def _two(pixels: Any) -> tuple[int, int]:
    """Rows and columns of a receptive field that is a number where they are equal."""
    return (pixels, pixels) if isinstance(pixels, int) else (pixels[0], pixels[1])


def _key(value: Any) -> tuple[Any, ...]:
    """What is unknown comes first, before the least; a field of two sides counts by its larger."""
    return (False,) if value is None else (True, max(value) if isinstance(value, list) else value)


def _print(rows: list[Row]) -> None:
    from shutil import get_terminal_size

    from convsmith.views.units import short

    name = max(4, *(len(row["name"]) for row in rows))
    print(
        f"{'name':{name}}  {'form of':11}  year  input  {'parameters':>10}  {'MACs':>8}  {'sees':>9}  {'top-1':<10}  "
        "departs from the paper in"
    )
    room = max(20, get_terminal_size((160, 24)).columns - name - 75)
    for row in rows:
        note = row["departs"] if len(row["departs"]) <= room else row["departs"][: room - 1] + "…"
        best = row["best"]
        top1 = "" if best is None else f"{best['top1']:.1%}" + (f" @{best['side']}" * (best["side"] != row["side"]))
        sees = "×".join(map(str, dict.fromkeys(_two(row["receptive_field"])))) + " px"
        line = (
            f"{row['name']:{name}}  {row['provenance']:11}  {row['year']}  {row['side']:>5}  "
            f"{short(row['params']):>10}  {short(row['macs']):>8}  {sees:>9}  {top1:<10}  {note}"
        )
        print(line.rstrip())
