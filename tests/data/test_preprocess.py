"""Resize, crop and normalise, held to torchvision's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tv

from convsmith.data import Preprocess, cover, statistics
from convsmith.spec.errors import DataError


def image(height, width, channels=3, seed=0):
    return torch.randint(0, 256, (2, channels, height, width), dtype=torch.uint8, generator=torch.manual_seed(seed))


def plain(side, channels=3):
    return Preprocess(side, (0.0,) * channels, (1.0,) * channels)


@pytest.mark.parametrize(
    ("height", "width", "side"), [(40, 60, 20), (61, 47, 32), (17, 90, 24), (8, 8, 32), (100, 33, 33)]
)
def test_resize_is_torchvisions_with_antialias(height, width, side):
    original = image(height, width)
    ours = plain(side).resize(original)
    rows, cols = cover(height, width, side)
    theirs = tv.resize(original.float(), [rows, cols], antialias=True)
    top, left = (rows - side) // 2, (cols - side) // 2
    theirs = tv.crop(theirs, top, left, side, side)
    assert torch.equal(ours, theirs.round().clamp(0, 255).to(torch.uint8))
    # on bytes torchvision interpolates with integer weights, one level off here and there
    bytewise = tv.crop(tv.resize(original, [rows, cols], antialias=True), top, left, side, side)
    assert (ours.int() - bytewise.int()).abs().max() <= 1


def test_resize_differs_without_antialias():
    original = image(64, 64)
    crude = tv.resize(original.float(), [16, 16], antialias=False)
    assert (plain(16).resize(original).float() - crude).abs().mean() > 5


def test_resize_is_the_identity_where_the_size_fits():
    original = image(32, 32)
    assert plain(32).resize(original) is original


def test_resize_of_a_batch_is_that_of_each_image():
    original = image(45, 30)
    whole = plain(16).resize(original)
    assert torch.equal(whole, torch.cat([plain(16).resize(one[None]) for one in original]))


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_cover_fits_the_short_side_and_keeps_the_shape(height, width, side):
    rows, cols = cover(height, width, side)
    assert min(rows, cols) == side
    assert abs(max(rows, cols) - side * max(height, width) / min(height, width)) <= 0.5


def test_cover_by_hand():
    assert cover(40, 60, 20) == (20, 30)
    assert cover(3, 2, 5) == (8, 5)  # 7.5 rounds up


def test_normalise_by_hand():
    made = Preprocess(1, (0.5, 0.0), (0.25, 1.0))
    pixels = torch.tensor([255, 51], dtype=torch.uint8).view(1, 2, 1, 1)
    assert made.normalise(pixels).flatten().tolist() == pytest.approx([2.0, 0.2])
    assert torch.equal(made.normalise(pixels), made.normalise(pixels.float()))


def test_normalise_is_torchvisions():
    original = image(8, 8)
    made = Preprocess(8, *statistics(original))
    theirs = tv.normalize(tv.to_dtype(original, torch.float32, scale=True), list(made.mean), list(made.std))
    assert torch.allclose(made.normalise(original), theirs, atol=1e-5)


def test_statistics_are_those_of_the_pixels():
    original = image(9, 7)
    mean, std = statistics(original)
    exact = original.double().transpose(0, 1).flatten(1) / 255
    assert mean == pytest.approx(exact.mean(1).tolist(), abs=6e-5)
    assert std == pytest.approx(exact.std(1, unbiased=False).tolist(), abs=6e-5)


def test_statistics_of_many_blocks_and_of_a_constant():
    many = torch.zeros(5000, 1, 1, 1, dtype=torch.uint8)
    assert statistics(many) == ((0.0,), (1.0,))
    many[:2500] = 255
    assert statistics(many) == ((0.5,), (0.5,))


def test_json_round_trip():
    made = Preprocess(32, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert Preprocess.from_json(made.to_json()) == made
    assert made.to_json()["fit"] == "short side, centre crop"
    assert made.channels == 3


@pytest.mark.parametrize("bad", [(0, (0.0,), (1.0,)), (8, (0.0,), (1.0, 1.0)), (8, (), ()), (8, (0.0,), (0.0,))])
def test_refusals(bad):
    with pytest.raises(
        DataError, match=r"^preprocessing needs side >= 1 and one positive std per channel, got Preprocess"
    ):
        Preprocess(*bad)
