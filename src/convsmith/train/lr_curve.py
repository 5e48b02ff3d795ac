"""From the losses of a learning-rate range test to one rate, in plain numbers.

Smith 2017 (arXiv:1506.01186, section 3.3) takes for the highest rate of a cycle that at which learning slows, becomes
ragged or ends, and a recipe's rate here is such a peak, between warm-up and decay. So the suggestion is the rate at
which most of the descent is done.

Other rules read one place of a curve that is smoothed while it is drawn, so that it lags behind the rate: the steepest
slope jumps between the steps of a noisy descent, and fast.ai's "valley" (the middle of the longest falling subsequence)
also counts the flat part, where noise alone makes long falling subsequences. Here the curve is smoothed afterwards, on
both sides, and a level is crossed where the curve still falls, so that noise moves it little.

Only what falls below the loss of knowing nothing counts. A network that begins above it first unlearns the scale of its
random logits, which takes a far lower rate than learning does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

STOP = 4.0
"""A loss of so many times the best one has diverged (fast.ai's bound)."""

NOISE = 4.0
"""A descent is one if it is so many standard errors of the smoothed curve deep."""


DONE = 0.8
"""Share of the descent after which the loss counts as slowing."""


def smooth(losses: Sequence[float]) -> list[float]:
    """The curve without its noise, and without lag: medians of five, then Gaussian-weighted means, 1/25 of it wide.

    The medians keep single batches that are off, and what is about to diverge, from drowning their neighbours; for the
    same end what has risen as far above the start as the best lies below it counts as no higher than that. The width is
    one standard deviation, of one step or more.
    """
    most = 2 * median(losses[: max(1, len(losses) // 10)] or [0.0]) - min(losses, default=0.0)
    calm = [min(most, median(losses[max(0, at - 2) : at + 3])) for at in range(len(losses))]
    width, made = _width(losses), []
    reach = math.ceil(3 * width)
    for here in range(len(losses)):
        near = range(max(0, here - reach), min(len(losses), here + reach + 1))
        weights = [math.exp(-0.5 * ((at - here) / width) ** 2) for at in near]
        made.append(sum(w * calm[at] for w, at in zip(weights, near, strict=True)) / sum(weights))
    return made


def descended(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], chance: float = math.inf
) -> float | None:
    """The rate at which the smoothed loss has done `DONE` of its descent, from its start to its lowest, for good.

    chance  the loss of knowing nothing, ln K for K classes: a start above it counts as if it were there

    None where it does not fall by more than the noise of batches explains. Ten steps or more, one of each a step.
    """
    flat = smoothed[: max(1, len(smoothed) // 10)]
    start, end = sum(flat) / len(flat), min(range(len(smoothed)), key=smoothed.__getitem__)
    if end < len(flat):
        return None
    # neighbours differ by little but noise, whatever the curve does; a mean of n values has 1 / n of their variance
    deviation = median(abs(second - first) for first, second in pairwise(losses[: end + 1])) / 0.6745 / math.sqrt(2)
    error = deviation * math.sqrt(2 / (2 * math.sqrt(math.pi) * _width(losses)))
    fall = min(start, chance) - smoothed[end]
    if fall <= NOISE * error + 1e-9 * abs(start):  # a flat curve's sums round
        return None
    level = smoothed[end] + (1 - DONE) * fall
    last = max((at for at in range(end) if smoothed[at] > level), default=0)  # from the next one on it stays below
    high, low = smoothed[last], smoothed[last + 1]
    share = (high - level) / (high - low)
    return rates[last] * math.pow(rates[last + 1] / rates[last], share)


def _width(losses: Sequence[float]) -> float:
    return max(1.0, len(losses) / 25)
