"""What the doctor says, to the letter."""

from __future__ import annotations

import shutil

import pytest

from convsmith.data import Finding, diagnose, load, memory
from convsmith.spec.errors import DataError

SPLIT = {"train/a": 10, "train/b": 10, "val/a": 2, "val/b": 2, "test/a": 2, "test/b": 2}


def spoil(path):
    path.write_bytes(path.read_bytes()[:60])


def of(where, level):
    return [finding.message for finding in diagnose(where) if finding.level == level]


def test_a_healthy_folder_has_nothing_to_say(plant):
    assert diagnose(plant({"a": 10, "b": 10})) == ()
    assert diagnose("digits") == ()


def test_unreadable_files_are_named_up_to_ten_and_counted(plant):
    root = plant({"a": 14, "b": 10})
    for i in range(12):
        spoil(root / "a" / f"{i}.png")
    (error,) = of(root, "error")
    assert error.startswith("12 unreadable images: 'a/0.png', 'a/1.png', ")
    assert "'a/9.png' and 2 more (cannot read 'a/0.png': " in error
    assert error.endswith("; repair or remove, or pass --skip-unreadable")
    with pytest.raises(DataError) as caught:
        load(root)
    assert str(caught.value) == error


def test_unreadable_files_can_be_skipped(plant):
    root = plant({"a": 11, "b": 10})
    (root / "a" / "3.png").write_bytes(b"nothing")  # not even a header
    spoil(root / "b" / "4.png")
    data = load(root, skip_unreadable=True)
    names = data.train.names + data.val.names + data.test.names
    assert len(names) == 19
    assert not {"a/3.png", "b/4.png"} & set(names)
    (warning,) = [f.message for f in data.findings if f.message.startswith("2 unreadable")]
    assert warning.startswith("2 unreadable images skipped: 'a/3.png', 'b/4.png' (cannot read 'a/3.png': not an image")


def test_nothing_readable(plant):
    root = plant({"a": 1, "b": 1})
    for path in root.glob("*/*.png"):
        path.write_bytes(b"x")
    with pytest.raises(DataError, match=r"^none of the 2 images can be read; the first: cannot read 'a/0.png': not an"):
        load(root, skip_unreadable=True)


def test_headers_fine_and_nothing_readable(plant):
    root = plant({"a": 3, "b": 3})
    for path in root.glob("*/*.png"):
        spoil(path)
    with pytest.raises(DataError, match=r"^none of the 6 images can be read"):
        load(root, skip_unreadable=True)


def test_classes_missing_from_a_split(plant):
    root = plant(SPLIT | {"train/c": 10, "val/z": 1})
    assert of(root, "error") == [
        "class 'z' has images in val but none in train; add some to train or remove them",
        "class 'c' has no images in val; add some, or remove val so that it is carved from train",
        "class 'c' has no images in test; add some, or remove test so that it is carved from train",
    ]
    with pytest.raises(DataError) as caught:
        load(root)
    assert str(caught.value) == "; ".join(of(root, "error"))


def test_several_classes_missing(plant):
    root = plant(SPLIT | {"train/c": 10, "train/d": 10, "test/c": 1, "test/d": 1})
    assert of(root, "error") == [
        "classes 'c', 'd' have no images in val; add some, or remove val so that it is carved from train"
    ]


def test_no_train(plant):
    root = plant({"val/a": 2, "val/b": 2, "test/a": 2, "test/b": 2})
    assert of(root, "error") == ["only the splits 'val', 'test' and no train; add a folder 'train' of class folders"]


def test_a_class_whose_only_images_in_val_are_damaged(plant):
    root = plant(SPLIT)
    for path in (root / "val" / "b").iterdir():
        spoil(path)
    with pytest.raises(DataError, match=r"^class 'b' has no images in val; add some, or remove val"):
        load(root, skip_unreadable=True)


