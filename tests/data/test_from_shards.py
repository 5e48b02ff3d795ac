"""Data from tar shards: which of them are for what, other images beside them, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.data import Augment, Data, is_shards, load, load_shards, outside, write_shards
from convsmith.data.from_shards import SHARE, carve
from convsmith.data.shards import Shards
from convsmith.data.tars import INDEX, pattern_of
from convsmith.spec.errors import DataError

Tars = dict[str, str]


@pytest.fixture
def digits(tmp_path: Path) -> Tars:
    """Patterns of the digits, 100 images a shard: 13 for training, 3 each for validation and test."""
    tars = write_shards("digits", tmp_path / "digits", 100)
    return {split: pattern_of([str(path) for path in paths]) for split, paths in tars.items()}


@pytest.fixture
def animals(plant: Any, tmp_path: Path) -> tuple[Path, Tars]:
    """A folder of coloured images of two classes, and its shards of 10."""
    root = plant({"cat": 40, "dog": 40}, size=(12, 10), root="folder")
    tars = write_shards(root, tmp_path / "animals", 10)
    return root, {split: pattern_of([str(path) for path in paths]) for split, paths in tars.items()}


def notes(data: Data) -> list[str]:
    return [finding.message for finding in data.findings]


@settings(deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=3, max_size=40), st.sampled_from([("val", "test"), ("val",), ("test",)]))
def test_every_shard_is_carved_once_and_none_is_greedy(sizes: list[int], lacking: tuple[str, ...]) -> None:
    found = carve(sizes, lacking)
    assert set(found) == {"train", *lacking}
    assert sorted(number for part in found.values() for number in part) == list(range(len(sizes)))
    assert all(len(part) > 0 for part in found.values())
    for split in lacking:
        own = [sizes[number] for number in found[split]]
        assert len(own) == 1 or sum(own) <= SHARE * sum(sizes)


def test_the_last_tenths() -> None:
    assert carve([10] * 30, ("val", "test")) == {"train": range(24), "val": range(27, 30), "test": range(24, 27)}
    assert carve([10] * 10, ("val",)) == {"train": range(9), "val": range(9, 10)}
    assert carve([1000, 1, 1, 1], ("val", "test")) == {"train": range(1), "val": range(2, 4), "test": range(1, 2)}


def test_what_is_taken_for_shards(digits: Tars, tmp_path: Path, plant: Any) -> None:
    assert is_shards(digits["train"])
    assert is_shards(digits["train"].replace("{000000..000012}", "000000"))  # one tar with .cls files
    assert is_shards("https://somewhere/a.tar")
    assert is_shards("a-{0..3}.tar")
    assert not is_shards("digits")
    assert not is_shards(str(tmp_path))
    (tmp_path / "a-{0..3}").mkdir()
    assert not is_shards(str(tmp_path / "a-{0..3}"))
    (tmp_path / "x.tar").write_bytes(b"x" * 2000)
    assert not is_shards(str(tmp_path / "x.tar"))


def test_shards_of_all_splits_are_the_data_set(digits: Tars) -> None:
    kept, data = load("digits"), load_shards(digits["train"], val=digits["val"], test=digits["test"])
    assert (data.name, data.classes, data.flip) == ("digits", kept.classes, False)
    assert data.preprocess == kept.preprocess  # the sample has all of them
    for a, b in ((data.val, kept.val), (data.test, kept.test)):
        ours, wanted = (sorted(zip(s.labels.tolist(), s.images.flatten(1).tolist(), strict=True)) for s in (a, b))
        assert ours == wanted
    assert len(data.train) == len(kept.train)
    feed = data.feed(Augment(), 1.5)
    assert isinstance(feed, Shards)
    (batch,) = feed.batches([torch.arange(4)], seed=0, epoch=0)
    assert batch.images.shape == (4, 1, 12, 12)
    assert data.resized(11).val.images.shape[-2:] == (11, 11)


def test_without_others_the_last_shards_are_kept(digits: Tars) -> None:
    data = load_shards(digits["train"])
    assert (len(data.train), len(data.val), len(data.test)) == (1100, 59, 100)
    assert notes(data)[0] == (
        "val is train-000012.tar (59 images), test is train-000011.tar (100 images): not trained on"
    )
    only = load_shards(digits["train"], val=digits["val"])
    assert notes(only)[0] == "test is train-000012.tar (59 images): not trained on"
    assert (len(only.train), len(only.val), len(only.test)) == (1200, 269, 59)


def test_a_sample_reads_few_shards(digits: Tars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "SAMPLE", 150)
    data = load_shards(digits["train"])
    assert len(data.train.images) == 150
    assert len(data.train) == 1100


def test_a_folder_beside_the_shards(animals: tuple[Path, Tars]) -> None:
    root, tars = animals
    data = load_shards(tars["train"], val=str(root), test=tars["test"], side=8)
    assert data.classes == ("cat", "dog")
    assert (data.channels, data.side, data.flip) == (3, 8, True)
    assert len(data.val) == 80
    assert (data.val.labels == 0).sum() == 40
    kept = load(root, side=8)
    row = data.val.names.index(kept.val.names[0])
    assert torch.equal(data.val.images[row], kept.val.images[0])


def test_the_fingerprint_tells_data_apart(animals: tuple[Path, Tars]) -> None:
    root, tars = animals
    first = load_shards(tars["train"])
    assert load_shards(tars["train"]).fingerprint == first.fingerprint
    assert load_shards(tars["train"], side=5).fingerprint == first.fingerprint
    assert load_shards(tars["train"], val=str(root)).fingerprint != first.fingerprint


def test_classes_that_a_part_lacks_are_told(animals: tuple[Path, Tars], plant: Any) -> None:
    _, tars = animals
    cats = plant({"cat": 3}, root="cats")
    assert "no images of 'dog' in val" in notes(load_shards(tars["train"], val=str(cats)))


def test_refusals(digits: Tars, animals: tuple[Path, Tars], plant: Any, tmp_path: Path) -> None:
    _, tars = animals
    cases: list[tuple[Callable[[], object], str]] = [
        (
            lambda: load_shards(tars["train"], val=str(plant({"cow": 2, "dog": 2}, root="cows"))),
            r"^'.*cows' has 'cow' and the shards have only 'cat', 'dog'; give val images of the same classes, or an "
            r"index.json that names those of the shards$",
        ),
        (
            lambda: load_shards(tars["train"], test=digits["test"]),
            r"^'.*' has the classes '0', '1', .* and not 'cat', 'dog'; write all shards with one class map$",
        ),
        (
            lambda: load_shards(tars["train"].replace("{000000..000005}", "000000")),
            r"^'.*' has 1 shard, too few to keep one each for val and test; write smaller shards or give --val and "
            r"--test$",
        ),
        (
            lambda: load_shards(tars["train"].replace("..000005", "..000000"), val=tars["val"]),
            r"has 1 shard, too few to keep one each for test; write smaller shards or give --test$",
        ),
        (
            lambda: load_shards(tars["train"], val=str(plant({"train/cat": 2, "test/cat": 2}, root="split"))),
            r"^'.*split' has the splits 'train', 'test' and no val; give a folder of class folders$",
        ),
        (lambda: load_shards(tars["train"], skip_unreadable=True), r"^--skip-unreadable is not for shards"),
        (lambda: load_shards(tars["train"], channels=2), r"^channels must be 1 \(grey\) or 3 \(colour\), got 2$"),
    ]
    for refused, said in cases:
        with pytest.raises(DataError, match=said):
            refused()


def test_a_single_class(animals: tuple[Path, Tars]) -> None:
    _, tars = animals
    index = Path(tars["train"]).parent / INDEX
    known = json.loads(index.read_text())
    for shard in known["shards"].values():
        shard["labels"] = ["cat"] * len(shard["labels"])
    index.write_text(json.dumps(known | {"classes": ["cat"]}))
    with pytest.raises(DataError, match=r"has a single class, 'cat'; a classifier needs two or more$"):
        load_shards(tars["train"])
