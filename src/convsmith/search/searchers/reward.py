"""What a controller is rewarded for: accuracy, and being quick (Tan et al. 2019, MnasNet, equation 2 and Fig. 3)."""

from __future__ import annotations

from typing import NamedTuple


class Reward(NamedTuple):
    """accuracy × (cost / target)^w, where w is `below` up to the target and `above` beyond.

    Soft: w = -0.07 on both sides, as doubling the cost is to be worth 5 % of accuracy. Hard: 0 and -1. A cost in
    any unit, `target` in the same; without a target, accuracy alone.
    """

    target: float | None = None
    below: float = -0.07
    above: float = -0.07

    def of(self, accuracy: float, cost: float) -> float:
        """The reward of a trial."""
        if self.target is None:
            return accuracy
        power = self.below if cost <= self.target else self.above
        return accuracy * float((cost / self.target) ** power)


ACCURACY = Reward()
HARD = Reward(below=0.0, above=-1.0)
"""Without its target."""
