"""A layer's arguments as a person writes them: in the order of its signature, without what is its default."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from torch import nn

from convsmith.nn import layers
from convsmith.nn.eject.layout import Arg


def arguments(name: str, values: Mapping[str, Any]) -> tuple[Arg, ...]:
    """A layer's arguments in the order of its signature; those it cannot do without have no name."""
    made = []
    for parameter in _signature(name):
        if parameter.name not in values:
            continue
        value, default = values[parameter.name], parameter.default
        if default is inspect.Parameter.empty:
            by_word = parameter.kind is inspect.Parameter.KEYWORD_ONLY
            made.append(Arg(parameter.name if by_word else "", value))
        elif name.endswith("Pool2d") and parameter.name == "stride":
            made.append(Arg("stride", value, values["kernel_size"]))
        elif name in ("Dropout", "LeakyReLU"):
            made.append(Arg("", value))
        elif isinstance(value, tuple) and value == (default, default):
            continue
        else:
            made.append(Arg(parameter.name, value, default))
    return tuple(made)


@cache
def _signature(name: str) -> tuple[inspect.Parameter, ...]:
    make: Callable[..., Any] = getattr(layers, name, None) or getattr(nn, name)
    own = [p for p in inspect.signature(make).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if issubclass(make, nn.Conv2d):  # type: ignore[arg-type]
        names = {p.name for p in own}
        base = [p for p in inspect.signature(nn.Conv2d).parameters.values() if p.name not in names]
        first = [p for p in base if p.default is p.empty and name != "TiledConv2d"]
        more = [p.replace(kind=p.KEYWORD_ONLY) if p.default is p.empty else p for p in base if p not in first]
        own = [*first, *own, *more]
    return tuple(own)
