"""Timings that belong to a table: taken while the machine is as fast as it was when the table was measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from convsmith.search.latency.table import LatencyTable
from convsmith.spec.errors import BusyError

LOOKS, PAUSE = 12, 5.0
"""How often a timing is taken, and seconds of waiting in between, before the machine is said to be another."""


class Paced(Protocol):
    """A timing that says what a fixed work took meanwhile."""

    @property
    def pace_ms(self) -> float:
        """Milliseconds."""


T = TypeVar("T", bound=Paced)


Say = Callable[[str], None]


def steady(table: LatencyTable, look: Callable[[], T], *, say: Say = lambda _: None, pause: float = PAUSE) -> T:
    """A timing in a time when the machine is as usual, waited for. Raises BusyError if that does not come.

    `say` is told once that there is waiting, why, and for how long at most.
    """
    for left in reversed(range(LOOKS)):
        try:
            found = look()
            if table.is_steady(found.pace_ms):
                return found
            trouble = BusyError(
                f"a fixed work takes {found.pace_ms / table.pace_ms:.2f} times as long as when the table was measured: "
                "something that is not seen from here slows the machine, try again later"
            )
        except BusyError as error:
            trouble = error
        if left == LOOKS - 1:
            say(f"waiting for the machine to be quiet, {LOOKS * pause:.0f} s at most: {trouble}")
        if left:
            time.sleep(pause)
    raise trouble
