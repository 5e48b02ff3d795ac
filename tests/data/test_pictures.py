"""Pictures as they came: against Pillow, torchvision's resize, and what `load` and `load_set` hand over."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from convsmith.data import Preprocess, load, load_set, memory, pack
from convsmith.data.pictures import Pictures, load_pictures, short_side
from convsmith.spec.errors import DataError

RGB = Preprocess(8, (0.5,) * 3, (0.25,) * 3)
SETS = {"train/a": 5, "train/b": 4, "val/a": 1, "val/b": 2, "test/a": 2, "test/b": 3}


@pytest.fixture
def mixed(plant, draw):
    """A folder with two test pictures of their own shapes, one of them a JPEG."""
    root = plant(SETS, size=(20, 13))
    draw(100, size=(9, 31)).save(root / "test/a/0.png")
    draw(101, size=(64, 24)).save(root / "test/b/3.jpg")
    return root


def test_a_split_of_small_images_is_as_loaded():
    data = load("digits")
    for split in ("train", "val", "test"):
        part, pictures = getattr(data, split), Pictures.of(data, split)
        assert torch.equal(pictures.at(data.preprocess).images, part.images)
        assert torch.equal(pictures.labels, part.labels)
        assert pictures.names == part.names
        assert torch.equal(pictures.original(3), part.images[3])
    everything = Pictures.of(data, "all")
    assert len(everything) == 1797
    assert torch.equal(everything.original(1796), data.test.images[-1])


def test_originals_are_the_decoded_files(mixed):
    data = load(mixed, side=8)
    pictures = Pictures.of(data)
    assert set(pictures.names) == {"test/a/0.png", "test/a/1.png", *(f"test/b/{i}.png" for i in range(3)),
                                   "test/b/3.jpg"}  # fmt: skip
    for i, name in enumerate(pictures.names):
        wanted = np.array(Image.open(mixed / name).convert("RGB"))
        assert np.array_equal(pictures.original(i).permute(1, 2, 0).numpy(), wanted), name
        assert pictures.classes[int(pictures.labels[i])] == name.split("/")[1]
    assert torch.equal(pictures.at(RGB).images, data.test.images)
    larger = replace(RGB, side=11)
    assert torch.equal(pictures.at(larger).images, data.resized(11).test.images)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24), st.integers(0, 99))
def test_the_short_side_fits_and_the_picture_stays_whole(height, width, side, seed):
    image = torch.randint(0, 256, (3, height, width), generator=torch.manual_seed(seed), dtype=torch.uint8)
    fitted = short_side(image, side)
    assert min(fitted.shape[1:]) == side
    assert abs(max(fitted.shape[1:]) - side * max(height, width) / min(height, width)) <= 0.5
    wanted = tv.resize(image.float(), list(fitted.shape[1:]), antialias=True).round().clamp(0, 255)
    assert torch.equal(fitted.float(), wanted)
    square = Preprocess(side, (0.0,) * 3, (1.0,) * 3).resize(image[None])[0]
    top, left = (fitted.shape[1] - side) // 2, (fitted.shape[2] - side) // 2
    assert torch.equal(fitted[:, top : top + side, left : left + side], square)


def test_a_source_gives_what_load_set_gives(mixed):
    for split in (None, "train", "val", "test", "all"):
        options = {"preprocess": RGB, "classes": ("b", "x", "a"), "split": split}
        images, findings = load_set(mixed, **options)
        pictures, same = load_pictures(mixed, **options)
        assert pictures.names == images.names
        assert torch.equal(pictures.labels, images.labels)
        assert torch.equal(pictures.at(RGB).images, images.images)
        assert same == findings
        assert pictures.classes == ("b", "x", "a")


def test_a_built_in_source_gives_pixels():
    grey = Preprocess(8, (0.5,), (0.5,))
    pictures, _ = load_pictures("digits", preprocess=grey, classes=tuple("0123456789"))
    images, _ = load_set("digits", preprocess=grey, classes=tuple("0123456789"))
    assert torch.equal(pictures.at(grey).images, images.images)


def test_sources_are_refused_as_load_set_refuses_them(mixed):
    with pytest.raises(DataError, match=r"'b'.*is not among the 2 classes"):
        load_pictures(mixed, preprocess=RGB, classes=("a", "c"))
    shutil.rmtree(mixed / "val")
    with pytest.raises(DataError, match="has no val split; it has train, test: say --split all"):
        load_pictures(mixed, preprocess=RGB, classes=("a", "b"), split="val")
    (mixed / "test" / "a" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"a/1\.png"):
        load_pictures(mixed, preprocess=RGB, classes=("a", "b"))
    pictures, findings = load_pictures(mixed, preprocess=RGB, classes=("a", "b"), skip_unreadable=True)
    assert len(pictures) == 5
    assert any(finding.level == "warning" for finding in findings)


def test_a_file_that_goes_later_is_named(mixed):
    pictures, _ = load_pictures(mixed, preprocess=RGB, classes=("a", "b"))
    (mixed / pictures.names[0]).unlink()
    with pytest.raises(DataError, match=pictures.names[0]):
        pictures.original(0)


def test_a_packed_set_gives_its_pixels(mixed, tmp_path):
    pack(mixed, tmp_path / "set.packed", side=12)
    data = load(tmp_path / "set.packed", side=6)
    pictures = Pictures.of(data)
    assert pictures.original(0).shape == (3, 12, 12)
    assert torch.equal(pictures.at(replace(RGB, side=6)).images, data.test.images)


def test_images_without_originals_are_taken_as_they_are(mixed):
    data = load(mixed, side=8)
    larger = replace(data, train=data.resized(8, canvas=1.5).train, originals=None)
    pictures = Pictures.of(larger, "all")
    assert len(pictures) == 18
    assert pictures.original(0).shape == (3, 8, 8)
    assert torch.equal(Pictures.of(larger).at(RGB).images, data.test.images)


def test_labels_move_to_another_class_map():
    data = load("digits")
    backwards = tuple(reversed(data.classes))
    pictures = Pictures.of(data, "test", backwards)
    assert torch.equal(pictures.labels, 9 - data.test.labels)
    assert torch.equal(pictures.under(data.classes).labels, data.test.labels)
    few = tuple(name for name in data.classes if name not in ("3", "7"))
    with pytest.raises(DataError) as caught:
        Pictures.of(data, classes=few)
    assert str(caught.value) == (
        "the pictures' classes '3', '7' are not in the class map ('0', '1', '2', '4', '5', '6', '8', '9'); remove "
        "those pictures, or evaluate a network that was trained on them"
    )


def test_a_class_without_pictures_need_not_be_in_the_map():
    data = load("digits")
    keep = (data.test.labels == 4).nonzero()[:, 0]
    only = Pictures.of(data)
    only = replace(only, labels=only.labels[keep], names=tuple(only.names[i] for i in keep.tolist()))
    assert set(only.under(("x", "4")).labels.tolist()) == {1}


def test_refusals(monkeypatch):
    data = load("digits")
    with pytest.raises(DataError, match=r"^no split is called 'tets'; did you mean 'test'"):
        Pictures.of(data, "tets")
    empty = replace(data.test, images=data.test.images[:0], labels=data.test.labels[:0], names=())
    with pytest.raises(DataError, match="the set is empty; choose another split"):
        Pictures.of(replace(data, test=empty))
    pictures = Pictures.of(data)
    with pytest.raises(DataError, match=r"have 1 channel and the network reads 3; load them again with channels=3$"):
        pictures.at(RGB)
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    with pytest.raises(DataError, match=r"more than 60% of the 0\.00 GB of memory available"):
        pictures.at(Preprocess(9, (0.5,), (0.5,)))
    assert len(pictures.at(data.preprocess)) == len(data.test)


def test_images_outside_the_memory(mixed, tmp_path):
    shards = pytest.importorskip("convsmith.data.from_shards")
    from convsmith.data.overflow import Streaming
    from convsmith.data.sharding import write_shards

    usual = load(mixed, side=8)
    away = load(mixed, side=8, streaming=Streaming(8, always=True))
    for split in ("train", "test", "all"):
        one, other = Pictures.of(usual, split), Pictures.of(away, split)
        assert one.names == other.names
        assert all(torch.equal(one.original(i), other.original(i)) for i in range(len(one)))
        assert torch.equal(one.at(RGB).images, other.at(RGB).images)
        assert torch.equal(one.labels, other.labels)
    write_shards(mixed, tmp_path / "shards", 3)
    names = sorted(file.name for file in (tmp_path / "shards").glob("train-*.tar"))
    assert len(names) == 3
    data = shards.load_shards(str(tmp_path / "shards" / "train-{000000..000002}.tar"), side=8)
    pictures, plain = Pictures.of(data, "all"), Pictures.of(usual, "train")
    wanted = sorted(plain.original(i).numpy().tobytes() for i in range(9))
    assert sorted(pictures.original(i).numpy().tobytes() for i in range(9)) == wanted
