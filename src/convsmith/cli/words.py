"""Reading what people write on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from convsmith.spec.codec import read
from convsmith.spec.errors import SpecError
from convsmith.spec.head import with_classes
from convsmith.spec.network import Network
from convsmith.views.units import size_of
from convsmith.zoo import names, spec


def network_of(what: str, classes: int | None = None, options: dict[str, Any] | None = None) -> Network:
    """A network of the zoo by name, a description (.json) or the network of a run folder."""
    path = Path(what)
    if (":" in what or path.suffix == ".onnx") and not path.is_dir() and path.suffix != ".json":
        raise SpecError(
            f"{what} is somebody's module and no description; `convsmith show` reads it, this wants a name of the zoo, "
            "a description (.json) or a run folder"
        )
    file = path / "spec.json" if path.is_dir() else path
    if path.suffix == ".json" or file.is_file():
        if options:
            raise SpecError(f"{what} is a finished description: --set is for networks of the zoo")
        network = read(file)
        return network if classes is None else with_classes(network, classes)
    return spec(what, classes, **(options or {}))


def complete_network(start: str) -> list[str]:
    """Names of the zoo for the shell's completion."""
    return list(names(f"{start}*"))


def complete_recipe(start: str) -> list[str]:
    """Names of recipes for the shell's completion."""
    from convsmith.train import RECIPES

    return [name for name in RECIPES if name.startswith(start)]


def settings(words: list[str]) -> dict[str, Any]:
    """`["lr=0.05", "shortcut=C"]` as a dict; values are numbers, true, false or text. Raises SpecError."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise SpecError(f"--set wants NAME=VALUE, got {word!r}")
        found[name] = _value(value)
    return found


def size(text: str | None) -> int | None:
    """An optional size such as 100k."""
    return None if text is None else size_of(text)


def duration(text: str) -> float:
    """`"90"`, `"90s"`, `"10m"`, `"2h"` in seconds. Raises SpecError."""
    factor = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    number = text[:-1] if factor else text
    try:
        seconds = float(number) * (factor or 1)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise SpecError(f"{text!r} is not a time: write 90s, 10m or 2h")
    return seconds


def milliseconds(text: str) -> float:
    """`"5ms"`, `"0.5"` or `"1s"` in milliseconds. Raises SpecError."""
    word = text.strip().lower()
    factor = 1.0 if word.endswith("ms") or not word.endswith("s") else 1e3
    try:
        found = float(word.removesuffix("s").removesuffix("m")) * factor
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise SpecError(f"{text!r} is not a latency: write 5ms, 0.8ms or 1s")
    return found


def side_of(text: str | None) -> int | tuple[int, int] | None:
    """`"224"` or `"224x160"` (rows x columns)."""
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) not in (1, 2) or not all(part.strip().lstrip("-").isdigit() for part in parts):
        raise SpecError(f"{text!r} is not an image size: write 224 or 224x160 (rows x columns)")
    sizes = tuple(int(part) for part in parts)
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


def _value(text: str) -> Any:
    if text.lower() in ("true", "false", "null", "none"):
        return {"true": True, "false": False}.get(text.lower())
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text
