"""Built-in sets, through torchvision's own classes on files forged in their formats; nothing is downloaded."""

from __future__ import annotations

import bz2
import json
import struct
from inspect import signature
from types import SimpleNamespace

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from convsmith.data import SOURCES, Example, builtin, open_source
from convsmith.data.builtin import cache_folder
from convsmith.spec.errors import DataError, MissingExtra


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVSMITH_DATA", str(tmp_path))
    return tmp_path


def test_every_entry_names_a_class_of_torchvision():
    for name, entry in SOURCES.items():
        if entry is not None:
            assert entry.kind in torchvision.datasets.__all__, name
            assert set(entry.splits) in ({"all"}, {"train", "test"}, {"train", "val", "test"})
            for ask in entry.splits.values():
                signature(getattr(torchvision.datasets, entry.kind)).bind("root", download=True, **ask)


def test_mirror_images_of_signs_are_other_signs():
    signs = {name for name, entry in SOURCES.items() if entry is not None and not entry.flip}
    assert signs == {"mnist", "kmnist", "usps", "semeion", "svhn"}


def test_cache_folder(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.delenv("CONVSMITH_DATA")
    assert cache_folder().parts[-3:] == (".cache", "convsmith", "data")


@pytest.mark.parametrize(
    ("name", "kind"), [("mnist", "MNIST"), ("kmnist", "KMNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_the_idx_files_of_the_mnist_family(cache, name, kind):
    raw = cache / kind / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 4), ("t10k", 2)):
        pixels = bytes(range(count)) * 784
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, count, 28, 28) + pixels)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + bytes(range(count)))
    source = open_source(name)
    assert [e.name for e in source.splits["train"]] == ["train/0", "train/1", "train/2", "train/3"]
    first = {"mnist": "0", "kmnist": "o", "fashion_mnist": "T-shirt/top"}[name]
    assert source.splits["test"][0] == Example("test/0", first)
    assert source.look(source.splits["test"][1]) == ("L", (28, 28))
    assert np.asarray(source.read(source.splits["train"][3])).tobytes() == (bytes(range(4)) * 784)[3 * 784 : 4 * 784]


def test_usps(cache):
    rows = "".join(
        f"{label + 1} " + " ".join(f"{i}:{-1 + label / 5}" for i in range(1, 257)) + "\n" for label in (3, 5)
    )
    for file in ("usps.bz2", "usps.t.bz2"):
        (cache / file).write_bytes(bz2.compress(rows.encode()))
    source = open_source("usps")
    assert [e.label for e in source.splits["test"]] == ["3", "5"]
    assert source.look(source.splits["train"][0]) == ("L", (16, 16))


def test_dtd_has_three_splits(cache, draw):
    for split in ("train", "val", "test"):
        for label in ("banded", "zigzagged"):
            path = cache / "dtd" / "dtd" / "images" / label / f"{split}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(1, size=(12, 10)).save(path)
        lists = cache / "dtd" / "dtd" / "labels"
        lists.mkdir(exist_ok=True)
        (lists / f"{split}1.txt").write_text(f"zigzagged/{split}.jpg\nbanded/{split}.jpg\n")
    source = open_source("dtd")
    assert list(source.splits) == ["train", "val", "test"]
    assert source.splits["val"] == (Example("val/0", "zigzagged"), Example("val/1", "banded"))
    assert source.look(source.splits["val"][0]) == ("RGB", (12, 10))
    (cache / "dtd/dtd/images/banded/val.jpg").write_bytes(b"gone")
    with pytest.raises(DataError, match=r"^cannot read 'val/1' of 'dtd': .+; delete it from .+ to fetch it again$"):
        source.read(source.splits["val"][1])


def test_food101(cache, draw):
    for split in ("train", "test"):
        for label in ("pizza", "sushi"):
            path = cache / "food-101" / "images" / label / f"{split}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(1).save(path)
        meta = cache / "food-101" / "meta"
        meta.mkdir(exist_ok=True)
        (meta / f"{split}.json").write_text(json.dumps({c: [f"{c}/{split}"] for c in ("sushi", "pizza")}))
    assert [e.label for e in open_source("food101").splits["test"]] == ["sushi", "pizza"]


def test_eurosat_is_unsplit(cache, draw):
    for label in ("Forest", "River"):
        folder = cache / "eurosat" / "2750" / label
        folder.mkdir(parents=True)
        draw(1).save(folder / "1.jpg")
    source = open_source("eurosat")
    assert source.splits == {"all": (Example("all/0", "Forest"), Example("all/1", "River"))}
    assert source.flip is True


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn", "stl10", "semeion", "flowers102"])
def test_what_is_asked_of_the_others(cache, monkeypatch, name):
    """Their archives are checked against published sums and can't be forged: a stand-in with the same attributes."""
    asked = []

    def stand_in(root, download, **ask):
        asked.append((root, download, ask))
        labels = np.array([1, 0])
        pixels = [(Image.new("RGB", (4, 4)), 1), (Image.new("RGB", (4, 4)), 0)]
        part = SimpleNamespace(targets=labels, labels=labels, _labels=labels, classes=["x", "y"])
        part_type = type("Part", (), {"__getitem__": lambda self, i: pixels[i], **vars(part)})
        return part_type()

    entry = SOURCES[name]
    monkeypatch.setattr(torchvision.datasets, entry.kind, stand_in)
    source = open_source(name)
    assert [ask for *_, ask in asked] == [dict(ask) for ask in entry.splits.values()]
    assert {(root, download) for root, download, _ in asked} == {(str(cache), True)}
    expected = ["1", "0"] if entry.names is None else ["y", "x"]
    assert all([e.label for e in examples] == expected for examples in source.splits.values())


@pytest.mark.parametrize(
    "error", [OSError("<urlopen error [Errno -2] no such host>"), RuntimeError("File not found.\nx")]
)
def test_a_failed_download_is_one_sentence(cache, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", refuse)
    reason = str(error).splitlines()[0].rstrip(".")
    with pytest.raises(DataError) as caught:
        open_source("cifar10")
    assert str(caught.value) == (
        f"cannot get 'cifar10' into {cache}: {reason}; check the connection and try again, or set CONVSMITH_DATA to a "
        "folder that already holds it"
    )


def test_a_missing_package_is_named(cache, monkeypatch):
    def refuse(*_, **__):
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setattr(torchvision.datasets, "SVHN", refuse)
    with pytest.raises(
        MissingExtra, match=r"^'svhn' needs the package 'scipy', which is not there; run: pip install scipy$"
    ):
        builtin.builtin("svhn")
