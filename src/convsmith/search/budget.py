"""A budget: hard limits that a design meets or is rejected by arithmetic, before a weight exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsmith.spec.errors import SpecError
from convsmith.views.cost import Cost
from convsmith.views.units import short


@dataclass(frozen=True)
class Budget:
    """At most `params` parameters and `macs` MACs for one image; None is no limit."""

    params: int | None = None
    macs: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.limits.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SpecError(f"budget: {name} must be an integer of at least 1, got {value!r}")

    @property
    def limits(self) -> dict[str, int]:
        """The limits that are set, by the name of the cost they bound."""
        return {name: value for name, value in (("params", self.params), ("macs", self.macs)) if value is not None}

    def allows(self, cost: Cost) -> bool:
        """Whether every limit is met."""
        return all(getattr(cost, name) <= value for name, value in self.limits.items())

    def use(self, cost: Cost) -> float:
        """The tightest limit's use: above 1 is over budget, 0 without limits."""
        return max((getattr(cost, name) / value for name, value in self.limits.items()), default=0.0)

    def fill(self, cost: Cost) -> float:
        """How well a design fills the budget: the mean use over the limits, 0..1 for a design within it."""
        shares = [getattr(cost, name) / value for name, value in self.limits.items()]
        return sum(shares) / len(shares) if shares else 0.0

    def to_json(self) -> dict[str, Any]:
        """The limits that are set."""
        return dict(self.limits)

    def __str__(self) -> str:
        words = {"params": "parameters", "macs": "MACs"}
        return " and ".join(f"{short(value)} {words[name]}" for name, value in self.limits.items()) or "no limit"
