"""How far a training has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Position:
    """Steps done: `epoch` whole epochs and `step` steps of the next, whose sums over all processes are kept.

    `history` is the log; `best` the epoch with the best validation top-1 so far.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: float = 0.0
    seen: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None

    def ended(self, record: dict[str, Any]) -> None:
        """Take in the record of the epoch that has just been made, and stand before the next."""
        best = self.best
        if best is None or record["val_top1"] > best["val_top1"]:
            best = {key: record[key] for key in ("epoch", "val_top1", "val_loss")}
        fresh = Position(epoch=self.epoch + 1, history=[*self.history, record], best=best)
        vars(self).update(vars(fresh))
