"""Packed files: the data of `load`, mapped; whole or absent; refused when they are not what was written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from convsmith.data import Data, Preprocess, diagnose, load, load_set, open_source
from convsmith.data.packed import PREAMBLE
from convsmith.data.packing import cached, pack
from convsmith.spec.errors import DataError


def same(one: Data, other: Data) -> None:
    """Everything but what is said of memory."""
    for a, b in ((one.train, other.train), (one.val, other.val), (one.test, other.test)):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)
        assert a.names == b.names
    for name in ("name", "classes", "preprocess", "flip", "findings", "fingerprint"):
        assert getattr(one, name) == getattr(other, name)


@pytest.fixture
def photos(plant: Any) -> Path:
    return plant({"cat": 7, "dog": 9}, size=(20, 16))


@pytest.fixture
def packed(photos: Path, tmp_path: Path) -> Path:
    pack(photos, tmp_path / "a.packed", side=12)
    return tmp_path / "a.packed"


def test_a_packed_file_is_the_data_of_its_source(photos: Path, packed: Path) -> None:
    same(load(packed), load(photos, side=12))
    assert load(packed).train.images.stride()[1] == 1  # channels side by side


def test_small_images_are_packed_at_the_side_asked_for(tmp_path: Path) -> None:
    same(pack("digits", tmp_path / "d.packed"), load("digits"))
    same(pack("digits", tmp_path / "e.packed", side=10, seed=3), load("digits", side=10, seed=3))


def test_given_splits_and_broken_files(plant: Any, tmp_path: Path) -> None:
    root = plant({"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2}, size=(9, 9))
    (root / "train" / "a" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="1 unreadable image"):
        pack(root, tmp_path / "x.packed", side=8)
    assert not list(tmp_path.glob("*.packed"))
    assert not list(tmp_path.glob(".x.packed*"))
    made = pack(root, tmp_path / "x.packed", side=8, skip_unreadable=True)
    same(made, load(root, side=8, skip_unreadable=True))


def test_mapping_changes_neither_file_nor_another_mapping(packed: Path) -> None:
    before = packed.read_bytes()
    one, other = load(packed), load(packed)
    kept = other.train.images.clone()
    one.train.images.zero_()
    assert packed.read_bytes() == before
    assert torch.equal(other.train.images, kept)


def test_another_side_comes_from_the_packed_images(packed: Path) -> None:
    data = load(packed)
    small = load(packed, side=6)
    assert torch.equal(
        small.train.images, data.preprocess.__class__(6, (0.0,) * 3, (1.0,) * 3).resize(data.train.images)
    )
    assert small.resized(12).train.images.data_ptr() == small.originals.at(data.preprocess).data_ptr()  # type: ignore[union-attr]


def test_progress_counts_every_image(photos: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    pack(photos, tmp_path / "p.packed", side=8, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (16, 16)


def test_an_enforced_class_map(packed: Path) -> None:
    data = load(packed, classes=("bird", "dog", "cat"))
    assert data.classes == ("bird", "dog", "cat")
    assert {data.classes[i] for i in data.train.labels.tolist()} == {"cat", "dog"}
    assert [data.classes[i] for i in data.test.labels.tolist()] == [
        load(packed).classes[i] for i in load(packed).test.labels.tolist()
    ]
    with pytest.raises(DataError, match=r"^the packed classes 'dog' are not in the class map \('cat'\); pack other"):
        load(packed, classes=("cat",))


def test_other_verbs_take_it_too(packed: Path) -> None:
    assert not [finding for finding in diagnose(packed) if finding.level == "error"]
    images, _ = load_set(packed, preprocess=Preprocess(12, (0.5,) * 3, (0.5,) * 3), classes=("cat", "dog"))
    assert torch.equal(images.images, load(packed).test.images)
    with pytest.raises(DataError, match="is packed already: pack the images that it was made from"):
        pack(packed, packed.parent / "again.packed")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda b: b[:-1], r"^'a.packed' has [\d,]+ bytes and should have [\d,]+: copy or pack it again$"),
        (lambda b: b[:5000], r"^'a.packed' has 5,000 bytes and should have [\d,]+: copy or pack it again$"),
        (lambda b: b[:-3] + b"xyz", r"^'a.packed' is damaged: its header is not the one that was written; pack the"),
        (lambda b: b[:16] + b"\x09" + b[17:], r"^'a.packed' has version 9 and this reads 1; pack the source again$"),
        (lambda b: b"", r"^'a.packed' is not a packed data set; `convsmith pack SOURCE --out a.packed` makes one$"),
        (lambda b: b"x" * 9000, r"^'a.packed' is not a packed data set; "),
    ],
)
def test_a_file_that_is_not_what_was_written(packed: Path, harm: Any, said: str) -> None:
    packed.write_bytes(harm(packed.read_bytes()))
    with pytest.raises(DataError, match=said):
        load(packed)


def test_other_channels_are_refused(packed: Path) -> None:
    with pytest.raises(DataError, match=r"^'set' is packed with 3 channels, not 1; pack it again$"):
        load(packed, channels=1)


def test_a_full_disk_leaves_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "out"
    target.mkdir()
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        DataError, match=r"a.packed: No space left on device; choose another folder or free some space$"
    ):
        pack(photos, target / "a.packed", side=8)
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        pack(photos, target / "a.packed", side=8)
    assert not list(target.iterdir())


def test_names_and_folders(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^a packed file is called something.packed, not 'a.bin'$"):
        pack(photos, tmp_path / "a.bin")
    with pytest.raises(DataError, match=r"^cannot write .*no/a.packed: No such file or directory"):
        pack(photos, tmp_path / "no" / "a.packed")


def test_a_cache_is_made_once_and_again_when_the_source_changes(photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = cached(photos, cache, side=8)
    same(first, load(photos, side=8))
    (file,) = cache.iterdir()
    made = file.stat().st_mtime_ns
    same(cached(photos, cache, side=8), first)
    assert file.stat().st_mtime_ns == made
    cached(photos, cache, side=9)
    assert len(list(cache.iterdir())) == 2
    Image.new("RGB", (20, 16), (9, 9, 9)).save(photos / "cat" / "new.png")
    assert cached(photos, cache, side=8).fingerprint == load(photos, side=8).fingerprint != first.fingerprint
    assert len(list(cache.iterdir())) == 3


def test_a_damaged_cache_is_made_again(photos: Path, tmp_path: Path) -> None:
    cached(photos, tmp_path / "cache", side=8)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[: PREAMBLE.size])
    same(cached(photos, tmp_path / "cache", side=8), load(photos, side=8))


def test_canvas_enlarges_the_training_images_alone(photos: Path) -> None:
    data = load(photos, side=12)
    large = data.resized(12, canvas=1.5)
    assert large.train.images.shape[-1] == 18
    assert torch.equal(large.train.images, data.resized(18).train.images)
    assert torch.equal(large.val.images, data.val.images)
    assert torch.equal(large.test.images, data.test.images)
    assert large.side == 12
    assert (large.preprocess.mean, large.preprocess.std) == (
        data.resized(18).preprocess.mean,
        data.resized(18).preprocess.std,
    )
    assert large.fingerprint == data.fingerprint
    assert data.resized(12) is data
    assert large.resized(12, canvas=1.5) is large
    assert torch.equal(large.resized(12).train.images, data.train.images)
    with pytest.raises(DataError, match=r"^canvas must be at least 1, .* got 0.5$"):
        data.resized(12, canvas=0.5)


def test_a_single_class_is_refused_as_ever(plant: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="single class"):
        pack(plant({"a": 3}), tmp_path / "a.packed")
    assert open_source(plant({"a": 3, "b": 3}, root="two")).labels() == {"a", "b"}
