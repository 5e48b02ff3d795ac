"""`export_onnx`: the same answers as torch, one file, labels inside, and a network left alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from convsmith.data import Preprocess
from convsmith.deploy import Exported, OnnxClassifier, export, export_onnx
from convsmith.deploy.extra import reason
from convsmith.deploy.resize import resize_model
from convsmith.nn.build import build
from convsmith.nn.modules import Net
from convsmith.spec import Flatten, Linear, Network, PoolTo, Relu, Seq, TiledConv
from convsmith.spec.codec import content_hash
from convsmith.spec.errors import DataError, ExportError, MissingExtra, RunError

from .conftest import CLASSES, expected, noise, small

FAMILIES: dict[str, dict[str, Any]] = {
    "lenet5": {},
    "lenet5_1998": {},
    "resnet20": {},
    "vgg11_bn": {"width": 0.125, "hidden": 64},
    "resnet18": {"width": 8, "channels": 3, "side": 48},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_answers_as_in_torch(name: str, tmp_path: Path) -> None:
    net = small(name, **FAMILIES[name])
    channels, side = net.network.channels, FAMILIES[name].get("side", 32)
    preprocess = Preprocess(side, (0.4,) * channels, (0.25,) * channels)
    done = export_onnx(net, preprocess, CLASSES, tmp_path / "net.onnx")
    assert done.max_abs_logit_difference < 1e-4
    assert done.top1_agreement == 1
    model = OnnxClassifier(done.path)
    for count, height, width in ((1, side, side), (5, side, side), (2, 61, 90), (3, 20, 17)):
        images = noise(count, channels, height, width)
        got, wanted = model.predict(images), expected(net, preprocess, images).numpy()
        assert np.abs(got - wanted).max() < 1e-3  # a rounded grey level may differ by one
        assert np.allclose(got.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("period", [2, 4])  # 30 rows: each kernel has as many, or some have one row fewer
def test_a_tiled_convolution_answers_as_in_torch_for_any_batch(period: int, grey: Preprocess, tmp_path: Path) -> None:
    tiled = TiledConv(6, 3, period, pad=0, bias=True)
    body = Seq(tiled=tiled, act=Relu, pool=PoolTo(3), flatten=Flatten, fc=Linear(3))
    net = build(Network(body, 32, 1, 3, "tiled"), seed=0)
    done = export_onnx(net, grey, CLASSES, tmp_path / "net.onnx")
    assert done.max_abs_logit_difference < 1e-4
    model = OnnxClassifier(done.path)
    for count in (1, 2, 7):
        images = noise(count, 1, 32, 32)
        assert np.abs(model.predict(images) - expected(net, grey, images).numpy()).max() < 1e-5


def test_the_report_is_plain_data(lenet: Net, grey: Preprocess, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    done = export_onnx(lenet, grey, CLASSES, str(path), images=noise(5, 1, 28, 28))
    assert done == Exported(path, path.stat().st_size, 18, *list(vars(done).values())[3:])
    assert done.images == 5
    assert json.loads(json.dumps(done.to_json()))["path"] == str(path)


def test_one_file_and_nothing_beside_it(lenet: Net, grey: Preprocess, tmp_path: Path) -> None:
    export_onnx(lenet, grey, CLASSES, tmp_path / "net.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    model = onnx.load(tmp_path / "net.onnx", load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]


def test_any_batch_and_any_size_go_in(shipped: Path) -> None:
    graph = onnx.load(shipped).graph
    (image,) = graph.input
    shape = image.type.tensor_type.shape.dim
    assert (image.name, image.type.tensor_type.elem_type) == ("image", onnx.TensorProto.UINT8)
    assert [d.dim_param or d.dim_value for d in shape] == ["N", 1, "H", "W"]
    out = {o.name: [d.dim_param or d.dim_value for d in o.type.tensor_type.shape.dim] for o in graph.output}
    assert out == {"probabilities": ["N", 3], "logits": ["N", 3]}


def test_the_labels_are_inside(shipped: Path, lenet: Net, grey: Preprocess) -> None:
    data = {entry.key: entry.value for entry in onnx.load(shipped).metadata_props}
    assert json.loads(data["convsmith.classes"]) == CLASSES
    assert Preprocess.from_json(json.loads(data["convsmith.preprocess"])) == grey
    assert (data["convsmith.network"], data["convsmith.version"]) == ("lenet5", "1")
    assert data["convsmith.hash"] == content_hash(lenet.network)


def test_the_same_network_gives_the_same_bytes(lenet: Net, grey: Preprocess, shipped: Path, tmp_path: Path) -> None:
    export_onnx(lenet, grey, CLASSES, tmp_path / "again.onnx")
    data = (tmp_path / "again.onnx").read_bytes()
    assert data == shipped.read_bytes()
    assert b".py" not in data  # no paths of the machine that exported


@pytest.mark.parametrize("training", [True, False])
def test_the_network_comes_back_as_it_was(training: bool, grey: Preprocess, tmp_path: Path) -> None:
    net = small("lenet5_1998").train(training)
    net.c1.requires_grad_(False)
    before = {name: (tensor.data_ptr(), tensor.clone()) for name, tensor in net.state_dict().items()}
    kinds = [type(module) for module in net.modules()]
    export_onnx(net, grey, CLASSES, tmp_path / "net.onnx")
    assert net.training is training
    assert [type(module) for module in net.modules()] == kinds
    assert [p.requires_grad for p in net.c1.parameters()] == [False, False]
    for name, tensor in net.state_dict().items():
        assert tensor.data_ptr() == before[name][0]
        assert torch.equal(tensor, before[name][1])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"classes": ["a"]}, ExportError, "lenet5 has 3 outputs, got 1 class names"),
        (
            {"preprocess": Preprocess(32, (0.5,) * 3, (0.5,) * 3)},
            ExportError,
            "reads 1 channels, the preprocessing gives 3",
        ),
        ({"preprocess": Preprocess(16, (0.5,), (0.5,))}, ExportError, "torch cannot export lenet5 at side 16: "),
        ({"net": build("lenet5", classes=3, device="meta")}, ExportError, "lenet5 was built without weights"),
        ({"path": "."}, ExportError, "is a folder; name the file to write"),
        ({"path": "none/net.onnx"}, RunError, "cannot write none/net.onnx: No such file"),
        (
            {"images": torch.zeros(2, 1, 32, 32)},
            DataError,
            r"images are uint8 \(N, 1, H, W\) .* got float32 \(2, 1, 32, 32\)",
        ),
        ({"images": torch.zeros(0, 1, 32, 32, dtype=torch.uint8)}, DataError, r"at least one pixel, got uint8 \(0, 1"),
    ],
)
def test_refusals(
    change: dict[str, Any], error: type[Exception], message: str,
    lenet: Net, grey: Preprocess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"net": lenet, "preprocess": grey, "classes": CLASSES, "path": "net.onnx"} | change
    with pytest.raises(error, match=message):
        export_onnx(**given)
    assert list(tmp_path.iterdir()) == []


def test_parts_that_do_not_fit_make_no_file(
    lenet: Net, grey: Preprocess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smaller = Preprocess(16, (0.5,), (0.5,))
    monkeypatch.setattr(export, "resize_model", lambda preprocess, version: resize_model(smaller, version))
    with pytest.raises(ExportError, match=r"^lenet5 makes no valid ONNX model: .+[^.]$") as caught:
        export_onnx(lenet, grey, CLASSES, tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_reason_is_the_root_of_an_error() -> None:
    wrapped = RuntimeError("a page about the export")
    wrapped.__cause__ = ValueError("\nthe operator is unknown.\nand more")
    assert reason(wrapped) == "the operator is unknown"
    assert reason(ValueError()) == "ValueError"


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_extra(
    package: str, lenet: Net, grey: Preprocess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"exporting needs ONNX: pip install 'convsmith\[export\]'"):
        export_onnx(lenet, grey, CLASSES, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
