"""A part of a network that reads a few choices, so that what it costs can be looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convsmith.search.spaces.choice import Settings
from convsmith.spec.combinators import Seq


@dataclass(frozen=True)
class Segment:
    """One of a network's parts that stand in a row; `name` is its path.

    node   the part that these settings make
    reads  the choices that `node` looks at
    width  those that the number of channels that leave depends on
    scale  those that decide by how much it makes the image smaller
    """

    name: str
    node: Callable[[Settings], Seq]
    reads: tuple[str, ...] = ()
    width: tuple[str, ...] = ()
    scale: tuple[str, ...] = ()
