"""Models written for timings answer as the network does, and run as torch's exporter's do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from convsmith import spec
from convsmith.data.preprocess import Preprocess
from convsmith.deploy.network import network_model
from convsmith.deploy.quick import quick_model
from convsmith.nn import build
from convsmith.search.spaces import space
from convsmith.spec.network import Network
from convsmith.zoo.asked import asked

ZOO = [
    "resnet20", "lenet5", "resnet50", "densenet121", "googlenet", "mobilenet_v2", "efficientnet_b0", "squeezenet1_0",
    "resnext50_32x4d", "mnasnet0_5", "mobilenet_v3_small",
]  # fmt: skip
DRAWN = ["mnas:0", "cifar_mb:0", "resnet:1", "nas_cell:0", "nas_cell:1", "zoo:2"]
COMPARED = ["mnas:1", "nas_cell:0", "efficientnet_b0", "resnet20"]


def network(name: str) -> Network:
    """A member of a space ("mnas:3" is drawn by seed 3) or a network of the zoo, at a small size."""
    where, colon, seed = name.partition(":")
    if colon:
        return space(where, classes=10).draw(1, int(seed))[0].network
    found = asked(name, classes=10)
    return found if isinstance(found.side, int) and found.side <= 32 else asked(name, classes=10, side=64)


def answer(model: bytes, images: Any) -> Any:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"pixels": images})[0]


@pytest.mark.parametrize("name", [*ZOO, *DRAWN])
def test_a_model_answers_as_the_network(name: str) -> None:
    net = build(network(name), seed=0).eval()
    model = quick_model(net)
    assert model is not None
    onnx.checker.check_model(model, full_check=True)
    images = np.random.default_rng(0).uniform(0, 255, (2, *net.graph.input.shape)).astype(np.float32)
    with torch.inference_mode():
        wanted = net(torch.from_numpy(images) / 255).numpy()
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(answer(model.SerializeToString(), images) / scale, wanted / scale, atol=1e-4)


def optimised(model: bytes, path: Path) -> Counter[str]:
    """Operations of the graph that ONNX Runtime makes of a model to run."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(path), 3
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(path).graph.node if node.op_type != "Softmax")


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    "mnas:1", "cifar_mb:1", "efficientnet_b0", "resnet20",
    *(pytest.param(name, marks=pytest.mark.wide) for name in ("resnet:2", "nas_cell:0")),
])  # fmt: skip
def test_the_runtime_runs_what_it_runs_of_the_exporters_model(name: str, tmp_path: Path) -> None:
    net = build(network(name), seed=0).eval()
    assert isinstance(net.network.side, int)
    channels = net.network.channels
    theirs = network_model(net, Preprocess(net.network.side, (0.0,) * channels, (1.0,) * channels))
    ours = quick_model(net)
    assert ours is not None
    found = optimised(ours.SerializeToString(), tmp_path / "ours.onnx")
    assert found == optimised(theirs.SerializeToString(), tmp_path / "theirs.onnx")
    assert found["Conv"] > 0


def test_rows_name_their_nodes() -> None:
    net = build(network("resnet20"), seed=0).eval()
    model = quick_model(net, lambda i: f"unit{i + 1}")
    assert model is not None
    owners = [int(node.name.removeprefix("unit").partition("_")[0]) for node in model.graph.node]
    assert owners == sorted(owners)
    assert owners[:3] == [0, 0, 0]
    kinds = {
        net.graph.rows[at - 1].kind for at, node in zip(owners, model.graph.node, strict=True) if node.op_type == "Conv"
    }
    assert kinds == {"conv"}


def test_a_layer_that_is_not_written_leaves_it_to_the_exporter() -> None:
    for name in ("lenet5_1998", "alexnet_2012", "shufflenet_g3"):
        assert quick_model(build(asked(name), seed=0).eval()) is None
    assert spec("lenet5_1998").name == "lenet5_1998"
