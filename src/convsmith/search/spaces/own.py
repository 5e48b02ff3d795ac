"""A space of one's own, said in a TOML file: options of networks of the zoo, or the rows of a factorised space.

network = "mobilenet_v2"            # or a list; options under [choices.NAME] are that network's alone
[choices]
width = [0.35, 0.5, 0.75]
side = [96, 128, 160]

[frame]                             # or: rows between a stem and a head (factorised.py)
stem = 16
[[block]]
stride = 2
layers = [1, 2]
width = [16, 24]
op = ["separable", "mbconv3"]       # op, kernel, se and skip have `mnas`' options where they are left out
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Any

from convsmith.search.spaces.chain import SIDE
from convsmith.search.spaces.choice import Choice, Settings
from convsmith.search.spaces.factorised import Frame, Options, factorised
from convsmith.search.spaces.moves import neighbours
from convsmith.search.spaces.space import Space
from convsmith.spec.errors import ConvsmithError, SpaceError, nearest
from convsmith.spec.network import Network
from convsmith.zoo import spec, variant

NETWORK = "network"


def own(path: Path, *, side: int | None = None, channels: int = 3, classes: int = 1000) -> Space:
    """The space that a file says, for such images; `side` None is the networks' own, or 224 for rows.

    Raises SpaceError naming the file and what is wrong in it: no TOML, an unknown word, a value that cannot be, or a
    choice of which an option makes no network (each option is traced once, beside the first of all others).
    """
    try:
        data = tomllib.loads(path.read_text())
    except OSError as error:
        raise SpaceError(f"cannot read {path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpaceError(f"{path} is no TOML: {error}") from None
    try:
        found = (
            _rows(path, data, side, channels, classes) if "block" in data else _zoo(path, data, side, channels, classes)
        )
        _check(found)
    except SpaceError as error:
        raise SpaceError(f"{path}: {error}") from None
    return found


def _zoo(path: Path, data: Mapping[str, Any], side: int | None, channels: int, classes: int) -> Space:
    _known(data, ("network", "choices", "about"))
    names = data.get(NETWORK)
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not names:
        raise SpaceError('say network = "..." (or a list of names), or [[block]] rows')
    for name in names:
        try:
            variant(str(name))
        except ConvsmithError as error:
            raise SpaceError(str(error)) from None
    table = data.get("choices", {})
    if not isinstance(table, dict):
        raise SpaceError("[choices] is a table of lists")
    choices = [Choice(NETWORK, tuple(names))] if len(names) > 1 else []
    for key, value in table.items():
        if isinstance(value, dict):
            if key not in names:
                raise SpaceError(f"[choices.{key}] is of no network here{nearest(key, names)}")
            when = (NETWORK, (key,)) if len(names) > 1 else None
            choices += [Choice(f"{key}.{option}", _options(option, some), when) for option, some in value.items()]
        else:
            choices.append(Choice(key, _options(key, value)))
    images = {"channels": channels, "classes": classes} | ({} if side is None else {"side": side})
    about = str(data.get("about", f"from {path.name}"))
    return Space(path.stem, about, tuple(choices), partial(_network, names[0], side, channels, classes), images)


def _network(only: str, side: int | None, channels: int, classes: int, settings: Settings) -> Network:
    name = str(settings.get(NETWORK, only))
    options = {key.removeprefix(f"{name}."): value for key, value in settings.items() if key != NETWORK}
    wanted = options.pop(SIDE, side)
    found = spec(name, classes, **options)
    label = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
    return Network(
        found.body, found.side if wanted is None else int(wanted), channels, classes, label, "own", found.init
    )


def _rows(path: Path, data: Mapping[str, Any], side: int | None, channels: int, classes: int) -> Space:
    _known(data, ("block", "frame", "about"))
    frame = {"stem": 32, "stride": 2, "last": 1280} | _table(data.get("frame", {}), "frame", Frame)
    if not isinstance(data["block"], list):
        raise SpaceError("rows are written [[block]], with two brackets")
    rows = []
    for number, row in enumerate(data["block"], 1):
        given = _table(row, f"block {number}", Options)
        missing = [field.name for field in fields(Options) if field.default is MISSING and field.name not in given]
        if missing:
            raise SpaceError(f"block {number} lacks {' and '.join(missing)}")
        columns: dict[str, Any] = {
            key: value if key == "stride" else _options(key, value) for key, value in given.items()
        }
        rows.append(Options(**columns))
    about = str(data.get("about", f"from {path.name}"))
    return factorised(
        path.stem, about, rows, Frame(**frame), side=224 if side is None else side, channels=channels, classes=classes
    )


def _table(data: Any, where: str, kind: type) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise SpaceError(f"{where} is a table")
    _known(data, [field.name for field in fields(kind)], where)
    return data


def _known(data: Mapping[str, Any], words: Sequence[str], where: str = "a space") -> None:
    for key in data:
        if key not in words:
            raise SpaceError(f"{where} has no {key!r}{nearest(key, words)} (there are {', '.join(words)})")


def _options(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise SpaceError(f"{name} is a list of options, got {value!r}; one option is written [{value!r}]")
    return tuple(value)


def _check(space: Space) -> None:
    """Trace the first member and all its neighbours."""
    first = space.genome(_first(space))
    for genome in (first, *neighbours(first)):
        try:
            genome.graph  # noqa: B018
        except ConvsmithError as error:
            raise SpaceError(f"{genome} makes no network: {error}") from None


def _first(space: Space) -> Settings:
    return space.genomes(space.numbering.block(0, 1))[0].settings
