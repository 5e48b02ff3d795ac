from __future__ import annotations

import pytest
import torch

from convsmith.data import Preprocess, load, load_set, outline
from convsmith.spec.errors import DataError

PREPROCESS = Preprocess(8, (0.5,), (0.25,))


def test_an_outline_tells_what_a_network_must_look_like_without_decoding():
    seen = outline("digits")
    assert (seen.images, seen.classes, seen.channels, seen.side) == (1797, 10, 1, 8)
    assert outline("digits", side=20, channels=3).side == 20


def test_all_images_come_with_the_given_class_map():
    classes = tuple(str(i) for i in reversed(range(10)))
    images, _ = load_set("digits", preprocess=PREPROCESS, classes=classes)
    assert len(images) == 1797
    usual = load("digits")
    row = images.names.index(usual.test.names[0])
    assert classes[int(images.labels[row])] == usual.classes[int(usual.test.labels[0])]
    assert torch.equal(images.images[row], usual.test.images[0])


def test_the_sources_own_test_split_is_the_default(plant):
    folder = plant({"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1})
    images, _ = load_set(folder, preprocess=PREPROCESS, classes=("a", "b"))
    assert len(images) == 2
    assert len(load_set(folder, preprocess=PREPROCESS, classes=("a", "b"), split="all")[0]) == 6
    with pytest.raises(DataError, match="has no val split; it has train, test: say --split all"):
        load_set(folder, preprocess=PREPROCESS, classes=("a", "b"), split="val")


def test_a_single_class_can_be_evaluated_but_an_unknown_one_cannot(plant):
    folder = plant({"b": 2})
    images, _ = load_set(folder, preprocess=PREPROCESS, classes=("a", "b"))
    assert images.labels.tolist() == [1, 1]
    with pytest.raises(DataError, match="'b'"):
        load_set(folder, preprocess=PREPROCESS, classes=("a", "c"))


def test_a_broken_file_is_named_or_left_out(plant):
    folder = plant({"a": 2, "b": 2})
    (folder / "a" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"a/0\.png"):
        load_set(folder, preprocess=PREPROCESS, classes=("a", "b"))
    images, findings = load_set(folder, preprocess=PREPROCESS, classes=("a", "b"), skip_unreadable=True)
    assert len(images) == 3
    assert any("a/0.png" in finding.message for finding in findings)
