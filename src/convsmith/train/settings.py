"""A recipe as asked: the command line before a TOML file before the recipe itself, and who said what."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convsmith.spec.errors import SpecError
from convsmith.train.fields import FIELDS, said
from convsmith.train.recipe import Recipe, checked
from convsmith.train.recipes import recipe

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Settled:
    """A recipe, the name of the one that it began as, and for each of its fields where the value is from.

    Origins are "command line", "file F" and "recipe R".
    """

    recipe: Recipe
    base: str
    origins: dict[str, str]

    @property
    def changed(self) -> dict[str, str]:
        """The origins of the fields that are not the recipe's own."""
        return {name: origin for name, origin in self.origins.items() if origin != f"recipe {self.base}"}

    @property
    def said(self) -> str:
        """The recipe and what was changed in it, in a line: `default, but lr 0.05 (command line)`."""
        values = [f"{name} {said(getattr(self.recipe, name))} ({origin})" for name, origin in self.changed.items()]
        return self.base + (f", but {', '.join(values)}" if values else "")


def settle(name: str | None, file: Path | None, changes: Mapping[str, Any]) -> Settled:
    """The recipe `name`, with the file's fields and then `changes` put in.

    Without a name it is the one that the file's line `recipe = "..."` names, or `default`. A file's other lines are
    fields: numbers, booleans, texts and lists; "none" where a field may be left to the data.

    Raises UnknownName for a recipe or field that there is not, with the nearest; SpecError for a value that a field
    cannot have or that has no effect, and for a file that cannot be read or is not TOML, naming the line.
    """
    written = {} if file is None else _read(file)
    asked = written.pop("recipe", "default")
    if not isinstance(asked, str):
        raise SpecError(f"{file}: recipe must be the name of a recipe, got {asked!r}")
    base = recipe(name or asked)
    origins = dict.fromkeys(FIELDS, f"recipe {base.name}")
    fields: dict[str, Any] = {}
    for where, origin, values in ((f"{file}: ", f"file {file}", written), ("", COMMAND_LINE, changes)):
        fields |= checked(values, where)
        origins |= dict.fromkeys(values, origin)
    settled = Settled(replace(base, **fields), base.name, origins)
    _refuse_idle(settled)
    return settled


def _refuse_idle(settled: Settled) -> None:
    """Raise SpecError for a change without effect; but the command line may make a file's idle, as by a schedule."""
    found, origins = settled.recipe, settled.origins
    for name, origin in settled.changed.items():
        needs = FIELDS[name].needs
        if found.idle(name) and (origin == COMMAND_LINE or origins[needs] != COMMAND_LINE):
            among = " or ".join(FIELDS[name].among)
            raise SpecError(f"{name} ({origin}) has no effect with {needs} {getattr(found, needs)}: it is for {among}")


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot read the recipe file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecError(f"{file} is not TOML: it is not text in UTF-8") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = f"at line {max(1, len(text.splitlines()))}"
        raise SpecError(f"{file} is not TOML: {str(error).replace('at end of document', last)}") from None
