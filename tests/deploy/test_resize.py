"""The resize inside the file against `Preprocess.resize`, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from convsmith.data import Preprocess, cover
from convsmith.deploy.resize import resize_model

GREY_LEVELS = 2e-4  # before rounding; 0.8e-4 measured over these sizes


def noise(channels: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.randint(0, 256, (2, channels, height, width), dtype=torch.uint8, generator=generator)


def model(side: int, channels: int) -> onnx.ModelProto:
    """The graph with its grey levels before rounding as a second output."""
    made = resize_model(Preprocess(side, (0.5,) * channels, (0.5,) * channels), ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    made.graph.output.append(onnx.helper.make_tensor_value_info("resize_grey", onnx.TensorProto.FLOAT, None))
    return made


def run(side: int, images: torch.Tensor) -> list[Any]:
    data = model(side, images.shape[1]).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return list(session.run(["pixels", "resize_grey"], {"image": images.numpy()}))


def unrounded(side: int, images: torch.Tensor) -> torch.Tensor:
    rows, cols = cover(*images.shape[-2:], side)
    grown = F.interpolate(images.float(), size=(rows, cols), mode="bilinear", antialias=True)
    top, left = (rows - side) // 2, (cols - side) // 2
    return grown[..., top : top + side, left : left + side]


SIZES = [
    (32, 1, 28, 28),  # up
    (32, 1, 8, 8),  # up by a whole factor
    (32, 3, 33, 40),  # barely down
    (32, 3, 100, 57),  # down, portrait
    (224, 3, 500, 375),  # a photo
    (224, 3, 375, 500),
    (224, 3, 225, 224),  # a crop alone
    (224, 3, 32, 32),
    (64, 3, 7, 1000),  # a ribbon
    (16, 3, 1000, 30),
    (8, 3, 1200, 1600),  # far down
    (299, 3, 640, 427),  # an odd side
    (1, 1, 5, 9),
    (96, 3, 1, 1),
    (64, 3, 1, 3),
]


@pytest.mark.parametrize(("side", "channels", "height", "width"), SIZES)
def test_the_grey_levels_are_those_of_training(side: int, channels: int, height: int, width: int) -> None:
    images = noise(channels, height, width)
    preprocess = Preprocess(side, (0.5,) * channels, (0.5,) * channels)
    pixels, grey = run(side, images)
    assert pixels.shape == (2, channels, side, side)
    assert np.abs(grey - unrounded(side, images).numpy()).max() <= GREY_LEVELS
    steps = np.abs(pixels - preprocess.resize(images).numpy().astype(np.float32))
    assert steps.max() <= 1
    assert steps.mean() <= 1e-2  # only where a grey level lies within round-off of a half


@pytest.mark.parametrize(("side", "channels"), [(32, 1), (224, 3)])
def test_an_image_of_the_right_size_passes_untouched(side: int, channels: int) -> None:
    images = noise(channels, side, side)
    assert np.array_equal(run(side, images)[0], images.numpy())


@given(st.integers(2, 24), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_size_agrees(side: int, height: int, width: int) -> None:
    # sides from 2: torch 2.14 gives every row the first row's weights where the output is one column wide
    images = noise(1, height, width)
    _, grey = run(side, images)
    assert np.abs(grey - unrounded(side, images).numpy()).max() <= GREY_LEVELS


@pytest.mark.parametrize(("height", "width"), [(28, 41), (50, 19)])
def test_another_runtime_gives_the_same(height: int, width: int) -> None:
    images = noise(1, height, width)
    _, grey = ReferenceEvaluator(model(32, 1)).run(None, {"image": images.numpy()})
    assert np.abs(grey - unrounded(32, images).numpy()).max() <= GREY_LEVELS
