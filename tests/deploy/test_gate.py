"""The parity gate: a model that answers otherwise than its source is not written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from convsmith.data import Preprocess
from convsmith.deploy import export, export_onnx
from convsmith.deploy.gate import Parity, measure, random_images
from convsmith.nn.modules import Net
from convsmith.spec.errors import ExportError

from .conftest import CLASSES, noise, small


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that gets the last layer wrong by a thousandth."""
    faithful = export.network_model

    def network_model(net: Net, preprocess: Preprocess) -> onnx.ModelProto:
        model = faithful(net, preprocess)
        (tensor,) = (t for t in model.graph.initializer if t.name.endswith("fc3.weight"))
        values = onnx.numpy_helper.to_array(tensor) * np.float32(1.001)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return model

    monkeypatch.setattr(export, "network_model", network_model)


@pytest.mark.usefixtures("spoilt")
def test_a_wrong_weight_leaves_no_file(lenet: Net, grey: Preprocess, tmp_path: Path) -> None:
    message = r"lenet5: ONNX Runtime's logits are up to 0.00\d+ from torch's, wanted 0.0001 .* so nothing was written"
    with pytest.raises(ExportError, match=message):
        export_onnx(lenet, grey, CLASSES, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("spoilt")
def test_what_was_there_stays(lenet: Net, grey: Preprocess, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"older")
    with pytest.raises(ExportError):
        export_onnx(lenet, grey, CLASSES, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("spoilt")
def test_the_tolerance_is_the_callers(lenet: Net, grey: Preprocess, tmp_path: Path) -> None:
    done = export_onnx(lenet, grey, CLASSES, tmp_path / "net.onnx", tolerance=0.01)
    assert 1e-4 < done.max_abs_logit_difference < 1e-2


def test_weights_that_are_not_numbers_do_not_pass(grey: Preprocess, tmp_path: Path) -> None:
    net = small("lenet5")
    with torch.no_grad():
        net.fc3.bias[0] = torch.nan
    with pytest.raises(ExportError, match="up to nan from"):
        export_onnx(net, grey, CLASSES, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("difference", "resized", "scale", "passes"),
    [(1e-4, 1.0, 0.0, True), (1.1e-4, 0.0, 1.0, False), (1.1e-4, 0.0, 2.0, True), (0.0, float("inf"), 1.0, False)],
)
def test_the_tolerance_grows_with_the_logits(difference: float, resized: float, scale: float, passes: bool) -> None:
    parity = Parity(difference, resized, scale, 1.0, 8)
    if passes:
        parity.hold(1e-4, "net")
    else:
        with pytest.raises(ExportError):
            parity.hold(1e-4, "net")


class Liar:
    """A runtime that answers as torch does, save for one batch size or one image size."""

    def __init__(self, net: Net, preprocess: Preprocess, wrong: tuple[int, ...]) -> None:
        self.net, self.preprocess, self.wrong, self.seen = net, preprocess, wrong, []
        self.seen: list[tuple[int, ...]]

    def run(self, outputs: list[str], feed: dict[str, Any]) -> list[Any]:
        image = torch.from_numpy(feed["image"])
        self.seen.append(tuple(image.shape))
        logits = self.net(self.preprocess.normalise(self.preprocess.resize(image))).detach().numpy()
        return [logits + np.float32(self.seen[-1] == self.wrong)]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_every_batch_size_is_tried(batch: int, grey: Preprocess) -> None:
    net = small("lenet5").eval()
    session = Liar(net, grey, (batch, 1, 32, 32))
    parity = measure(session, net, grey, noise(5, 1, 32, 32))
    assert parity.max_abs_logit_difference == pytest.approx(1, abs=1e-3)
    assert parity.resized_max_abs_logit_difference < 1e-4


def test_other_sizes_are_tried_and_reported_apart(grey: Preprocess) -> None:
    net = small("lenet5").eval()
    session = Liar(net, grey, (5, 1, 28, 40))
    parity = measure(session, net, grey, noise(5, 1, 28, 40))
    assert parity.max_abs_logit_difference < 1e-4
    assert parity.resized_max_abs_logit_difference == pytest.approx(1, abs=1e-3)
    assert (5, 1, 49, 65) in session.seen  # larger than the network's side, and not square


def test_many_images_go_in_batches(grey: Preprocess) -> None:
    net = small("lenet5").eval()
    session = Liar(net, grey, (0,))
    parity = measure(session, net, grey, noise(150, 1, 32, 32))
    assert parity.images == 150
    assert max(shape[0] for shape in session.seen) == 64


def test_the_random_images_are_always_the_same(grey: Preprocess) -> None:
    assert torch.equal(random_images(grey), random_images(grey))
    assert random_images(grey).shape == (8, 1, 32, 32)
