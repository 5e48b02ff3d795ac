"""Trainings of less: the classes' shares stay, and so does the network but for its side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convsmith import spec
from convsmith.data import Data, load
from convsmith.search.fidelity import full, reduced, subset


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def test_a_subset_keeps_the_classes_shares(digits: Data) -> None:
    few = subset(digits, 300)
    assert 295 <= len(few.train) <= 305
    whole, part = digits.train.labels.bincount() / len(digits.train), few.train.labels.bincount() / len(few.train)
    assert (whole - part).abs().max() < 0.01
    assert few.test is digits.test


def test_less_of_each() -> None:
    data, network = load("digits"), replace(spec("resnet20", 10), side=16, channels=1)
    assert full(data, 9) == {"epochs": 9, "examples": len(data.train), "side": 8}
    assert reduced(network, data, {"epochs": 3}) == (network, data)
    same, few = reduced(network, data, {"epochs": 9, "examples": 120})
    assert same == network
    assert abs(len(few.train) - 120) <= 5
    assert few.train.images.shape[-1] == 16  # at the network's side already
    assert few.val.images.shape == data.resized(16).val.images.shape
    half, all_ = reduced(network, data, {"epochs": 9, "side": 4})
    assert (half.side, half.body) == (8, network.body)  # the network is twice as large as the images: it stays so
    assert all_ is data
