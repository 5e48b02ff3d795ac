"""The designs that `fit` chooses among: families of the zoo scaled in width, depth and resolution to the data.

A design is a row (family, depth, width, side); its network is rebuilt from the row, and its cost is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from convsmith.search.budget import Budget
from convsmith.search.candidate import Candidate
from convsmith.search.spaces.zoo import described, zoo
from convsmith.spec.errors import BudgetError, ShapeError
from convsmith.spec.network import Network
from convsmith.views.units import short


@dataclass(frozen=True)
class Design(Candidate):
    """One row of the space. `width` is channels of the first stage (ResNets) or a multiplier (VGG, LeNet)."""

    family: str
    depth: int | str
    width: float
    side: int
    channels: int
    classes: int

    def describe(self) -> Network:
        """From the row."""
        return described(self.family, self.side, self.depth, self.width, self.channels, self.classes)

    def to_json(self) -> dict[str, Any]:
        """The row."""
        return asdict(self)


def designs(channels: int, classes: int, native_side: int) -> Iterator[Design]:
    """Every design of the space `zoo` for such images, traced or not."""
    for member in zoo(side=native_side, channels=channels, classes=classes).members():
        family, side, *size = member.settings.values()
        depth, width = cast(tuple[int | str, float], size)
        yield Design(str(family), depth, width, int(side), channels, classes)


@dataclass(frozen=True)
class Shortlist:
    """What arithmetic leaves: `designs` within the budget, of `considered` ones in all."""

    designs: tuple[Design, ...]
    considered: int

    @property
    def over_budget(self) -> int:
        """How many designs were rejected before a weight existed."""
        return self.considered - len(self.designs)


def within(budget: Budget, channels: int, classes: int, native_side: int) -> Shortlist:
    """The designs that fit the budget. Raises BudgetError with the smallest design there is if none does."""
    possible = []
    for design in designs(channels, classes, native_side):
        try:
            design.cost  # noqa: B018 (traced here, so that what does not fit the image drops out)
        except ShapeError:
            continue
        possible.append(design)
    fitting = tuple(design for design in possible if budget.allows(design))
    if not fitting:
        raise BudgetError(_nothing_fits(budget, possible))
    return Shortlist(fitting, len(possible))


def _nothing_fits(budget: Budget, possible: list[Design]) -> str:
    least = min(possible, key=lambda design: budget.use(design))
    found = f"{least.name} with {short(least.params)} parameters and {short(least.macs)} MACs"
    more = Budget(weight_bytes=budget.weight_bytes, memory_bytes=budget.memory_bytes)
    found += f", {more.needs(least)}" if more.limits else ""
    wish = budget.options(least)
    return f"no design fits a budget of {budget}; the smallest there is: {found}; allow at least {wish}"


def race_field(
    designs: Sequence[Design], budget: Budget, count: int, strain: Callable[[Design], float] = lambda design: 0.0,
    enough: Callable[[], bool] = lambda: False,
) -> tuple[Design, ...]:  # fmt: skip
    """At most `count` designs to try: of each family, depth and side the widest, those first that fill the budget best.

    A second design of the same family and side counts half as much as the first, a third a third, so that the field is
    not one family many times. A design of `strain` above 1 (by time, say) is left out, and a narrower one considered in
    its place. No further one is considered when there is `enough`.
    """
    rows: dict[tuple[str, int | str, int], list[Design]] = {}
    for design in sorted(designs, key=lambda design: -design.cost.macs):
        rows.setdefault((design.family, design.depth, design.side), []).append(design)
    largest = max(row[0].cost.macs for row in rows.values())
    field: list[Design] = []

    def worth(row: list[Design]) -> float:
        design = row[0]
        fill = budget.fill(design) if budget.limits else design.cost.macs / largest
        alike = sum((d.family, d.side) == (design.family, design.side) for d in field)
        return fill / (1 + alike)

    waiting = list(rows.values())
    while waiting and len(field) < count and not enough():
        row = max(waiting, key=worth)
        waiting.remove(row)
        strained = strain(row[0])
        if strained <= 1:
            field.append(row[0])
        elif narrower := [d for d in row[1:] if d.cost.macs <= 1.2 * row[0].cost.macs / strained] or row[-1:]:
            waiting += [narrower] if narrower[0] is not row[0] else []
    return tuple(field)
