from __future__ import annotations

import pytest

import convsmith
from convsmith.search import Budget
from convsmith.spec.errors import SpecError

COST = convsmith.cost(convsmith.trace("lenet5"))  # 61,706 parameters, 416,520 MACs


@pytest.mark.parametrize(
    ("budget", "allowed"),
    [
        (Budget(), True),
        (Budget(params=61_706), True),
        (Budget(params=61_705), False),
        (Budget(macs=416_520), True),
        (Budget(macs=416_519), False),
        (Budget(params=10**9, macs=416_519), False),
    ],
)
def test_a_limit_is_met_up_to_the_last_one(budget: Budget, allowed: bool) -> None:
    assert budget.allows(COST) is allowed
    assert (budget.use(COST) <= 1) is allowed


def test_use_is_the_tightest_limit_and_fill_the_mean() -> None:
    budget = Budget(params=61_706 * 2, macs=416_520 * 4)
    assert budget.use(COST) == pytest.approx(0.5)
    assert budget.fill(COST) == pytest.approx(0.375)


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_a_limit_that_is_no_positive_integer_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match="budget: params must be an integer of at least 1"):
        Budget(params=value)  # type: ignore[arg-type]


def test_it_says_itself_in_words() -> None:
    assert str(Budget(100_000, 4_000_000)) == "100 k parameters and 4 M MACs"
    assert str(Budget()) == "no limit"
