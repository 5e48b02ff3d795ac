"""How to make a network larger: compound scaling (Tan & Le 2019, section 3), and the rules that it is compared with.

A rule says by how much depth, width and side are multiplied so that the multiply-adds become about `times` as many:
they grow with depth x width^2 x side^2.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import isclose, log
from typing import NamedTuple

from convsmith.spec.errors import SpecError
from convsmith.spec.network import Network
from convsmith.spec.scaling import scaled

STEP, LARGEST, NEAR = 0.05, 2.0, 0.06
"""Of the grid: between factors, the largest, and how far alpha beta^2 gamma^2 may be from what is wanted (a share)."""
ALPHA = 0.8
"""Of fast scaling, dWr in Dollar, Singh and Girshick 2021, section 5: most of the growth goes into width."""


class Factors(NamedTuple):
    """What depth, width and side are multiplied by: alpha, beta and gamma of the paper."""

    depth: float = 1.0
    width: float = 1.0
    side: float = 1.0

    @property
    def times(self) -> float:
        """How many times the multiply-adds become, before anything is rounded (equation 3)."""
        return self.depth * self.width**2 * self.side**2

    def power(self, phi: float) -> Factors:
        """Compound scaling: each to the power phi."""
        return Factors(self.depth**phi, self.width**phi, self.side**phi)

    def of(self, network: Network, multiple: int = 2) -> Network:
        """The network so scaled; widths are rounded to a `multiple`, depths up, the side to the next number.

        Raises SpecError where it cannot be (`convsmith.spec.scaling.scaled`).
        """
        if not isinstance(network.side, int):
            raise SpecError(f"{network.name} is not for square images, so its side cannot be scaled")
        side = round(network.side * self.side)
        return scaled(network, width=self.width, depth=self.depth, side=side, multiple=multiple)

    def __str__(self) -> str:
        return f"depth × {self.depth:.3g}, width × {self.width:.3g}, side × {self.side:.3g}"


Rule = Callable[[float], Factors]
"""From times to factors."""

SINGLE: dict[str, Rule] = {
    "depth": lambda times: Factors(depth=times),
    "width": lambda times: Factors(width=times**0.5),
    "resolution": lambda times: Factors(side=times**0.5),
    "fast": lambda times: Factors(times ** ((1 - ALPHA) / 2), times ** (ALPHA / 2), times ** ((1 - ALPHA) / 4)),
}
"""One dimension alone; and fast scaling, d = s^((1-a)/2), w = sqrt(s)^a, r = sqrt(s)^((1-a)/2)."""


def compound(base: Factors) -> Rule:
    """The rule that phi makes of alpha, beta, gamma."""
    if base.times <= 1:
        raise SpecError(f"factors of {base} do not make a network larger")
    return lambda times: base.power(log(times) / log(base.times))


def grid(times: float = 2.0, step: float = STEP, near: float = NEAR) -> list[Factors]:
    """The paper's small grid search at phi = 1 (section 3.3): all factors of at least 1, in steps, which make the
    multiply-adds about `times` as many. Raises SpecError for none."""
    if not (times > 1 and step > 0 and near > 0):
        raise SpecError(
            f"scale: a grid needs times above 1, a step and a tolerance above 0, got {times}, {step}, {near}"
        )
    count = int((max(LARGEST, times) - 1) / step + 1e-9) + 1
    steps = [round(1 + i * step, 6) for i in range(count)]
    found = [some for some in map(Factors._make, product(steps, repeat=3)) if isclose(some.times, times, rel_tol=near)]
    if not found:
        raise SpecError(
            f"scale: no factors in steps of {step} come within {near:.0%} of {times} times the multiply-adds"
        )
    return found
