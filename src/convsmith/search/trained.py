"""Networks of the zoo with trained weights that are at hand, as candidates of a race."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from convsmith.nn.weights.at_hand import at_hand
from convsmith.search.candidate import Candidate
from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.head import with_classes
from convsmith.spec.network import Network
from convsmith.spec.trace import trace
from convsmith.views.cost import cost
from convsmith.zoo import spec
from convsmith.zoo.cards import weights

SMALLEST = 0.4
"""Of the side that weights were trained with: in smaller images things are smaller than their filters know."""


@dataclass(frozen=True)
class Trained(Candidate):
    """A variant of the zoo with weights from `source`, on images of `side` pixels."""

    variant: str
    source: str
    side: int
    channels: int
    classes: int

    def describe(self) -> Network:
        """With a head for the classes. Raises SpecError for a network whose head cannot be replaced."""
        return replace(with_classes(spec(self.variant), self.classes), channels=self.channels, side=self.side)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.variant} @{self.side}, trained"

    @property
    def weights(self) -> str:
        """The source."""
        return self.source

    @property
    def recipe(self) -> str:
        """Weights are not to be washed out."""
        return "finetune"

    def to_json(self) -> dict[str, Any]:
        """The row."""
        return {"variant": self.variant, "weights": self.source, "side": self.side, "channels": self.channels,
                "classes": self.classes}  # fmt: skip

    @staticmethod
    def from_json(data: dict[str, Any]) -> Trained:
        """Inverse of `to_json`."""
        return Trained(data["variant"], data["weights"], data["side"], data["channels"], data["classes"])


def trained(side: int, channels: int, classes: int) -> list[Trained]:
    """A candidate for each variant whose weights are at hand and suit images of `side` pixels, the most accurate on
    ImageNet first, larger ones first where nobody tells."""
    found = []
    for variant, rows in weights().items():
        for row in rows:
            if side >= SMALLEST * row.side and at_hand(variant, row.source):
                candidate = Trained(variant, row.source, min(side, row.side), channels, classes)
                if _keeps_weights(candidate):
                    found.append((-(row.top1 or 0.0), -candidate.macs, variant, candidate))
                break
    return [candidate for *_, candidate in sorted(found, key=lambda one: one[:3])]


def _keeps_weights(candidate: Trained) -> bool:
    """Whether the network traces at this side with the layers that the weights are for; a first fully connected layer
    may grow with the side."""
    try:
        usual = replace(candidate.network, channels=spec(candidate.variant).channels, side=spec(candidate.variant).side)
        return cost(trace(replace(usual, side=candidate.side))).params == cost(trace(usual)).params
    except (ShapeError, SpecError):
        return False
