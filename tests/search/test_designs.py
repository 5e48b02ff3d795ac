from __future__ import annotations

import pytest
import torch

from convsmith.nn import build
from convsmith.search import Budget, within
from convsmith.search.designs import designs, race_field
from convsmith.search.spaces.zoo import sides
from convsmith.spec.errors import BudgetError


@pytest.mark.parametrize(("native", "channels", "classes"), [(8, 1, 10), (32, 3, 100), (224, 3, 5), (97, 3, 2)])
def test_every_design_within_a_budget_really_costs_what_it_says(native: int, channels: int, classes: int) -> None:
    budget = Budget(params=300_000, macs=30_000_000)
    found = within(budget, channels, classes, native).designs
    assert found
    for design in found[:: max(1, len(found) // 12)]:
        net = build(design.network, device="meta")
        assert sum(p.numel() for p in net.parameters()) == design.cost.params <= 300_000
        assert design.cost.macs <= 30_000_000
        out = net.eval()(torch.empty(2, channels, design.side, design.side, device="meta"))
        assert out.shape == (2, classes)


def test_designs_have_names_of_their_own() -> None:
    every = list(designs(3, 10, 224))
    assert len({design.name for design in every}) == len(every)


def test_an_impossible_budget_names_the_smallest_design_and_what_it_needs() -> None:
    with pytest.raises(BudgetError) as refusal:
        within(Budget(params=100, macs=4_000_000), 1, 10, 8)
    message = str(refusal.value)
    assert "no design fits a budget of 100 parameters and 4 M MACs; the smallest there is: resnet8 w2 @8" in message
    least = int(message.split("--max-params ")[1].split()[0])
    assert within(Budget(params=least, macs=4_000_000), 1, 10, 8).designs
    with pytest.raises(BudgetError):
        within(Budget(params=least - 1, macs=4_000_000), 1, 10, 8)


def test_rejected_designs_are_counted() -> None:
    found = within(Budget(params=50_000), 1, 10, 8)
    assert found.over_budget == found.considered - len(found.designs) > 0


def test_the_field_has_several_families_and_resolutions_and_fills_the_budget() -> None:
    budget = Budget(100_000, 4_000_000)
    field = race_field(within(budget, 1, 10, 8).designs, budget, 8)
    assert len(field) == 8 == len(set(field))
    assert len({design.family for design in field}) >= 3
    assert len({design.side for design in field}) >= 2
    assert max(budget.fill(design.cost) for design in field) > 0.75


def test_a_small_space_gives_a_small_field() -> None:
    budget = Budget(params=1_400)
    found = within(budget, 1, 10, 8)
    assert len(race_field(found.designs, budget, 8)) <= len(found.designs)
    assert race_field(found.designs[:1], Budget(), 8) == found.designs[:1]


@pytest.mark.parametrize(
    ("native", "expected"),
    [(8, (8, 16, 32)), (28, (28, 32)), (32, (32,)), (64, (32, 48, 64)), (224, (32, 48, 64, 96, 128, 160, 192, 224))],
)
def test_resolutions_follow_the_images(native: int, expected: tuple[int, ...]) -> None:
    assert sides(native) == expected
