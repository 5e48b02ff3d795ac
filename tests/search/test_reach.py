from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.search.budget import Budget
from convsmith.search.costs import Costs, costs
from convsmith.search.reach import front, nearest, reach
from convsmith.search.spaces import Choice, Space, space
from convsmith.spec import Conv, Network
from convsmith.views.pareto import pareto


def widths(*some: int) -> Space:
    """1x1 convolutions of an image of 8 x 8: w (3 + 1) parameters, 192 w MACs."""
    return Space(
        "widths", "a test's", (Choice("w", some),), lambda s: Network(Conv(int(s["w"])), 8), {"side": 8, "channels": 3}
    )


def test_all_members_of_a_small_space_are_counted() -> None:
    found = reach(widths(1, 2, 3, 10), Budget(params=12))
    assert (found.fitting, found.seen, found.size, found.exact) == (3, 4, 4, True)


def test_blocks_of_members_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = space("resnet", side=32, classes=10)
    within = int((costs(found, found.numbering.block(0, found.size)).params <= 200_000).sum())
    assert 0 < within < found.size
    monkeypatch.setattr("convsmith.search.reach.CHUNK", 9_999)
    assert reach(found, Budget(params=200_000)) == (within, found.size, found.size)


def test_a_larger_space_is_sampled() -> None:
    found = reach(space("mnas"), Budget(macs=300_000_000))
    assert not found.exact
    assert found.seen == 100_000
    assert 0 < found.fitting < found.seen


def test_the_nearest_member_of_a_budget_that_nobody_meets() -> None:
    near = nearest(widths(5, 7, 6), Budget(params=12))
    assert near.settings == {"w": 5}
    found = space("mnas")
    near = nearest(found, Budget(macs=1_000_000, params=1_000))
    for choice in found.choices:
        if choice.name.endswith(("layers", "width")):
            assert near.settings[choice.name] == min(choice.options)


def test_many_uses_equal_one_by_one() -> None:
    found, budget = space("zoo", side=32), Budget(params=30_000, macs=2_000_000, weight_bytes=10**6, memory_bytes=10**6)
    rows = found.numbering.draw(20, np.random.default_rng(0))
    prices = costs(found, rows)
    for i, use in enumerate(budget.uses(prices)):
        one = Costs(*(column[i : i + 1] for column in prices))
        assert use == max(getattr(one, name)[0] / value for name, value in budget.limits.items())
    assert not Budget().uses(prices).any()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_the_front_is_that_of_the_view(points: list[tuple[int, int]]) -> None:
    cost, gain = (np.array(column) for column in zip(*points, strict=True))
    rows = [{"macs": c, "top1": g} for c, g in points]
    wanted = list(dict.fromkeys((row["macs"], row["top1"]) for row in pareto(rows)))
    assert [(cost[i], gain[i]) for i in front(cost, gain.astype(float))] == wanted


def test_the_front_of_nothing_is_empty() -> None:
    assert front(np.zeros(0, np.int64), np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("name", ["nas_cell", "zoo"])
def test_spaces_without_tables_are_reached_too(name: str) -> None:
    found = space(name, side=32, classes=10)
    assert reach(found, Budget(params=10**8)).fitting > 0
    assert nearest(found, Budget(params=1)).network
