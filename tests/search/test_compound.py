"""Compound scaling: the published constants, the grid, and that rules cost what they say."""

from __future__ import annotations

import pytest

from convsmith import cost, spec, trace
from convsmith.search.compound import ALPHA, SINGLE, Factors, compound, grid
from convsmith.spec.errors import SpecError
from convsmith.zoo import efficientnet

PAPER = Factors(1.2, 1.1, 1.15)


def test_the_papers_factors_are_on_the_grid_at_their_own_product() -> None:
    """Section 3.3: alpha = 1.2, beta = 1.1, gamma = 1.15, whose product is 1.92."""
    assert PAPER.times == pytest.approx(1.92, abs=0.005)
    found = grid(2.0)
    assert PAPER in found
    assert all(2 * 0.94 <= some.times <= 2 / 0.94 for some in found)
    assert {min(f) >= 1 for f in found} == {True}
    assert Factors(2.0, 1.0, 1.0) in found
    assert len(found) == len(set(found))


def test_the_rule_of_the_papers_factors_is_the_zoos() -> None:
    for phi in (0.5, 1, 2, 3.75):
        width, depth, side = efficientnet.compound(phi)
        assert PAPER.power(phi) == pytest.approx((depth, width, side))
        assert compound(PAPER)(PAPER.times**phi) == pytest.approx((depth, width, side))


@pytest.mark.parametrize("name", [*SINGLE, "compound"])
@pytest.mark.parametrize("times", [2.0, 4.0])
def test_rules_cost_what_they_say(name: str, times: float) -> None:
    rule = SINGLE.get(name) or compound(PAPER)
    factors = rule(times)
    assert factors.times == pytest.approx(times)
    base = spec("resnet56")
    made = factors.of(base)
    ratio = cost(trace(made)).macs / cost(trace(base)).macs
    assert ratio == pytest.approx(times, rel=0.3)  # stages have whole blocks, and the stem does not get deeper


def test_fast_scaling_puts_most_into_width() -> None:
    assert SINGLE["fast"](16.0) == pytest.approx((16**0.1, 16**0.4, 16**0.05))
    assert ALPHA == 0.8


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grid(1.0), "a grid needs times above 1"),
        (lambda: grid(1.5, step=0.9), "no factors in steps of 0.9 come within 6% of 1.5 times"),
        (lambda: compound(Factors()), "do not make a network larger"),
        (lambda: Factors(depth=2).of(spec("vgg16")), "depth cannot be scaled"),
    ],
)
def test_refusals(call: object, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        call()  # type: ignore[operator]
