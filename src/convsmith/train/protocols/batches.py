"""Views of many shapes in batches of one shape each, with a bound on what waits."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from torch import Tensor

SHAPES = 4
"""Batches' worth of pixels that wait at most, in views whose shape has not filled a batch."""


@dataclass(frozen=True, eq=False)
class View:
    """One of the `of` views of picture `owner`, uint8 (C, h, w)."""

    owner: int
    of: int
    pixels: Tensor

    @property
    def area(self) -> int:
        """Pixels."""
        return self.pixels.shape[-2] * self.pixels.shape[-1]


def batches(views: Iterable[View], room: int) -> Generator[list[View], None, None]:
    """Every view once, in lists of equal shape of at most `room` pixels in all, or of one view if that is larger."""
    waiting: dict[tuple[int, ...], list[View]] = {}
    held = 0
    for view in views:
        shape = tuple(view.pixels.shape)
        own = waiting.setdefault(shape, [])
        own.append(view)
        held += view.area
        if (len(own) + 1) * view.area > room:
            due = shape
        elif held > SHAPES * room:
            due = max(waiting, key=lambda key: len(waiting[key]) * waiting[key][0].area)
        else:
            continue
        batch = waiting.pop(due)
        held -= len(batch) * batch[0].area
        yield batch
    yield from waiting.values()
