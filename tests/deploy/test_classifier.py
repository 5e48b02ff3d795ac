"""`OnnxClassifier`: what it reads back, and the files that it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from convsmith.data import Preprocess
from convsmith.deploy import OnnxClassifier
from convsmith.nn.modules import Net
from convsmith.spec.errors import DataError, ExportError, MissingExtra

from .conftest import CLASSES, expected, noise


def test_it_knows_its_classes_and_its_preprocessing(shipped: Path, grey: Preprocess) -> None:
    model = OnnxClassifier(shipped)
    assert model.classes == tuple(CLASSES)
    assert model.preprocess == grey
    assert model.label.network == "lenet5"


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_tensors_and_arrays_give_the_same(shipped: Path, lenet: Net, grey: Preprocess, threads: int) -> None:
    model, images = OnnxClassifier(str(shipped), threads=threads), noise(3, 1, 40, 50)
    array = images.numpy()
    array.flags.writeable = False
    got = model.predict(array)
    assert (got.dtype, got.shape) == (np.float32, (3, 3))
    assert np.array_equal(got, model.predict(images))
    assert np.abs(got - expected(lenet, grey, images).numpy()).max() < 1e-3


def test_more_images_than_a_batch(shipped: Path) -> None:
    model, images = OnnxClassifier(shipped), noise(130, 1, 32, 32)
    got = model.predict(images)
    assert got.shape == (130, 3)
    assert np.allclose(got[128:], model.predict(images[128:]), atol=1e-6)


def test_a_view_with_strides(shipped: Path) -> None:
    model, images = OnnxClassifier(shipped), noise(2, 1, 40, 30).numpy()
    assert np.array_equal(model.predict(images[..., ::-1]), model.predict(images[..., ::-1].copy()))


@pytest.mark.parametrize("shape", [(32, 32), (1, 3, 32, 32), (0, 1, 32, 32), (1, 1, 0, 32)])
def test_other_images_are_refused(shipped: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"images are uint8 \(N, 1, H, W\) with at least one pixel, got uint8 "):
        OnnxClassifier(shipped).predict(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("length", [0, 1000, -1])
def test_a_truncated_file_is_refused(shipped: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(shipped.read_bytes()[:length])
    with pytest.raises(ExportError, match=r"cannot load .*cut\.onnx: .*; the file is cut short or no model") as caught:
        OnnxClassifier(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no file at .*none\.onnx; export a model there first"):
        OnnxClassifier(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"convsmith.version": None}, "was not exported by convsmith"),
        ({"convsmith.version": "99"}, "is of export format '99'; this convsmith reads 1"),
        ({"convsmith.classes": None}, "has damaged metadata"),
        ({"convsmith.classes": "{"}, "has damaged metadata"),
        ({"convsmith.classes": "[1, 2, 3]"}, "has damaged metadata"),
        ({"convsmith.preprocess": "[]"}, "has damaged metadata"),
        ({"convsmith.preprocess": '{"side": 0, "mean": [0.5], "std": [0.5]}'}, "has damaged metadata"),
    ],
)
def test_foreign_metadata_is_refused(
    shipped: Path, tmp_path: Path, change: dict[str, str | None], message: str
) -> None:
    model, path = onnx.load(shipped), tmp_path / "other.onnx"
    data = {entry.key: entry.value for entry in model.metadata_props} | change
    onnx.helper.set_model_props(model, {key: value for key, value in data.items() if value is not None})
    onnx.save(model, path)
    with pytest.raises(ExportError, match=rf"other\.onnx {message}"):
        OnnxClassifier(path)


def test_without_the_extra(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match="exporting needs ONNX"):
        OnnxClassifier(shipped)
