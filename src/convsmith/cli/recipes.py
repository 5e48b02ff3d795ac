"""`convsmith recipes`: the training settings that are there, and where they are from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_recipe

if TYPE_CHECKING:
    from convsmith.train.recipe import Recipe
    from convsmith.train.settings import Settled

TYPICAL = ("optimiser", "lr", "batch", "epochs", "schedule")


@guarded
def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", autocompletion=complete_recipe, help="A recipe, to see all of it.")
    ] = None,
    diff: Annotated[
        str | None,
        typer.Option(autocompletion=complete_recipe, metavar="OTHER", help="Show only what differs from this recipe."),
    ] = None,
    file: Annotated[str | None, typer.Option("--config", help="A TOML file of fields, to see what it makes.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change a field: --set lr=0.05.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the training recipes; or show one with the meaning, value and origin of each field, and its source.

    Example: convsmith recipes resnet_2015
    """
    from pathlib import Path

    from convsmith.cli.words import settings
    from convsmith.spec.errors import SpecError
    from convsmith.train.recipes import recipe
    from convsmith.train.settings import settle

    other = None if diff is None else recipe(diff)
    if name is None and file is None and not set_:
        if other is not None:
            raise SpecError(f"--diff {diff} compares a recipe with that one: convsmith recipes NAME --diff {diff}")
        return _list(json_)
    settled = settle(name, None if file is None else Path(file), settings(set_ or []))
    if other is None:
        return _show(settled, json_)
    return _differences(settled.recipe, other, json_)


def _list(json_: bool) -> None:
    """A line each."""
    from convsmith.train.fields import said
    from convsmith.train.recipes import RECIPES, source

    if json_:
        return _print([found.to_json() | {"source": source(name)} for name, found in RECIPES.items()])
    rows: list[tuple[str, ...]] = [("recipe", *TYPICAL, "source")]
    for name, found in RECIPES.items():
        values = [said(getattr(found, field)) for field in TYPICAL]
        epochs = "by images" if found.epochs is None else str(found.epochs)
        values[TYPICAL.index("epochs")] = epochs
        rows.append((name, *values, source(name).splitlines()[0]))
    return _columns(rows)


def _show(settled: Settled, json_: bool) -> None:
    """Every field of one recipe; a dash stands where one has no effect beside the others."""
    from convsmith.train.fields import FIELDS, said
    from convsmith.train.recipes import source

    found, where = settled.recipe, source(settled.base)
    if json_:
        values = found.to_json()
        fields = {
            name: {"value": values[name], "meaning": field.meaning, "origin": settled.origins[name]}
            for name, field in FIELDS.items()
        }
        return _print({"name": found.name, "source": where, "fields": fields})
    print(f"{settled.said}\n\n{where}\n")
    rows: list[tuple[str, ...]] = [("field", "value", "meaning")]
    for name, field in FIELDS.items():
        origin = settled.origins[name]
        changed = "" if origin.startswith("recipe ") else f" [{origin}]"
        value = "-" if found.idle(name) else said(getattr(found, name))
        rows.append((name, value + changed, field.meaning))
    return _columns(rows)


def _differences(one: Recipe, other: Recipe, json_: bool) -> None:
    """The fields in which two recipes are not equal."""
    from convsmith.train.fields import FIELDS, said

    left, right = one.to_json(), other.to_json()
    names = [name for name in FIELDS if name != "name" and left[name] != right[name]]
    if json_:
        return _print({name: [left[name], right[name]] for name in names})
    rows: list[tuple[str, ...]] = [("field", one.name, other.name, "meaning")]
    for name in names:
        rows.append((name, said(getattr(one, name)), said(getattr(other, name)), FIELDS[name].meaning))
    return _columns(rows) if names else print(f"{one.name} and {other.name} do not differ")


def _columns(rows: list[tuple[str, ...]]) -> None:
    """Rows under their heads, the last column cut where the terminal ends."""
    from shutil import get_terminal_size

    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = max(80, get_terminal_size((160, 24)).columns)
    for row in rows:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        print(line if len(line) <= room else line[: room - 1] + "…")


def _print(data: Any) -> None:
    import json

    print(json.dumps(data, ensure_ascii=False, indent=1))
