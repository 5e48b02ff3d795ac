"""The designs that `fit` chooses among: families of the zoo scaled in width, depth and resolution to the data.

A design is a row (family, depth, width, side); its network is rebuilt from the row, and its cost is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from convsmith.search.budget import Budget
from convsmith.spec.errors import BudgetError, ShapeError
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.trace import Graph, trace
from convsmith.views.cost import Cost, cost
from convsmith.views.units import short
from convsmith.zoo.lenet import lenet5
from convsmith.zoo.resnet import resnet
from convsmith.zoo.resnet_cifar import resnet_cifar
from convsmith.zoo.vgg import vgg


@dataclass(frozen=True)
class Family:
    """How a family is scaled: `build(classes, depth, width)`; only sides from `least` to `most` make sense."""

    build: Callable[[int, Any, Any], Node]
    depths: tuple[Any, ...]
    widths: tuple[float, ...]
    least: int
    most: int
    init: str


FAMILIES: dict[str, Family] = {
    "resnet_cifar": Family(
        lambda classes, depth, width: resnet_cifar(classes, depth, width=int(width)),
        (8, 14, 20, 32, 44, 56), (2, 4, 6, 8, 12, 16, 24, 32, 48, 64), 8, 96, "he_fan_out",
    ),
    "vgg": Family(
        lambda classes, depth, width: vgg(classes, depth, norm=True, width=width, hidden=0),
        ("A", "B", "D"), (1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 1), 32, 224, "he_fan_out",
    ),
    "lenet5": Family(
        lambda classes, depth, width: lenet5(classes, width=width),
        (5,), (0.25, 0.5, 1, 2, 4), 28, 64, "xavier",
    ),
    "resnet": Family(
        lambda classes, depth, width: resnet(classes, depth, width=int(width)),
        (18, 34, 50), (8, 16, 24, 32, 48, 64), 64, 320, "he_fan_out",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Design:
    """One row of the space. `width` is channels of the first stage (ResNets) or a multiplier (VGG, LeNet)."""

    family: str
    depth: int | str
    width: float
    side: int
    channels: int
    classes: int

    @property
    def name(self) -> str:
        """For people: family and depth, width, side: `resnet8 w16 @16`."""
        stem = {"resnet_cifar": "resnet", "vgg": "vgg_", "lenet5": "lenet", "resnet": "resnet_imagenet"}[self.family]
        width = f"w{self.width:g}" if self.family.startswith("resnet") else f"×{self.width:g}"
        return f"{stem}{self.depth} {width} @{self.side}"

    @cached_property
    def network(self) -> Network:
        """The description."""
        family = FAMILIES[self.family]
        body = family.build(self.classes, self.depth, self.width)
        return Network(body, self.side, self.channels, self.classes, self.name, "own", family.init)

    @cached_property
    def graph(self) -> Graph:
        """The trace. Raises ShapeError where the side is too small for the family."""
        return trace(self.network)

    @cached_property
    def cost(self) -> Cost:
        """The cost of one image."""
        return cost(self.graph)


def sides(native: int) -> tuple[int, ...]:
    """Resolutions worth trying for images of this side: their own, less of large ones, more of tiny ones."""
    if native <= 32:
        return tuple(sorted({native, min(2 * native, 32), 32}))
    ladder = (32, 48, 64, 96, 128, 160, 192, 224)
    return tuple(sorted({native, *(side for side in ladder if side < native)}))


def designs(channels: int, classes: int, native_side: int) -> Iterator[Design]:
    """Every design of the space for such images, traced or not."""
    for name, family in FAMILIES.items():
        for side in sides(native_side):
            if family.least <= side <= family.most:
                for depth in family.depths:
                    for width in family.widths:
                        yield Design(name, depth, width, side, channels, classes)


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
    fitting = tuple(design for design in possible if budget.allows(design.cost))
    if not fitting:
        raise BudgetError(_nothing_fits(budget, possible))
    return Shortlist(fitting, len(possible))


def _nothing_fits(budget: Budget, possible: list[Design]) -> str:
    least = min(possible, key=lambda design: budget.use(design.cost))
    found = f"{least.name} with {short(least.cost.params)} parameters and {short(least.cost.macs)} MACs"
    wish = " ".join(f"--max-{name} {getattr(least.cost, name)}" for name in budget.limits)
    return f"no design fits a budget of {budget}; the smallest there is: {found}; allow at least {wish}"


def race_field(
    designs: Sequence[Design], budget: Budget, count: int, strain: Callable[[Design], float] = lambda design: 0.0
) -> tuple[Design, ...]:
    """At most `count` designs to try: of each family, depth and side the widest, those first that fill the budget best.

    A second design of the same family and side counts half as much as the first, a third a third, so that the field is
    not one family many times. A design of `strain` above 1 (by time, say) is left out, and a narrower one considered in
    its place.
    """
    rows: dict[tuple[str, int | str, int], list[Design]] = {}
    for design in sorted(designs, key=lambda design: -design.cost.macs):
        rows.setdefault((design.family, design.depth, design.side), []).append(design)
    largest = max(row[0].cost.macs for row in rows.values())
    field: list[Design] = []

    def worth(row: list[Design]) -> float:
        design = row[0]
        fill = budget.fill(design.cost) if budget.limits else design.cost.macs / largest
        alike = sum((d.family, d.side) == (design.family, design.side) for d in field)
        return fill / (1 + alike)

    waiting = list(rows.values())
    while waiting and len(field) < count:
        row = max(waiting, key=worth)
        waiting.remove(row)
        strained = strain(row[0])
        if strained <= 1:
            field.append(row[0])
        elif narrower := [d for d in row[1:] if d.cost.macs <= 1.2 * row[0].cost.macs / strained] or row[-1:]:
            waiting += [narrower] if narrower[0] is not row[0] else []
    return tuple(field)
