"""A budget: hard limits that a design meets or is rejected by arithmetic, before a weight exists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from convsmith.search.costs import Costs
from convsmith.search.target import Target
from convsmith.spec.errors import SpecError
from convsmith.views.units import short


class Priced(Protocol):
    """What has a cost for one image: a design."""

    @property
    def params(self) -> int:
        """Parameters."""

    @property
    def macs(self) -> int:
        """MACs."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of parameters and buffers."""

    @property
    def memory_bytes(self) -> int:
        """Bytes at the peak of a forward pass."""


class Limit(NamedTuple):
    """How a limit is said: its unit in words, the unit of its number, its option."""

    words: str
    unit: str
    option: str


LIMITS = {
    "params": Limit("parameters", "", "--max-params"),
    "macs": Limit("MACs", "", "--max-macs"),
    "weight_bytes": Limit("of weights", "B", "--max-weights"),
    "memory_bytes": Limit("of memory", "B", "--max-memory"),
}


@dataclass(frozen=True)
class Budget:
    """At most so much for one image; None is no limit.

    params        parameters
    macs          MACs
    weight_bytes  bytes of parameters and buffers in float32
    memory_bytes  bytes alive at the peak of a forward pass in float32, weights and image among them (the memory plan)
    latency_ms    milliseconds of a batch on `target`, which no arithmetic tells: it is measured
    """

    params: int | None = None
    macs: int | None = None
    weight_bytes: int | None = None
    memory_bytes: int | None = None
    latency_ms: float | None = None
    target: Target = field(default_factory=Target)

    def __post_init__(self) -> None:
        for name, value in self.limits.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SpecError(f"budget: {name} must be an integer of at least 1, got {value!r}")
        if self.latency_ms is not None and not 0 < self.latency_ms < float("inf"):
            raise SpecError(f"budget: latency_ms must be above 0, got {self.latency_ms!r}")

    @property
    def limits(self) -> dict[str, int]:
        """The limits that arithmetic holds and that are set, by the name of the cost they bound."""
        return {name: value for name in LIMITS if (value := getattr(self, name)) is not None}

    def allows(self, design: Priced) -> bool:
        """Whether every limit is met."""
        return all(getattr(design, name) <= value for name, value in self.limits.items())

    def use(self, design: Priced) -> float:
        """The tightest limit's use: above 1 is over budget, 0 without limits."""
        return max((getattr(design, name) / value for name, value in self.limits.items()), default=0.0)

    def uses(self, costs: Costs) -> NDArray[np.float64]:
        """`use` of many designs at once, (N,)."""
        shares = [getattr(costs, name) / value for name, value in self.limits.items()]
        return np.max(shares, axis=0) if shares else np.zeros(len(costs.params))

    def fill(self, design: Priced) -> float:
        """How well a design fills the budget: the mean use over the limits, 0..1 for a design within it."""
        shares = [getattr(design, name) / value for name, value in self.limits.items()]
        return sum(shares) / len(shares) if shares else 0.0

    def to_json(self) -> dict[str, Any]:
        """The limits that are set."""
        found: dict[str, Any] = dict(self.limits)
        return found if self.latency_ms is None else found | {
            "latency_ms": self.latency_ms, "target": self.target.to_json(),
        }  # fmt: skip

    @staticmethod
    def from_json(data: dict[str, Any]) -> Budget:
        """Inverse of `to_json`."""
        return Budget(**(data | ({"target": Target(**data["target"])} if "target" in data else {})))

    def needs(self, design: Priced) -> str:
        """What a design takes of what is limited, in words."""
        return _joined({name: getattr(design, name) for name in self.limits})

    def options(self, design: Priced) -> str:
        """The options of a budget that this design just meets."""
        return " ".join(f"{LIMITS[name].option} {getattr(design, name)}" for name in self.limits)

    def __str__(self) -> str:
        said = [_joined(self.limits)] if self.limits else []
        if self.latency_ms is not None:
            said.append(f"{self.latency_ms:g} ms on {self.target}")
        return " and ".join(said) or "no limit"


def _joined(values: dict[str, int]) -> str:
    said = [f"{short(value, LIMITS[name].unit)} {LIMITS[name].words}" for name, value in values.items()]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 2 else said)
