"""Whether a network's confidence is its chance of being right (Guo, Pleiss, Sun and Weinberger 2017, section 2).

Confidence is the probability of the class that is answered. Images fall by it into 15 bins of equal width,
(0, 1/15], ..., (14/15, 1]; then

    ECE = sum over bins of n_bin / n * |accuracy_bin - confidence_bin|        (their equation 3)
    MCE = the largest |accuracy_bin - confidence_bin| of a bin with images    (equation 5)
    NLL = mean of -log p(true class), in nats                                 (equation 6)
    Brier = mean of sum over classes of (p_k - [k is true])^2, 0..2           (Brier 1950)

An ECE goes with its binning and its number of images: it is never negative, so on few images chance alone lifts it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from convsmith.spec.errors import DataError

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Images with confidence in (low, high]; mean confidence and accuracy, 0..1, are None without images."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None

    @property
    def gap(self) -> float | None:
        """Accuracy less confidence: below zero where the network is too sure. None without images."""
        return None if self.accuracy is None or self.confidence is None else self.accuracy - self.confidence


@dataclass(frozen=True)
class Calibration:
    """`ece` and `mce` 0..1, `nll` in nats, `brier` 0..2; `bins` are what a reliability diagram shows, in order."""

    ece: float
    mce: float
    nll: float
    brier: float
    bins: tuple[Bin, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"bins": [asdict(row) for row in self.bins]}


def calibration(probabilities: Tensor, labels: Tensor, *, bins: int = BINS) -> Calibration:
    """Of probabilities (N, classes) that sum to one by row, and the true classes int64 (N,).

    A probability that is zero in its number format counts as that format's smallest, so that `nll` stays a number.
    Raises DataError without images.
    """
    if not len(labels):
        raise DataError("there are no images, and so no calibration")
    p = probabilities.double()
    confidence, predicted = p.max(1)
    smallest = torch.finfo(probabilities.dtype).tiny
    true = p.gather(1, labels[:, None])[:, 0]
    # |p - e|^2 = |p|^2 - 2 p_true + 1, without a second (N, classes)
    brier = float((torch.linalg.vector_norm(p, dim=1).square() - 2 * true + 1).mean())
    rows = _bins(confidence, (predicted == labels).double(), bins)
    gaps = [(row.n, abs(row.gap)) for row in rows if row.gap is not None]
    return Calibration(
        ece=sum(n * gap for n, gap in gaps) / len(labels),
        mce=max(gap for _, gap in gaps),
        nll=float(-true.clamp_min(smallest).log().mean()),
        brier=max(0.0, brier),
        bins=rows,
    )


def _bins(confidence: Tensor, right: Tensor, count: int) -> tuple[Bin, ...]:
    edges = torch.linspace(0, 1, count + 1, dtype=torch.float64)
    # a mean of softmaxes may round to just above 1, and belongs to the last bin
    place = (torch.bucketize(confidence, edges) - 1).clamp(0, count - 1)
    n = torch.bincount(place, minlength=count).tolist()
    sure = torch.bincount(place, confidence, minlength=count).tolist()
    hits = torch.bincount(place, right, minlength=count).tolist()
    return tuple(
        Bin(low, high, size, s / size if size else None, h / size if size else None)
        for low, high, size, s, h in zip(edges[:-1].tolist(), edges[1:].tolist(), n, sure, hits, strict=True)
    )
