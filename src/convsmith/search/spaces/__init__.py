"""Spaces of designs as data: choices, and the network that they make.

`space("mnas")` is one of those that are here, `own(path)` one from a TOML file, and `Space(...)` one written in Python.
A member is a `Genome`: it has settings, a network, canonical JSON and a hash. `neighbours`, `mutated` and `crossed`
lead from members to members, the same for all spaces; `convsmith.search.costs` says what members cost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from convsmith.search.spaces.choice import Choice, Settings, Value
from convsmith.search.spaces.mnas import cifar_mb, mnas
from convsmith.search.spaces.moves import crossed, mutated, neighbours
from convsmith.search.spaces.nas_cell import nas_cell
from convsmith.search.spaces.own import own
from convsmith.search.spaces.resnet import resnet
from convsmith.search.spaces.segment import Segment
from convsmith.search.spaces.space import Genome, Space
from convsmith.search.spaces.zoo import zoo
from convsmith.spec.errors import UnknownName, nearest

__all__ = [
    "SPACES",
    "Choice",
    "Genome",
    "Segment",
    "Settings",
    "Space",
    "Value",
    "crossed",
    "mutated",
    "neighbours",
    "own",
    "space",
]

SPACES: dict[str, Callable[..., Space]] = {
    "mnas": mnas, "cifar_mb": cifar_mb, "resnet": resnet, "nas_cell": nas_cell, "zoo": zoo,
}  # fmt: skip


def space(name: str, **images: Any) -> Space:
    """The space of this name, or of a .toml file, for images of `side`, `channels` and `classes` (each has defaults).

    Raises UnknownName, offering the nearest; SpaceError for a file that is no space.
    """
    if name.endswith(".toml"):
        return own(Path(name), **images)
    if name not in SPACES:
        raise UnknownName(
            f"no space is called {name!r}{nearest(name, SPACES)} (there are {', '.join(SPACES)}, and .toml files)"
        )
    return _made(name, tuple(sorted(images.items())))


@cache
def _made(name: str, images: tuple[tuple[str, int], ...]) -> Space:
    """One for each name and images, so that tables are made once, and members of two calls can be crossed."""
    return SPACES[name](**dict(images))
