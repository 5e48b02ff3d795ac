"""A small training that ends in a second."""

from __future__ import annotations

from dataclasses import replace

import pytest

import convsmith
from convsmith.data import Data, load
from convsmith.nn import Net, build
from convsmith.train import Recipe


@pytest.fixture(scope="session")
def digits() -> Data:
    """The embedded digits, 120 of them for training."""
    data = load("digits")
    few = replace(
        data.train, images=data.train.images[:121], labels=data.train.labels[:121], names=data.train.names[:121]
    )
    return replace(data, train=few)


@pytest.fixture
def net() -> Net:
    """ResNet-8 for digits, 5 k parameters, with dropout in it so that randomness in training shows."""
    spec = convsmith.spec("resnet20", depth=8, width=4)
    return build(spec, channels=1, side=8, seed=3)


@pytest.fixture
def short() -> Recipe:
    """Three epochs of four steps."""
    return Recipe(epochs=3, batch=32, lr=0.05)
