"""Images for prediction are the images of training."""

from __future__ import annotations

import pytest
import torch

from convsmith.data import Preprocess, images_from, load
from convsmith.spec.errors import DataError

EIGHT = Preprocess(8, (0.5,) * 3, (0.25,) * 3)


def test_files_and_folders_in_order(plant, draw):
    root = plant({"a": 11, "a/below": 1, "b": 1}, size=(20, 30))
    (root / "a" / "notes.txt").write_text("x")
    draw(5).save(root / "a" / ".hidden.png")
    odd = root / "picture.data"
    draw(6).save(odd, "PNG")
    batch, names = images_from([root / "b" / "0.png", str(root / "a"), odd], EIGHT)
    expected = [root / "b" / "0.png", *(root / "a" / f"{i}.png" for i in range(11)), odd]
    assert names == [str(path) for path in expected]
    assert batch.shape == (13, 3, 8, 8)
    assert batch.dtype == torch.uint8


def test_the_same_pixels_as_in_training(plant):
    root = plant({"a": 4, "b": 4}, size=(50, 40))
    data = load(root)
    batch, _ = images_from([root / name for name in data.test.names], data.preprocess)
    assert torch.equal(batch, data.test.images)


def test_channels_of_the_network(plant):
    root = plant({"a": 1}, mode="L")
    assert images_from([root / "a"], EIGHT)[0].shape == (1, 3, 8, 8)
    assert images_from([root / "a"], Preprocess(8, (0.5,), (0.5,)))[0].shape == (1, 1, 8, 8)


def test_refusals(plant, tmp_path):
    root = plant({"a": 1, "empty": 0})
    (root / "a" / "bad.png").write_bytes(b"x")
    with pytest.raises(
        DataError, match=r"^cannot read '.*bad.png': not an image that Pillow knows; remove it or save it"
    ):
        images_from([root / "a"], EIGHT)
    with pytest.raises(DataError, match=r"^nothing at '.*none.png'; give an image file or a folder of images$"):
        images_from([tmp_path / "none.png"], EIGHT)
    with pytest.raises(DataError, match=r"^no images directly inside '.*empty'; folders below it are not searched$"):
        images_from([root / "empty"], EIGHT)
    with pytest.raises(DataError, match=r"^no images given; name image files or folders of them$"):
        images_from([], EIGHT)
