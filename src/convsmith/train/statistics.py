"""How far a measured rate can be trusted, and whether two networks differ.

Intervals are percentile intervals of the bootstrap (Efron 1979; Efron and Tibshirani 1993, section 13.3): images are
drawn with replacement, as many as there are, and the middle 95 % of the means of such draws is the interval. A
difference is bootstrapped in pairs: what is drawn is an image with both networks' answers, so that what both find hard
cancels out.

McNemar's test (McNemar 1947; here exact and conditional, see Fagerland, Lydersen and Laake 2013, who find it rather too
careful) asks whether two networks that answered the same images are equally often right. Only the images count on which
one is right and the other wrong; were the networks equally good, these would fall to either side as a fair coin does.

Both treat the images as a sample and the trained networks as given. What another seed would have trained is another
question, and takes several runs (Dietterich 1998).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convsmith.spec.errors import DataError

RESAMPLES = 10_000
LEVEL = 0.95
DRAWN = 1 << 22
"""Images drawn at a time, which bounds the memory."""
COUNTED = 64
"""Up to so many distinct values, what is drawn is how often each occurs."""


@dataclass(frozen=True)
class Interval:
    """A value, and the ends that hold it with probability `level`; all in the value's unit."""

    value: float
    low: float
    high: float
    level: float
    method: str
    resamples: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class McNemar:
    """`b` images have the first right and the second wrong, `c` the reverse; `p` is two-sided and exact."""

    b: int
    c: int
    p: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def of_mean(values: Tensor, *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL) -> Interval:
    """Percentile interval of the mean of `values` (N,), one an image. Raises DataError without images.

    Where few distinct values occur (right or wrong; the rate of right members), how often each is drawn is multinomial,
    which is the same law at a cost that does not grow with N.
    """
    if not len(values):
        raise DataError("there are no images, and so no interval")
    if resamples < 1 or not 0 < level < 1:
        raise DataError(f"an interval needs a resample and a level between 0 and 1, got {resamples} and {level}")
    sample = values.double().numpy()
    means = _means(sample, np.random.default_rng(seed), resamples)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(sample.mean()), float(low), float(high), level, "percentile bootstrap", resamples, seed)


def of_rate(right: Tensor, *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL) -> Interval:
    """Interval of a share of images, bool (N,).

    Where all are right, or all wrong, every resample is the same: then the exact interval (Clopper and Pearson 1934).
    """
    found = of_mean(right, resamples=resamples, seed=seed, level=level)
    if 0 < found.value < 1:
        return found
    reach = ((1 - level) / 2) ** (1 / len(right))
    low, high = (reach, 1.0) if found.value else (0.0, 1 - reach)
    return Interval(found.value, low, high, level, "Clopper-Pearson", 0, seed)


def of_difference(
    first: Tensor, second: Tensor, *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> Interval:
    """Interval of mean(first) - mean(second) over the same N images, in pairs. DataError if they are not as many."""
    _same_images(first, second)
    return of_mean(first.double() - second.double(), resamples=resamples, seed=seed, level=level)


def mcnemar(first: Tensor, second: Tensor) -> McNemar:
    """Exact test of whether two networks are equally often right, bool (N,) each, on the same images in the same order.

    p = min(1, 2 P(X <= min(b, c))) with X binomial of b + c fair coins, in whole numbers until the last division.
    Raises DataError if they are not as many.
    """
    _same_images(first, second)
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    n, term, total = b + c, 1, 0
    for k in range(min(b, c) + 1):
        total += term
        term = term * (n - k) // (k + 1)
    return McNemar(b, c, min(1.0, 2 * total / 2**n))


def _means(sample: NDArray[np.float64], rng: np.random.Generator, resamples: int) -> NDArray[np.float64]:
    n, (levels, counts) = len(sample), np.unique(sample, return_counts=True)
    if len(levels) <= COUNTED:
        drawn: NDArray[np.float64] = rng.multinomial(n, counts / n, size=resamples) @ levels / n
        return drawn
    step = max(1, DRAWN // n)
    parts = [
        sample[rng.integers(0, n, (min(step, resamples - start), n))].mean(1) for start in range(0, resamples, step)
    ]
    return np.concatenate(parts)


def _same_images(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise DataError(
            f"two networks are compared on the same images, but one answered {len(first)} and the other {len(second)}"
        )
