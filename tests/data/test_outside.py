"""Training images that stay in their files: the data and the batches of `load`, without the memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from convsmith.data import Augment, Data, Feed, Streaming, load, memory, outside, pack
from convsmith.data.feed import Memory
from convsmith.data.streaming import Streamed
from convsmith.spec.errors import DataError


@pytest.fixture
def root(plant: Any) -> Path:
    """Two classes of 40 wide images."""
    made: Path = plant({"cat": 40, "dog": 40}, size=(12, 10))
    return made


def batches(feed: Feed, size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    found = list(feed.batches(torch.split(feed.order(1, 2), size), seed=1, epoch=2))
    return torch.cat([batch.images for batch in found]), torch.cat([batch.labels for batch in found])


def same(data: Data, other: Data) -> bool:
    sets = ((data.train, other.train), (data.val, other.val), (data.test, other.test))
    equal = all(torch.equal(a.labels, b.labels) and a.names == b.names for a, b in sets)
    images = all(torch.equal(a.images, b.images) for a, b in sets[1:])
    facts = ("name", "classes", "preprocess", "flip", "fingerprint")
    return equal and images and all(getattr(data, fact) == getattr(other, fact) for fact in facts)


@pytest.mark.parametrize("side", [8, 10])
def test_streamed_data_is_that_of_load(root: Path, side: int) -> None:
    kept = load(root, side=side, seed=3)
    data = load(root, seed=3, streaming=Streaming(side, always=True))
    assert same(data, kept)  # the sample has all of so few images
    assert same(data.resized(9), kept.resized(9))
    assert data.resized(side) is data
    assert data.findings[-2].message == (
        f"56 images of 3x{side}x{side} need 0.00 GB: training images are decoded as they are needed"
    )


@pytest.mark.parametrize("canvas", [1.0, 1.25])
def test_its_feed_gives_the_batches_of_memory(root: Path, canvas: float) -> None:
    augment = Augment(flip=True, shift=1, window=8 if canvas > 1 else None)
    kept = load(root, side=8).feed(augment, canvas)
    data = load(root, streaming=Streaming(8, canvas, always=True)).feed(augment, canvas)
    assert isinstance(kept, Memory)
    assert isinstance(data, Streamed)
    for a, b in zip(batches(kept), batches(data), strict=True):
        assert torch.equal(a, b)


def test_built_in_sets_can_be_streamed() -> None:
    kept, data = load("digits"), load("digits", streaming=Streaming(8, always=True))
    assert same(data, kept)
    for a, b in zip(batches(kept.feed(Augment())), batches(data.feed(Augment())), strict=True):
        assert torch.equal(a, b)


def test_where_memory_is_short_images_stay_outside(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 20_000)
    monkeypatch.setattr(outside, "SAMPLE", 16)
    with pytest.raises(DataError, match=r"^80 images of 3x8x8 need 0\.00 GB, more than 60%"):
        load(root, side=8)
    data = load(root, streaming=Streaming(8))
    assert len(data.train) == 56
    assert len(data.train.images) == 16
    assert data.outside is not None
    assert load(root, side=5, streaming=Streaming(5)).outside is None
    assert load(root, side=5, streaming=Streaming(5, canvas=1.6)).outside is not None
    monkeypatch.setattr(memory, "available_bytes", lambda: 2_000)
    with pytest.raises(DataError, match=r"^validation, test and a sample of the training images stay in memory: 40 im"):
        load(root, streaming=Streaming(8))


def test_mean_and_deviation_are_those_of_a_sample(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "SAMPLE", 16)
    data, again = (load(root, streaming=Streaming(8, always=True)) for _ in range(2))
    assert data.preprocess == again.preprocess
    kept = load(root, side=8)
    rows = outside.sampled(data.outside[0], data.preprocess)  # type: ignore[index]
    assert len(set(rows.tolist())) == 16
    assert torch.equal(data.train.images, kept.train.images[rows])
    assert data.preprocess != kept.preprocess
    assert data.preprocess.mean == pytest.approx(kept.preprocess.mean, abs=0.05)


def test_files_that_go_are_named_at_their_batch(root: Path) -> None:
    data = load(root, streaming=Streaming(8, always=True))
    (root / data.train.names[5]).unlink()
    feed = data.feed(Augment())
    with pytest.raises(DataError, match=rf"^cannot read '{data.train.names[5]}': "):
        next(feed.batches([torch.arange(8)], seed=0, epoch=0))
    next(feed.batches([torch.arange(6, 12)], seed=0, epoch=0))


def test_unreadable_files_are_left_out_on_request(root: Path) -> None:
    (root / "cat" / "3.png").write_bytes(b"none")
    with pytest.raises(DataError, match=r"^1 unreadable image: 'cat/3.png'"):
        load(root, streaming=Streaming(8, always=True))
    data = load(root, streaming=Streaming(8, always=True), skip_unreadable=True)
    assert len(data.train) + len(data.val) + len(data.test) == 79


def test_packed_pixels_are_not_streamed(root: Path, tmp_path: Path) -> None:
    pack(root, tmp_path / "x.packed", side=8)
    with pytest.raises(DataError, match=r"^'set' is packed, and packed pixels take no memory: leave out --stream$"):
        load(tmp_path / "x.packed", streaming=Streaming(8, always=True))
    assert load(tmp_path / "x.packed", streaming=Streaming(8)).outside is None


def test_an_enforced_class_map(root: Path) -> None:
    streaming = Streaming(8, always=True)
    data = load(root, streaming=streaming, classes=("dog", "cow", "cat"))
    assert set(data.train.labels.tolist()) == {0, 2}
    assert replace(data, name="other").resized(7).classes == ("dog", "cow", "cat")
