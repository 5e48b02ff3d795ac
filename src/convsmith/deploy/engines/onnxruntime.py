"""ONNX Runtime on the CPU, with all of its optimisations, as an exported model is served."""

from __future__ import annotations

import numpy as np

from convsmith.data.preprocess import Preprocess
from convsmith.deploy.engines import Call
from convsmith.deploy.extra import need
from convsmith.deploy.network import network_model
from convsmith.deploy.session import open_session
from convsmith.nn import build
from convsmith.search.target import Target
from convsmith.spec.errors import ExportError
from convsmith.spec.network import Network


def version() -> str:
    """ONNX Runtime's. Raises MissingExtra."""
    for package in ("onnx", "onnxscript"):
        need(package)
    return f"onnxruntime {need('onnxruntime').__version__}"


def prepared(network: Network, target: Target) -> Call:
    """A session on the exported network, which normalises grey levels first and ends with a softmax."""
    session = open_session(model(network), name=network.name, threads=target.threads)
    sides = (network.side, network.side) if isinstance(network.side, int) else network.side
    images = np.random.default_rng(0).uniform(0, 255, (target.batch, network.channels, *sides)).astype(np.float32)
    return lambda: session.run(["logits"], {"pixels": images})


def model(network: Network) -> bytes:
    """The network with random weights as ONNX. Raises ExportError for images that are not square."""
    if not isinstance(network.side, int):
        raise ExportError(f"{network.name} reads {network.side[0]}×{network.side[1]} pixels; exports are square")
    zero, one = (0.0,) * network.channels, (1.0,) * network.channels
    net = build(network, seed=0).eval()
    return bytes(network_model(net, Preprocess(network.side, zero, one)).SerializeToString())
