"""From a folder to tensors."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from convsmith.data import Preprocess, load, memory, open_source, statistics
from convsmith.data.loading import _rearrange
from convsmith.data.pixels import picture, to_tensor
from convsmith.spec.errors import DataError

SPLIT = {"train/a": 4, "train/b": 4, "val/a": 1, "val/b": 2, "test/a": 2, "test/b": 1}


def notes(data):
    return [finding.message for finding in data.findings]


def direct(root, name, side, channels=3):
    """The image at `name`, decoded and resized by hand."""
    pixels = to_tensor(name, picture(name, lambda: (root / name).open("rb")), channels)
    return Preprocess(side, (0.0,) * channels, (1.0,) * channels).resize(pixels[None])[0]


def test_given_splits_are_kept(plant):
    data = load(plant(SPLIT))
    assert (data.name, data.classes, data.side, data.channels) == ("set", ("a", "b"), 8, 3)
    assert data.train.names == tuple(f"train/{c}/{i}.png" for c in "ab" for i in range(4))
    assert data.val.labels.tolist() == [0, 1, 1]
    assert data.test.labels.tolist() == [0, 0, 1]
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.dtype == torch.int64
    assert data.train.images.shape == (8, 3, 8, 8)
    assert (data.preprocess.mean, data.preprocess.std) == statistics(data.train.images)


@pytest.mark.parametrize(
    ("size", "side"), [((8, 8), None), ((8, 8), 12), ((30, 20), None), ((90, 90), 16), ((90, 90), None)]
)
def test_every_image_is_its_file_resized(plant, size, side):
    root = plant(SPLIT, size=size)
    data = load(root, side=side)
    assert data.side == (side or min(size))
    for part in (data.train, data.val, data.test):
        assert len(part) == len(part.images) == len(part.labels)
        for name, image, label in zip(part.names, part.images, part.labels, strict=True):
            assert torch.equal(image, direct(root, name, data.side))
            assert data.classes[label] == name.split("/")[1]


@pytest.mark.parametrize("size", [(8, 8), (30, 20), (90, 90)])
def test_resized_equals_loading_at_that_side(plant, size):
    root = plant(SPLIT, size=size)
    ours, fresh = load(root).resized(11), load(root, side=11)
    assert ours.preprocess == fresh.preprocess
    assert ours.fingerprint == fresh.fingerprint
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(ours, part).images, getattr(fresh, part).images)
        assert torch.equal(getattr(ours, part).labels, getattr(fresh, part).labels)
        assert getattr(ours, part).names == getattr(fresh, part).names
    back = ours.resized(load(root).side)
    assert torch.equal(back.train.images, load(root).train.images)


def test_resized_to_the_same_side_is_the_same():
    data = load("digits")
    assert data.resized(8) is data
    assert data.resized(16).resized(8).preprocess == data.preprocess
    with pytest.raises(DataError, match=r"^side must be at least 1 pixel, got 0$"):
        data.resized(0)


def test_data_made_by_hand_is_resized_from_its_images():
    data = replace(load("digits").resized(16), originals=None)
    assert torch.equal(data.resized(8).test.images, Preprocess(8, (0.0,), (1.0,)).resize(data.test.images))


def test_side_is_the_median_short_side_capped(plant, draw):
    root = plant({"a": 3, "b": 3}, size=(300, 260))
    assert load(root).side == 224
    draw(70, size=(260, 260)).save(root / "a" / "x.png")
    assert load(root).side == 224
    assert load(plant({"a": 3, "b": 3}, root="square", size=(260, 260))).side == 260


def test_channels_follow_the_images(plant, draw):
    root = plant({"a": 4, "b": 4}, mode="L")
    assert load(root).channels == 1
    assert load(root, channels=3).channels == 3
    draw(9, mode="RGB").save(root / "a" / "x.png")
    mixed = load(root)
    assert mixed.channels == 3
    assert load(root, channels=1).channels == 1


def test_colour_files_of_grey_images_are_noticed(plant):
    root = plant({"a": 4, "b": 4}, mode="L")
    said = "every training image is grey though read in colour; one channel would do (--channels 1)"
    assert said in notes(load(root, channels=3))
    assert said not in notes(load(root))


def test_flip_is_a_guess_by_colour_and_says_so(plant):
    colour, grey = load(plant({"a": 4, "b": 4})), load(plant({"a": 4, "b": 4}, root="grey", mode="L"))
    assert colour.flip
    assert not grey.flip
    assert notes(colour)[-1] == (
        "left-right mirror images are assumed to keep their class, as the images are in colour; if they do not, say "
        "--no-flip"
    )
    assert notes(grey)[-1] == (
        "left-right mirror images are not assumed to keep their class, as the images are grey; if they do, say --flip"
    )


def test_carving_is_stratified_and_ignores_names_and_order(plant, tmp_path):
    root = plant({"a": 20, "b": 20})
    data = load(root, seed=5)
    assert [len(part) for part in (data.train, data.val, data.test)] == [28, 6, 6]
    assert Counter(data.test.labels.tolist()) == {0: 3, 1: 3}
    renamed = tmp_path / "renamed"
    for path in root.glob("*/*.png"):
        target = renamed / path.parent.name / f"z{99 - int(path.stem)}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    moved = load(renamed, seed=5)
    pixels = lambda part: {image.numpy().tobytes() for image in part.images}
    assert pixels(moved.test) == pixels(data.test)
    assert pixels(load(root, seed=6).test) != pixels(data.test)


def test_copies_stay_in_one_split(plant):
    root = plant({"a": 6, "b": 6})
    for i in range(5):
        shutil.copy(root / "a/0.png", root / f"a/copy{i}.png")
    data = load(root)
    copies = {"a/0.png"} | {f"a/copy{i}.png" for i in range(5)}
    assert [len(copies & set(part.names)) for part in (data.train, data.val, data.test)].count(0) == 2


@pytest.mark.parametrize("missing", ["val", "test"])
def test_a_missing_split_is_carved_from_train_alone(plant, missing):
    given = {"train/a": 17, "train/b": 17, "val/a": 2, "val/b": 2, "test/a": 2, "test/b": 2}
    data = load(plant({k: v for k, v in given.items() if not k.startswith(missing)}))
    assert len(data.train) == 28
    assert {name.split("/")[0] for name in getattr(data, missing).names} == {"train"}
    other = {"val": "test", "test": "val"}[missing]
    assert {name.split("/")[0] for name in getattr(data, other).names} == {other}


def test_fractions(plant):
    data = load(plant({"a": 20, "b": 20}), fractions=(0.5, 0.25, 0.25))
    assert [len(part) for part in (data.train, data.val, data.test)] == [20, 10, 10]
    with pytest.raises(DataError, match=r"^fractions must be three positive numbers"):
        load("digits", fractions=(0.9, 0.1, 0.0))


def test_classes_in_natural_order(plant):
    assert load(plant({"10": 3, "9": 3, "2": 3})).classes == ("2", "9", "10")


def test_an_enforced_class_map(plant):
    root = plant({"train/b": 3, "train/c": 3, "val/b": 1})
    data = load(root, classes=["c", "x", "b"])
    assert data.classes == ("c", "x", "b")
    assert set(data.train.labels.tolist()) == {0, 2}
    assert data.val.labels.tolist() == [2]
    with pytest.raises(DataError) as caught:
        load(root, classes=("a", "b"))
    assert str(caught.value) == (
        "label 'c' is not among the 2 classes of the class map ('a', 'b'); remove those images or train on them"
    )


def test_a_single_class_is_enough_for_an_enforced_map(plant):
    root = plant({"b": 4})
    assert set(load(root, classes=("a", "b")).train.labels.tolist()) == {1}
    with pytest.raises(DataError, match=r"single class"):
        load(root)


def test_progress_is_counted_to_the_end(plant):
    seen = []
    load(plant({"a": 20, "b": 20}), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40, 40)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 1


def test_an_interruption_comes_through(plant):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(plant({"a": 40, "b": 40}), progress=stop)


def test_the_fingerprint_follows_content_labels_names_and_splits(plant, draw):
    root = plant(SPLIT)
    first = load(root).fingerprint
    assert len(first) == 64
    assert load(root).fingerprint == load(root, side=5).fingerprint == first
    (root / "train/a/0.png").rename(root / "train/a/00.png")
    renamed = load(root).fingerprint
    draw(1234).save(root / "train/a/00.png")
    repainted = load(root).fingerprint
    (root / "train/a/00.png").rename(root / "val/a/00.png")
    assert len({first, renamed, repainted, load(root).fingerprint}) == 4
    digits = {load("digits", seed=seed).fingerprint for seed in (0, 1)}
    assert len(digits) == 2


def test_memory_is_checked_before_decoding(plant, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    root = plant({"a": 20, "b": 20})
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(DataError) as caught:
        load(root)
    assert str(caught.value) == (
        "40 images of 3x8x8 need 0.00 GB, more than 60% of the 0.00 GB of memory available; use a smaller --side"
    )


def test_memory_of_a_larger_side(monkeypatch):
    data = load("digits")
    monkeypatch.setattr(memory, "available_bytes", lambda: 4 * 10**9)
    with pytest.raises(DataError, match=r"^1,797 images of 1x2000x2000 need 7.19 GB, more than 60% of the 4.00 GB of"):
        data.resized(2000)
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert memory.too_large(10**9, 3, 1000) is None


def test_available_memory_is_a_plausible_figure():
    free = memory.available_bytes()
    assert free is None or 2**20 < free < 2**50


def test_memory_where_the_system_says_little(monkeypatch):
    def unreadable(self):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", unreadable)
    pages = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr("os.sysconf", pages.__getitem__)
    assert memory.available_bytes() == 4096000
    monkeypatch.delattr("os.sysconf")
    assert memory.available_bytes() is None


def test_memory_limit_of_a_container(monkeypatch):
    texts = {
        "meminfo": "MemTotal: 9 kB\nMemAvailable: 2000 kB\n",
        "memory.max": "1500000\n",
        "memory.current": "500000\n",
    }
    monkeypatch.setattr(Path, "read_text", lambda self: texts[self.name])
    assert memory.available_bytes() == 1_000_000
    texts["memory.max"] = "max\n"
    assert memory.available_bytes() == 2_048_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"side": 0}, "^side must be at least 1 pixel, got 0$"),
        ({"channels": 2}, r"^channels must be 1 \(grey\) or 3 \(colour\), got 2$"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(DataError, match=message):
        load("digits", **arguments)


def test_data_is_frozen():
    data = load("digits")
    with pytest.raises(FrozenInstanceError):
        data.flip = True
    with pytest.raises(FrozenInstanceError):
        data.train.names = ()


def test_sources_read_alike_from_load_and_by_hand(plant):
    root = plant({"a": 3, "b": 3})
    source = open_source(root)
    example = source.splits["all"][0]
    by_hand = to_tensor(example.name, source.read(example), 3)
    data = load(root)
    everything = [
        (name, image)
        for part in (data.train, data.val, data.test)
        for name, image in zip(part.names, part.images, strict=True)
    ]
    assert torch.equal(dict(everything)[example.name], by_hand)


def test_rearranging_in_place_is_indexing():
    pixels = torch.arange(50 * 4).view(50, 1, 2, 2)
    for seed in range(5):
        order = torch.randperm(50, generator=torch.manual_seed(seed))[: 50 - seed * 10].tolist()
        assert torch.equal(_rearrange(pixels.clone(), order), pixels[order])
    assert _rearrange(pixels.clone(), []).shape == (0, 1, 2, 2)