def test_copies_across_splits(plant):
    root = plant(SPLIT)
    shutil.copy(root / "train/a/3.png", root / "test/a/x.png")
    shutil.copy(root / "train/b/3.png", root / "val/b/x.png")
    assert of(root, "warning") == [
        "2 images in more than one split, which flatters the scores; the first: 'train/a/3.png' (train) and "
        "'test/a/x.png' (test)"
    ]
    assert any(finding.message.startswith("2 images in more than one split") for finding in load(root).findings)


def test_copies_within_an_unsplit_set_are_a_note(plant):
    root = plant({"a": 10, "b": 10})
    shutil.copy(root / "a/0.png", root / "a/x.png")
    assert diagnose(root) == (
        Finding("note", "1 image with exact copies, kept in one split; the first: 'a/0.png' and 'a/x.png'"),
    )


def test_one_image_under_two_labels(plant):
    root = plant({"a": 10, "b": 10})
    shutil.copy(root / "a/0.png", root / "b/x.png")
    assert of(root, "warning") == ["1 image under two labels; the first: 'a/0.png' is 'a' and 'b/x.png' is 'b'"]


def test_the_same_pixels_in_another_format_are_a_copy(plant, draw):
    root = plant({"a": 10, "b": 10})
    draw(0).save(root / "b" / "x.bmp")
    assert of(root, "warning") == ["1 image under two labels; the first: 'a/0.png' is 'a' and 'b/x.bmp' is 'b'"]


def test_mixed_modes_and_sizes(plant, draw):
    root = plant({"a": 10, "b": 10})
    draw(50, size=(30, 20), mode="L").save(root / "a" / "x.png")
    draw(51, size=(5, 40), mode="L").save(root / "a" / "y.png")
    assert of(root, "note") == [
        "mixed modes, all read as RGB: RGB (20), L (2)",
        "mixed sizes, all brought to 8x8: 5x40 to 30x20, median short side 8",
    ]


def test_imbalance_and_few_images(plant):
    root = plant({"a": 34, "b": 3, "c": 10})
    assert of(root, "warning") == [
        "imbalanced: 34 images of 'a' and 3 of 'b'; train with --set class_weights=balanced or --set sampling=balanced"
        ", or add images of the rare classes",
        "fewer than 10 images in 1 class: 'b' has 3",
    ]
    assert of(plant({"a": 30, "b": 3}, root="ten"), "warning") == ["fewer than 10 images in 1 class: 'b' has 3"]


def test_many_small_classes_are_counted(plant):
    (warning,) = of(plant({str(i): 3 for i in range(12)}), "warning")
    assert warning.startswith("fewer than 10 images in 12 classes: '0' has 3, '1' has 3")
    assert warning.endswith("'9' has 3 and 2 more classes")


def test_too_few_to_split(plant):
    root = plant({"a": 10, "b": 2})
    message = (
        "too few different images in 1 class: 'b' has 2; each class needs at least 3, one for each of train, val, test"
    )
    assert of(root, "error") == [message]
    with pytest.raises(DataError) as caught:
        load(root)
    assert str(caught.value) == message


def test_diagnose_never_raises(plant, tmp_path):
    assert diagnose("cifar11")[0].level == "error"
    assert diagnose(tmp_path / "none")[0].message.startswith("nothing at ")
    assert diagnose(plant({"a": 3}))[0].message.startswith("'set' has a single class, 'a'")
    root = plant({"a": 1, "b": 1}, root="damaged")
    for path in root.glob("*/*.png"):
        path.write_bytes(b"x")
    assert diagnose(root)[0].message.startswith("none of the 2 images can be read")


def test_a_set_too_large_for_the_memory(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 100_000)
    (error,) = diagnose("digits")
    assert error.message == (
        "1,797 images of 1x8x8 need 0.00 GB, more than 60% of the 0.00 GB of memory available; use a smaller --side"
    )


def test_findings_of_the_structure_come_along_errors_first(plant):
    root = plant({"a": 10, "b": 2, "c": 0, ".hidden": 1})
    assert [finding.level for finding in diagnose(root)] == ["error", "warning", "warning", "note"]
