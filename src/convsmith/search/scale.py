"""The compound-scaling study of the notes, on one's own images: find alpha, beta and gamma, then compare rules.

Every training is a run folder, so a study that was stopped goes on with what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from convsmith.search.compound import SINGLE, Factors, compound
from convsmith.search.costs import costs_of
from convsmith.spec.errors import ConvsmithError
from convsmith.spec.network import Network
from convsmith.spec.trace import trace

BASE, COMPOUND = "base", "compound"

TrainOne = Callable[[Path, Network, str], dict[str, Any]]
"""Trains a network in a run folder, under a title; returns `accuracy` (validation top-1) and whatever else."""


class Scaled(NamedTuple):
    """A network of the study: the rule that made it (`grid` for the search of alpha, beta, gamma), and how it did."""

    rule: str
    phi: float
    factors: Factors
    network: Network
    outcome: dict[str, Any]

    @property
    def accuracy(self) -> float:
        """Top-1 on the validation images, 0..1."""
        return float(self.outcome["accuracy"])

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        params, _, macs, _, _ = costs_of(trace(self.network))
        about = {"rule": self.rule, "phi": self.phi, "factors": self.factors._asdict(), "side": self.network.side}
        return about | {"params": params, "macs": macs} | self.outcome


class Step(NamedTuple):
    """A training to do: where, of what, under which name."""

    rule: str
    phi: float
    factors: Factors
    network: Network

    @property
    def folder(self) -> str:
        """The run's, by what is trained: equal networks of two rules are trained once."""
        params, _, macs, _, _ = costs_of(trace(self.network))
        return f"side{self.network.side}-{macs}-{params}"


def searched(base: Network, factors: Sequence[Factors]) -> list[Step]:
    """The grid at phi = 1, without what the network cannot be scaled to and what rounding makes equal."""
    return _distinct(_step("grid", 1.0, base, some) for some in factors)


def compared(base: Network, best: Factors, phis: Sequence[float]) -> list[Step]:
    """The base, and each rule at each phi: all at the multiply-adds of compound scaling there."""
    steps = [_step(BASE, 0.0, base, Factors())]
    for name, rule in {COMPOUND: compound(best), **SINGLE}.items():
        steps += [_step(name, phi, base, rule(best.times**phi)) for phi in phis]
    return [step for step in steps if step is not None]


def study(
    base: Network, factors: Sequence[Factors], phis: Sequence[float], folder: Path, train: TrainOne
) -> Iterator[Scaled]:
    """Train the grid, then all rules by what did best in it; each network as it is done."""
    found: list[Scaled] = []
    for step in (grid_steps := searched(base, factors)):
        found.append(_done(step, folder, train, f"grid {len(found) + 1} of {len(grid_steps)}"))
        yield found[-1]
    best = winner(found).factors
    steps = compared(base, best, phis)
    for number, step in enumerate(steps, 1):
        yield _done(step, folder, train, f"rules {number} of {len(steps)} · {step.rule} phi {step.phi:g}")


def winner(found: Sequence[Scaled]) -> Scaled:
    """The most accurate of the grid; of equals the one of the fewest multiply-adds."""
    some = [one for one in found if one.rule == "grid"]
    return max(some, key=lambda one: (one.accuracy, -one.to_json()["macs"]))


def _done(step: Step, folder: Path, train: TrainOne, title: str) -> Scaled:
    outcome = train(folder / "trials" / step.folder, step.network, title)
    return Scaled(step.rule, step.phi, step.factors, step.network, outcome)


def _step(rule: str, phi: float, base: Network, factors: Factors) -> Step | None:
    try:
        return Step(rule, phi, factors, factors.of(base) if factors != Factors() else base)
    except ConvsmithError:  # this network cannot be scaled so
        return None


def _distinct(steps: Iterator[Step | None]) -> list[Step]:
    kept: dict[str, Step] = {}
    for step in steps:
        if step is not None:
            kept.setdefault(step.folder, step)
    return list(kept.values())
