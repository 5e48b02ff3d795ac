"""Intervals and tests against scipy's, and against the law that they draw from."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.spec.errors import DataError
from convsmith.train import statistics
from convsmith.train.statistics import mcnemar, of_difference, of_mean, of_rate

scipy_stats = pytest.importorskip("scipy.stats", reason="scipy is the oracle of intervals and of McNemar's p")


def hits(right: int, n: int) -> torch.Tensor:
    return torch.arange(n) < right


@pytest.mark.parametrize(("n", "drawn"), [(200, 1 << 22), (200, 1 << 12), (333, 333)])
def test_values_of_any_kind_have_scipys_very_interval(n: int, drawn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same stream of indices, so the same resamples, however many are drawn at a time."""
    monkeypatch.setattr(statistics, "DRAWN", drawn)
    values = torch.rand(n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = of_mean(values, resamples=999, seed=7)
    sample, rng = (values.numpy(),), np.random.default_rng(7)
    expected = scipy_stats.bootstrap(sample, np.mean, n_resamples=999, method="percentile", rng=rng)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), abs=1e-12)
    assert found.value == pytest.approx(float(values.mean()))


@pytest.mark.parametrize(("right", "n"), [(250, 269), (9_500, 10_000), (3, 12), (1, 500)])
def test_a_rates_interval_is_that_of_the_binomial(right: int, n: int) -> None:
    """A resample's hits are binomial, so its quantiles are known, and 50,000 resamples come near them."""
    found = of_rate(hits(right, n), resamples=50_000, seed=3)
    law = scipy_stats.binom(n, right / n)
    assert found.low * n == pytest.approx(law.ppf(0.025), abs=1 + 0.03 * law.std())
    assert found.high * n == pytest.approx(law.ppf(0.975), abs=1 + 0.03 * law.std())
    sample, rng = (hits(right, n).double().numpy(),), np.random.default_rng(0)
    other = scipy_stats.bootstrap(sample, np.mean, n_resamples=3_000, batch=300, method="percentile", rng=rng)
    assert (found.low, found.high) == pytest.approx(tuple(other.confidence_interval), abs=2 / n + 0.15 * law.std() / n)


def test_a_difference_is_drawn_in_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    hard = torch.rand(2_000, generator=generator)
    first, second = hard < 0.8, hard + 0.02 * torch.randn(2_000, generator=generator) < 0.79
    found = of_difference(first, second, resamples=20_000)
    pairs = (first.double().numpy(), second.double().numpy())
    apart = scipy_stats.bootstrap(
        pairs, lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), paired=True, n_resamples=3_000, batch=300,
        method="percentile", rng=np.random.default_rng(0),
    )  # fmt: skip
    assert found.value == pytest.approx(float(first.double().mean() - second.double().mean()))
    assert (found.low, found.high) == pytest.approx(tuple(apart.confidence_interval), abs=1.1e-3)
    alone = of_rate(first)
    assert found.high - found.low < 0.6 * (alone.high - alone.low)  # what both find hard has cancelled out


def test_many_images_cost_no_more_than_few() -> None:
    found = of_rate(hits(39_000, 50_000), resamples=100_000)  # 5e9 draws, were each image drawn
    assert found.low == pytest.approx(0.78 - 1.96 * math.sqrt(0.78 * 0.22 / 50_000), abs=2e-4)


@pytest.mark.parametrize("right", [0, 30])
def test_where_all_are_right_or_wrong_the_interval_is_exact(right: int) -> None:
    found = of_rate(hits(right, 30))
    expected = scipy_stats.binomtest(right, 30).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (found.method, found.resamples) == ("Clopper-Pearson", 0)


def test_seeds_repeat_and_differ_and_levels_widen() -> None:
    right = hits(80, 100)
    assert of_rate(right, seed=5) == of_rate(right, seed=5)
    values = torch.rand(150, generator=torch.Generator().manual_seed(0))
    assert of_mean(values, resamples=200, seed=1) != of_mean(values, resamples=200, seed=2)
    narrow, wide = of_rate(right, level=0.8), of_rate(right, level=0.99)
    assert wide.low < narrow.low < 0.8 < narrow.high < wide.high
    assert json.loads(json.dumps(of_rate(right).to_json()))["method"] == "percentile bootstrap"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_mcnemars_p_is_the_binomial_tests(pairs: list[tuple[bool, bool]]) -> None:
    first, second = (torch.tensor([pair[i] for pair in pairs]) for i in (0, 1))
    found = mcnemar(first, second)
    assert found.b == sum(a and not b for a, b in pairs)
    assert found.c == sum(b and not a for a, b in pairs)
    n = found.b + found.c
    expected = scipy_stats.binomtest(found.b, n, 0.5).pvalue if n else 1.0
    assert found.p == pytest.approx(expected, rel=1e-9)
    assert mcnemar(second, first).p == found.p


@pytest.mark.parametrize(("b", "c"), [(10, 25), (0, 6), (3, 3), (1, 0), (700, 900), (3_000, 2_900), (20, 4_000)])
def test_mcnemars_p_of_known_tables(b: int, c: int) -> None:
    first, second = torch.arange(b + c) < b, torch.arange(b + c) >= b
    found = mcnemar(first, second)
    assert (found.b, found.c) == (b, c)
    assert found.p == pytest.approx(scipy_stats.binomtest(b, b + c, 0.5).pvalue, rel=1e-9)


def test_equal_answers_do_not_differ() -> None:
    same = hits(5, 9)
    assert mcnemar(same, same).to_json() == {"b": 0, "c": 0, "p": 1.0}
    found = of_difference(same, same)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="there are no images"):
        of_rate(torch.zeros(0, dtype=torch.bool))
    with pytest.raises(DataError, match=r"got 0 and 0\.95"):
        of_rate(hits(1, 2), resamples=0)
    with pytest.raises(DataError, match="got 10 and 1"):
        of_mean(hits(1, 2), resamples=10, level=1)
    for compared in (of_difference, mcnemar):
        with pytest.raises(DataError, match="on the same images, but one answered 3 and the other 2"):
            compared(hits(1, 3), hits(1, 2))
