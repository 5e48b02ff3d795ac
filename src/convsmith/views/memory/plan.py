"""A plan: the moments of a forward pass or of a training step, and how many bytes live at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Phase = Literal["forward", "again", "backward", "update"]


class Moment(NamedTuple):
    """Bytes alive while the row at `path` runs: `fixed` + batch * `image`, weights and all else included.

    `phase` is the forward pass, its recomputation (`again`), the backward pass or the optimiser's update (no row).
    """

    path: str
    phase: Phase
    fixed: int
    image: int

    def bytes(self, batch: int) -> int:
        """Bytes at this batch size."""
        return self.fixed + batch * self.image


@dataclass(frozen=True)
class MemoryPlan:
    """What lives when, at any batch size. Bytes throughout.

    weights, buffers   parameters, and what is stored and not trained; both are in every moment
    moments            one a row and pass, in the order of time
    kept               bytes an image that wait for the way back when the forward pass has ended
    """

    weights: int
    buffers: int
    moments: tuple[Moment, ...]
    kept: int = 0

    def peak(self, batch: int = 1) -> Moment:
        """The moment at which most is alive, the first of equals."""
        return max(self.moments, key=lambda moment: moment.bytes(batch))

    def peak_bytes(self, batch: int = 1) -> int:
        """Bytes of the peak."""
        return self.peak(batch).bytes(batch)

    def largest_batch(self, available: int) -> int:
        """The most images a batch for so many bytes; 0 if not even one fits."""
        return max(0, min((available - moment.fixed) // moment.image for moment in self.moments))
