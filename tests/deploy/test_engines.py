"""Engines run what they are given; how long it takes is no test's matter."""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from convsmith.deploy import engines
from convsmith.deploy.engines import engine, latency_here
from convsmith.deploy.engines import onnxruntime as onnxruntime_engine
from convsmith.nn import build
from convsmith.search import timing
from convsmith.search.target import Target
from convsmith.search.timing import Call, Turn
from convsmith.spec import Conv, Flatten, Linear, Network, PoolTo, Relu, Seq
from convsmith.spec.errors import ExportError, MissingExtra, TrainingError
from convsmith.train.machine import Load

NETWORK = Network(Seq(conv=Conv(4, 3), act=Relu, pool=PoolTo(1), flat=Flatten, fc=Linear(3)), 8, 3, 3, "tiny")
THERE = [name for name in ("eager", "onnxruntime", "openvino") if name != "openvino" or find_spec("openvino")]


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One call in place of a timing; what the calls return."""
    seen: list[Any] = []

    def call(task: Call, look: Any) -> list[Turn]:
        seen.append((task(), torch.get_num_threads()))
        return [Turn([1.0], [], 2.5)]

    monkeypatch.setattr(engines, "timed", call)
    return seen


@pytest.mark.parametrize("name", THERE)
def test_a_network_runs_with_the_threads_asked_for(name: str, once: list[Any]) -> None:
    before = torch.get_num_threads()
    assert latency_here(NETWORK, Target(name, threads=1, batch=2)).ms == 1.0
    assert [threads for _, threads in once] == [1]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", THERE)
def test_engines_know_their_version(name: str) -> None:
    assert engine(Target(name)).version().split()[0] in ("torch", "onnxruntime", "openvino")


def test_onnx_runtime_answers_a_whole_batch_as_torch_does() -> None:
    call = engine(Target("onnxruntime")).prepared(NETWORK, Target("onnxruntime", threads=1, batch=5))
    (answer,) = call()  # type: ignore[misc]
    images = np.random.default_rng(0).uniform(0, 255, (5, 3, 8, 8)).astype(np.float32)
    with torch.inference_mode():
        wanted = build(NETWORK, seed=0).eval()(torch.from_numpy(images) / 255)
    np.testing.assert_allclose(answer, wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_a_compiled_network_is_what_runs(once: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """That torch's compiler works is torch's to test; its twenty seconds are not spent here."""
    compiled: list[Any] = []

    def compiler(net: Any) -> Any:
        compiled.append(net)
        return lambda images: net(images)

    monkeypatch.setattr(torch, "compile", compiler)
    monkeypatch.setattr("convsmith.deploy.engines.compiled.shutil.which", lambda name: "/usr/bin/g++")
    assert latency_here(NETWORK, Target("compiled", threads=1)).ms == 1.0
    assert [net.network for net in compiled] == [NETWORK]


def test_a_real_timing_says_what_it_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is taken for quiet and steady, whatever it is."""
    monkeypatch.setattr(timing, "Watch", lambda: SimpleNamespace(seen=lambda: Load(0.0, 1)))
    monkeypatch.setattr(timing, "DRIFT", float("inf"))
    found = latency_here(NETWORK, Target(threads=1))
    assert 0 < found.low_ms <= found.ms <= found.high_ms
    assert found.runs >= 15
    assert found.pace_ms > 0


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from convsmith.deploy.engines import compiled, openvino

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(openvino, "import_module", missing)
    with pytest.raises(
        MissingExtra, match=r"the target openvino is not installed: pip install 'convsmith\[openvino\]'"
    ):
        engine(Target("openvino"))
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    with pytest.raises(MissingExtra, match=r"needs a C\+\+ compiler: install g\+\+, or choose eager"):
        engine(Target("compiled"))


def test_devices_and_images_that_engines_do_not_take() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="there is no cuda here: torch sees no GPU; choose cpu"):
            engine(Target()).prepared(NETWORK, Target(device="cuda"))
    oblong = Network(NETWORK.body, (8, 12), 3, 3, "oblong")
    with pytest.raises(ExportError, match="oblong reads 8×12 pixels; exports are square"):
        onnxruntime_engine.model(oblong)
