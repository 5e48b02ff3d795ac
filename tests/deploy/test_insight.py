"""Engines that are looked into say what belongs to which unit; how long it takes is no test's matter."""

from __future__ import annotations

import statistics
from types import SimpleNamespace
from typing import Any

import pytest

from convsmith import trace
from convsmith.data.preprocess import Preprocess
from convsmith.deploy import engines, nodes
from convsmith.deploy.engines import dissect_here, eager, insight
from convsmith.deploy.network import exported
from convsmith.nn import build
from convsmith.search import timing
from convsmith.search.latency.units import units
from convsmith.search.target import Target
from convsmith.spec import Conv, Flatten, Linear, Network, Norm, Pool, PoolTo, Relu, Residual, Seq
from convsmith.spec.errors import SpecError
from convsmith.train.machine import Load

NETWORK = Network(
    Seq(
        conv=Conv(4, 3), norm=Norm(), act=Relu, pool=Pool(2),
        heavy=Conv(512, 5, stride=2), back=Conv(4, 1),
        block=Residual(Seq(conv=Conv(4, 3), norm=Norm()), after=Relu),
        last=PoolTo(1), flat=Flatten, fc=Linear(3),
    ), 64, 3, 3, "tiny",
)  # fmt: skip
UNITS = units(trace(NETWORK))
HEAVY = next(i for i, unit in enumerate(UNITS) if "out=512" in unit.key)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is taken for quiet and steady, whatever it is, and short looks."""
    monkeypatch.setattr(timing, "Watch", lambda: SimpleNamespace(seen=lambda: Load(0.0, 1)))
    monkeypatch.setattr(timing, "DRIFT", float("inf"))
    monkeypatch.setattr(timing, "TURN", 0.01)


@pytest.mark.parametrize("name", ["eager", "onnxruntime"])
def test_a_network_is_run_and_looked_into(name: str) -> None:
    found = dissect_here(NETWORK, Target(name, threads=1))
    assert found.name == "tiny"
    assert found.keys == tuple(unit.key for unit in UNITS)
    assert len(found.ms) == len(UNITS)
    assert min(found.ms) >= 0
    assert max(found.ms) == found.ms[HEAVY]  # 20 times the work of any other
    assert found.ms[HEAVY] > statistics.median(found.ms)
    assert found.whole_ms > 0
    assert found.pace_ms > 0


def test_no_hook_stays() -> None:
    net, images = eager.ready(NETWORK, Target(threads=1))
    assert images.shape == (1, 3, 64, 64)
    call, inside = eager.opened(NETWORK, Target(threads=1), UNITS)
    assert len(inside(0.0)) == len(UNITS)
    assert len(inside(0.0)) == len(UNITS)  # hooks left by the first would be seen as further units
    assert call() is None
    assert net.network == NETWORK


def test_nodes_of_an_exported_model_are_named_by_their_unit() -> None:
    net = build(NETWORK, seed=0).eval()
    model = nodes.marked(exported(net, Preprocess(64, (0.0,) * 3, (1.0,) * 3)), net, UNITS)
    of = {node.op_type: set[int]() for node in model.graph.node}
    for node in model.graph.node:
        of[node.op_type].add(int(node.name.removeprefix("unit").partition("_")[0]))
        assert all(value.startswith("unit") or value in ("probabilities", "logits") for value in node.output)
    forms = [unit.form for unit in UNITS]
    assert {forms[i].partition(" ")[0] for i in of["Conv"]} == {"conv"}
    assert len(of["Conv"]) == 4
    assert {forms[i].split()[0] for i in of["MaxPool"]} == {"max_pool"}
    (joined,) = of["Add"]
    assert forms[joined].endswith("norm add relu")
    assert forms[next(iter(of["Gemm"]))] == "linear"


def test_what_the_runtime_adds_belongs_to_the_node_after_it() -> None:
    def event(name: str, dur: int, cat: str = "Node") -> dict[str, Any]:
        return {"cat": cat, "name": name, "dur": dur}

    run = [
        event("unit0_0_kernel_time", 5), event("reorder_kernel_time", 7), event("unit1_3_0_nchwc_kernel_time", 100),
        event("unit1_3_0_nchwc_fence_before", 999), event("whole", 999, "Session"), event("unit3_9_kernel_time", 20),
        event("ReorderOutput_kernel_time", 2),
    ]  # fmt: skip
    slow = [one | {"dur": 3 * one["dur"]} for one in run]
    runs = 5
    events = [one for block in (slow, slow, run, run, run) for one in block]
    assert nodes.medians(events, runs, 4, warm=2) == pytest.approx([0.005, 0.107, 0.0, 0.022])


def test_an_engine_that_cannot_be_looked_into_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.deploy.engines.compiled.shutil.which", lambda name: "/usr/bin/g++")
    with pytest.raises(SpecError, match="compiled does not tell what layers take; latencies are predicted for eager"):
        insight(Target("compiled"))


def test_disturbed_looks_inside_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of seven turns fall into a slow spell, in which all is said to take nine times as long."""
    monkeypatch.setattr(timing, "DRIFT", 0.1)
    monkeypatch.setattr(engines, "yardstick", lambda: next(paces))
    slow = [False, True, True, False, False, False, False]
    paces, turn = iter([2.5, 2.5, 9.0, 2.6, 2.6, 2.5, 2.5, 2.5]), iter(slow)

    def opened(network: Network, target: Target, found: Any) -> Any:
        return lambda: None, lambda seconds: [9.0 if next(turn) else 1.0 for _ in found[:1]] * len(found)

    monkeypatch.setattr(engines, "insight", lambda target: SimpleNamespace(opened=opened))
    monkeypatch.setattr(timing, "_run", lambda call, seconds: [4.0])
    found = dissect_here(NETWORK, Target(threads=1))
    assert found.ms == (1.0,) * len(UNITS)
    assert found.whole_ms == 4.0
    assert found.pace_ms == 2.5
    assert next(turn, None) is None
