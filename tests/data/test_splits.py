"""Dealing images to splits: deterministic, stratified, copies together."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsmith.data.splits import USUAL, check_fractions, deal, parts, quotas
from convsmith.spec.errors import DataError

SPLITS = ("train", "val", "test")
counts_per_class = st.lists(st.integers(3, 60), min_size=1, max_size=4)
seeds = st.integers(0, 2**40)


def unique(counts):
    """Labels and hashes of different images, that many per class."""
    rows = [(f"c{k}", f"{k}-{i}") for k, count in enumerate(counts) for i in range(count)]
    return [label for label, _ in rows], [h for _, h in rows]


def spread(labels, splits):
    return Counter(zip(labels, splits, strict=True))


@given(counts_per_class, seeds)
def test_stratified(counts, seed):
    labels, hashes = unique(counts)
    dealt = spread(labels, deal(labels, hashes, SPLITS, fractions=USUAL, seed=seed))
    for k, count in enumerate(counts):
        wanted = quotas(count, dict(zip(SPLITS, USUAL, strict=True)))
        assert {split: dealt[f"c{k}", split] for split in SPLITS} == wanted


@given(counts_per_class, seeds, st.randoms())
def test_independent_of_the_order_of_listing(counts, seed, random):
    labels, hashes = unique(counts)
    first = dict(zip(hashes, deal(labels, hashes, SPLITS, fractions=USUAL, seed=seed), strict=True))
    rows = list(zip(labels, hashes, strict=True))
    random.shuffle(rows)
    labels, hashes = zip(*rows, strict=True)
    assert dict(zip(hashes, deal(labels, hashes, SPLITS, fractions=USUAL, seed=seed), strict=True)) == first


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), max_size=60), seeds)
def test_copies_stay_together_and_every_split_has_every_class(extra, seed):
    rows = [(label, f"{label}{i}") for label in "ab" for i in range(3)]  # three different ones each, at least
    rows += [(label, f"{label}{i}") for label, i in extra]
    labels, hashes = zip(*rows, strict=True)
    dealt = deal(labels, hashes, SPLITS, fractions=USUAL, seed=seed)
    assert len(set(zip(hashes, dealt, strict=True))) == len(set(hashes))
    assert set(spread(labels, dealt)) == {(label, split) for label in "ab" for split in SPLITS}


@given(st.floats(0.01, 0.97), st.floats(0.01, 0.97), st.integers(3, 40), seeds)
def test_any_fractions_leave_no_split_empty(first, second, count, seed):
    total = 1 + first + second
    fractions = (1 / total, first / total, second / total)
    labels, hashes = unique([count])
    assert set(deal(labels, hashes, SPLITS, fractions=fractions, seed=seed)) == set(SPLITS)


def test_seeds_differ():
    labels, hashes = unique([60])
    assert deal(labels, hashes, SPLITS, fractions=USUAL, seed=0) != deal(
        labels, hashes, SPLITS, fractions=USUAL, seed=1
    )


def test_an_image_under_two_labels_stays_in_one_split():
    labels = ["a"] * 6 + ["b"] * 6
    hashes = [f"a{i}" for i in range(5)] + ["both"] + ["both"] + [f"b{i}" for i in range(5)]
    dealt = deal(labels, hashes, SPLITS, fractions=USUAL, seed=3)
    assert dealt[5] == dealt[6]


def test_quotas_by_hand():
    assert quotas(100, {"train": 0.7, "val": 0.15, "test": 0.15}) == {"train": 70, "val": 15, "test": 15}
    assert quotas(3, {"train": 0.7, "val": 0.15, "test": 0.15}) == {"train": 1, "val": 1, "test": 1}
    assert quotas(10, {"train": 0.7, "val": 0.15, "test": 0.15}) == {"train": 6, "val": 2, "test": 2}


def test_what_is_missing_comes_from_train():
    assert parts(["all"]) == SPLITS
    assert parts(["train"]) == SPLITS
    assert parts(["train", "test"]) == ("train", "val")
    assert parts(["train", "val"]) == ("train", "test")
    assert parts(SPLITS) == ("train",)
    labels, hashes = unique([85])
    assert Counter(deal(labels, hashes, ("train", "val"), fractions=USUAL, seed=0)) == {"train": 70, "val": 15}
    assert set(deal(labels, hashes, ("train",), fractions=USUAL, seed=0)) == {"train"}


def test_too_few_different_images():
    with pytest.raises(DataError) as caught:
        deal(["a"] * 4 + ["b"] * 3, list("wxyzppq"), SPLITS, fractions=USUAL, seed=0)
    assert str(caught.value) == (
        "too few different images in 1 class: 'b' has 2; each class needs at least 3, one for each of train, val, test"
    )
    labels, hashes = unique([1] * 12)
    with pytest.raises(
        DataError, match=r"in 12 classes: 'c0' has 1, .*'c9' has 1 and 2 more classes; each class needs"
    ):
        deal(labels, hashes, SPLITS, fractions=USUAL, seed=0)
    with pytest.raises(DataError, match=r"'b' has 0; each"):  # both of its images are there as 'a' already
        deal(list("aaabbb"), ["x", "y", "z", "x", "x", "x"], SPLITS, fractions=USUAL, seed=0)


@pytest.mark.parametrize("bad", [(0.7, 0.3), (0.7, 0.3, 0.0), (0.7, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_fractions_are_checked(bad):
    with pytest.raises(
        DataError, match=r"^fractions must be three positive numbers \(train, val, test\) that sum to 1, got"
    ):
        check_fractions(bad)
