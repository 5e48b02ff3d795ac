"""Small networks with random weights, and one exported file that many tests read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convsmith.data import Preprocess
from convsmith.deploy import export_onnx
from convsmith.nn.build import build
from convsmith.nn.modules import Net
from convsmith.zoo import spec

CLASSES = ["apple", "käse", "3"]


def small(name: str, *, side: int = 32, channels: int = 1, classes: int = 3, **options: object) -> Net:
    """A zoo network at a small scale; the weights are random and repeatable."""
    return build(spec(name, **options), side=side, channels=channels, classes=classes, seed=0)


def noise(count: int, channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Random uint8 images."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def expected(net: Net, preprocess: Preprocess, images: torch.Tensor) -> torch.Tensor:
    """Probabilities by torch and the training code."""
    training = net.training
    with torch.no_grad():
        logits = net.eval()(preprocess.normalise(preprocess.resize(images)))
    net.train(training)
    return logits.softmax(1)


@pytest.fixture(scope="session")
def grey() -> Preprocess:
    return Preprocess(32, (0.4,), (0.25,))


@pytest.fixture(scope="session")
def lenet() -> Net:
    return small("lenet5")


@pytest.fixture(scope="session")
def shipped(lenet: Net, grey: Preprocess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported LeNet-5."""
    path = tmp_path_factory.mktemp("shipped") / "lenet.onnx"
    export_onnx(lenet, grey, CLASSES, path)
    return path
