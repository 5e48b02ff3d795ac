"""Shards by URL fetched before they are wanted, by a thread that stays within a window of the training."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from torch import Tensor

from convsmith.data.fetched import remote
from convsmith.data.tars import Tars
from convsmith.spec.errors import ConvsmithError


def first_uses(tars: Tars, index: Sequence[Tensor]) -> list[tuple[int, str]]:
    """The shards by URL of images that are wanted in this order: at which image each begins to be wanted, and where."""
    wanted = torch.cat([torch.zeros(0, dtype=torch.int64), *index])
    shards = torch.searchsorted(torch.tensor(tars.first), wanted, right=True) - 1
    position = torch.full((len(tars.places),), len(wanted))
    position.scatter_reduce_(0, shards, torch.arange(len(wanted)), "amin")
    uses = [(int(position[s]), tars.places[s]) for s in position.argsort().tolist() if position[s] < len(wanted)]
    return [(first, place) for first, place in uses if remote(place)]


@contextmanager
def fetched_early(tars: Tars, index: Sequence[Tensor], reach: int) -> Iterator[Callable[[int], None]]:
    """While open, fetch each shard as soon as the training is `reach` images from its first use.

    What it gives is to be told how many images have been used. A fetch that fails is left to the one who wants it.
    """
    at, open_, moved = 0, True, threading.Condition()

    def work(uses: list[tuple[int, str]]) -> None:
        for first, place in uses:
            with moved:
                moved.wait_for(lambda first=first: not open_ or first < at + reach)  # type: ignore[misc]
            if not open_:
                return
            with suppress(ConvsmithError):
                tars.files.path(place)

    def used(images: int) -> None:
        nonlocal at
        with moved:
            at = images
            moved.notify()

    uses = first_uses(tars, index)
    if uses:
        threading.Thread(target=work, args=(uses,), name="convsmith-shards", daemon=True).start()
    try:
        yield used
    finally:
        with moved:  # a fetch in hand goes on, and nobody waits for it
            open_ = False
            moved.notify()
