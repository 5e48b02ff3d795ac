"""`convsmith list`: the networks that are there."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from convsmith.cli.guard import guarded


@guarded
def command(
    pattern: Annotated[str, typer.Argument(help="A glob pattern over names, in quotes.")] = "*",
    json_: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the networks of the zoo with their provenance and cost at their own input size.

    Example: convsmith list 'resnet*'
    """
    from convsmith.spec.errors import UnknownName, nearest
    from convsmith.zoo import VARIANTS, names

    found = [_row(name) for name in names(pattern)]
    if not found:
        raise UnknownName(f"no network matches {pattern!r}{nearest(pattern.strip('*'), VARIANTS)}")
    if json_:
        import json

        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _print(found)


def _row(name: str) -> dict[str, Any]:
    from convsmith.spec.trace import trace
    from convsmith.views.cost import cost
    from convsmith.zoo import variant

    known = variant(name)
    total = cost(trace(known.network(name)))
    return {
        "name": name,
        "provenance": known.provenance,
        "year": known.year,
        "side": known.side,
        "channels": known.channels,
        "classes": known.classes,
        "params": total.params,
        "macs": total.macs,
        "paper": known.paper,
        "departs": known.departs,
        "weights": known.weights,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from shutil import get_terminal_size

    from convsmith.views.units import short

    name = max(len(row["name"]) for row in rows)
    print(f"{'name':{name}}  {'form of':11}  year  input  {'parameters':>10}  {'MACs':>8}  departs from the paper in")
    room = max(20, get_terminal_size((140, 24)).columns - name - 52)
    for row in rows:
        note = row["departs"] if len(row["departs"]) <= room else row["departs"][: room - 1] + "…"
        line = (
            f"{row['name']:{name}}  {row['provenance']:11}  {row['year']}  {row['side']:>5}  "
            f"{short(row['params']):>10}  {short(row['macs']):>8}  {note}"
        )
        print(line.rstrip())
