"""OpenVINO on the CPU, from the same exported model as ONNX Runtime."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from convsmith.deploy.engines import onnxruntime
from convsmith.search.target import Target
from convsmith.search.timing import Call
from convsmith.spec.errors import MissingExtra
from convsmith.spec.network import Network


def version() -> str:
    """OpenVINO's. Raises MissingExtra."""
    onnxruntime.version()  # models are exported with its packages
    return f"openvino {_openvino().__version__}"


def prepared(network: Network, target: Target) -> Call:
    """An inference request of a model compiled for latency."""
    vino = _openvino()
    core = vino.Core()
    read = core.read_model(onnxruntime.model(network), b"")
    settings = {
        "INFERENCE_NUM_THREADS": target.threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(read, "CPU", settings)
    assert isinstance(network.side, int)  # else it would not have been exported
    shape = (target.batch, network.channels, network.side, network.side)
    images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    request = compiled.create_infer_request()
    return lambda: request.infer({"pixels": images})


def _openvino() -> Any:
    try:
        return import_module("openvino")
    except ImportError:
        raise MissingExtra("the target openvino is not installed: pip install 'convsmith[openvino]'") from None
