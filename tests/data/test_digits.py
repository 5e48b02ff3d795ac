"""The embedded digits are scikit-learn's."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
import torch

from convsmith.data import load, open_source
from convsmith.data.digits import counts


def test_equal_to_scikit_learns():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    images, labels = counts()
    assert np.array_equal(images, theirs.images)
    assert np.array_equal(labels, theirs.target)


def test_small_and_complete():
    assert files("convsmith.data").joinpath("digits.npz").stat().st_size < 80_000  # type: ignore[attr-defined]
    images, labels = counts()
    assert (images.shape, images.dtype, images.max()) == ((1797, 8, 8), np.uint8, 16)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_as_a_source():
    source = open_source("digits")
    images, labels = counts()
    assert (source.name, source.flip, source.findings, list(source.splits)) == ("digits", False, (), ["all"])
    example = source.splits["all"][1000]
    assert (example.name, example.label) == ("1000", str(labels[1000]))
    assert source.look(example) == ("L", (8, 8))
    scaled = np.asarray(source.read(example))
    assert scaled.tolist() == [[(255 * int(v) + 8) // 16 for v in row] for row in images[1000]]
    assert len(np.unique([(255 * v + 8) // 16 for v in range(17)])) == 17


def test_loads_as_data():
    data = load("digits")
    assert data.classes == tuple("0123456789")
    assert (data.channels, data.side, data.flip) == (1, 8, False)
    assert (len(data.train), len(data.val), len(data.test)) == (1259, 269, 269)
    assert int(data.train.images.max()) == 255
    assert [finding.message for finding in data.findings] == [
        "left-right mirror images do not keep their class in 'digits'"
    ]
    assert torch.bincount(data.val.labels).min() >= 26
