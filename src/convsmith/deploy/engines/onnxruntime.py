"""ONNX Runtime on the CPU, with all of its optimisations, as an exported model is served."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convsmith.data.preprocess import Preprocess
from convsmith.deploy.extra import need
from convsmith.deploy.network import exported, network_model
from convsmith.deploy.nodes import marked, medians
from convsmith.deploy.quick import quick_model
from convsmith.deploy.session import open_session
from convsmith.nn import build
from convsmith.nn.modules import Net
from convsmith.search.latency.units import Unit
from convsmith.search.target import Target
from convsmith.search.timing import Call, Inside
from convsmith.spec.errors import ExportError
from convsmith.spec.network import Network

LEAST, MOST, WARM = 5, 60, 2
"""Runs of a look inside, which writes a line for every node of each, and those of them that do not count."""


def version() -> str:
    """ONNX Runtime's. Raises MissingExtra."""
    for package in ("onnx", "onnxscript"):
        need(package)
    return f"onnxruntime {need('onnxruntime').__version__}"


def prepared(network: Network, target: Target) -> Call:
    """A session on the network as it is exported, which normalises grey levels first."""
    net, _ = _ready(network)
    quick = quick_model(net)
    source = model(network) if quick is None else quick.SerializeToString()
    session = open_session(source, name=network.name, threads=target.threads)
    return _called(session, _images(network, target))


def opened(network: Network, target: Target, units: Sequence[Unit]) -> tuple[Call, Inside]:
    """The session, and a look inside by a session of the same model that notes what its nodes take."""
    net, preprocess = _ready(network)
    of_row = {i: at for at, unit in enumerate(units) for i in unit.rows}
    quick = quick_model(net, lambda i: f"unit{of_row.get(i, 0)}")
    source = (quick or marked(exported(net, preprocess), net, units)).SerializeToString()
    images = _images(network, target)
    call = _called(open_session(source, name=network.name, threads=target.threads), images)

    def inside(seconds: float) -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            session = open_session(source, name=network.name, threads=target.threads, profile=Path(folder) / "nodes")
            run, runs, end = _called(session, images), 0, time.perf_counter() + seconds
            while (time.perf_counter() < end and runs < MOST) or runs < LEAST:
                run()
                runs += 1
            events = json.loads(Path(session.end_profiling()).read_text())
        return medians(events, runs, len(units), WARM)

    return call, inside


def model(network: Network) -> bytes:
    """The network with random weights as ONNX. Raises ExportError for images that are not square."""
    return bytes(network_model(*_ready(network)).SerializeToString())


def _ready(network: Network) -> tuple[Net, Preprocess]:
    if not isinstance(network.side, int):
        raise ExportError(f"{network.name} reads {network.side[0]}×{network.side[1]} pixels; exports are square")
    zero, one = (0.0,) * network.channels, (1.0,) * network.channels
    return build(network, seed=0).eval(), Preprocess(network.side, zero, one)


def _images(network: Network, target: Target) -> Any:
    sides = (network.side, network.side) if isinstance(network.side, int) else network.side
    return np.random.default_rng(0).uniform(0, 255, (target.batch, network.channels, *sides)).astype(np.float32)


def _called(session: Any, images: Any) -> Call:
    return lambda: session.run(["logits"], {"pixels": images})
