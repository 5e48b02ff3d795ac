"""Budgets of latency on the command line; the target's clock is played."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from convsmith import build
from convsmith.cli import finish
from convsmith.search.timing import Latency
from convsmith.spec.errors import BusyError
from convsmith.train import Run

from .conftest import Cli


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target on which a million MACs take a millisecond."""
    from convsmith import cost, trace
    from convsmith.deploy import engines
    from convsmith.search.timing import Latency

    def latency(network: Any, target: Any) -> Latency:
        ms = cost(trace(network)).macs / 1e6
        return Latency(ms, ms, ms, 1)

    monkeypatch.setattr(engines, "latency", latency)


@pytest.mark.usefixtures("clocked")
def test_a_budget_of_latency_is_in_the_plan(cli: Cli) -> None:
    words = ("fit", "digits", "--max-latency", "0.5ms", "--target", "eager,threads=1", "--candidates", 3, "--dry-run")
    result = cli(*words)
    assert result.code == 0, result.err
    assert "over the budget of 0.5 ms on eager (1 thread, batch 1)" in result.err + result.out
    plan = json.loads(cli(*words, "--json").out)
    assert plan["budget"] == {
        "latency_ms": 0.5,
        "target": {"engine": "eager", "threads": 1, "batch": 1, "device": "cpu"},
    }
    assert [one["latency_ms"] for one in plan["candidates"]] == [
        pytest.approx(one["macs"] / 1e6, abs=1e-3) for one in plan["candidates"]
    ]
    assert all(one["latency_ms"] <= 0.5 for one in plan["candidates"])


@pytest.mark.usefixtures("clocked")
def test_a_latency_that_nothing_reaches_is_refused(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = cli("fit", "digits", "--max-latency", "0.001", "--out", folder)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("error: no design answers in 0.001 ms on eager (")
    assert not folder.exists()


TARGET = {"engine": "eager", "threads": 1, "batch": 1, "device": "cpu"}


def budgeted(folder: Path, **budget: Any) -> Run:
    return Run.create(folder, {"budget": budget})


@pytest.mark.usefixtures("clocked")
def test_the_trained_network_is_timed_on_the_target(tmp_path: Path) -> None:
    run, net, out = (
        budgeted(tmp_path / "a", latency_ms=5, target=TARGET),
        build("lenet5", seed=0),
        Console(file=io.StringIO()),
    )
    found = finish.on_target(run, net, out)
    assert found["target"] == {**TARGET, "ms": pytest.approx(0.41652), "low_ms": pytest.approx(0.41652),
                               "high_ms": pytest.approx(0.41652), "runs": 1, "pace_ms": 0.0}  # fmt: skip
    assert finish.on_target(budgeted(tmp_path / "b", params=5), net, out) == {}


def test_a_busy_machine_at_the_end_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(network: Any, target: Any) -> Latency:
        raise BusyError("no timing counts here now")

    monkeypatch.setattr("convsmith.deploy.engines.latency", busy)
    text = io.StringIO()
    run = budgeted(tmp_path / "a", latency_ms=5, target=TARGET)
    assert finish.on_target(run, build("lenet5", seed=0), Console(file=text)) == {}
    assert "latency not measured: no timing counts here now" in text.getvalue()
