"""`profile-device` and `latency`; what networks take is made up here."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convsmith import cost, trace
from convsmith.deploy import engines
from convsmith.search.latency.table import Dissected, LatencyTable
from convsmith.search.latency.units import Unit, units
from convsmith.search.timing import Latency
from convsmith.spec.codec import read
from convsmith.spec.errors import BusyError
from convsmith.spec.network import Network

from .conftest import Cli


def takes(unit: Unit) -> float:
    return 0.001 + unit.macs / 1e7 + unit.moved / 1e6


def whole(network: Network) -> float:
    return 0.02 + sum(map(takes, units(trace(network))))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Network]:
    """An engine whose times are known; the networks that were timed whole."""
    timed: list[Network] = []

    def dissect(network: Network, target: Any) -> Dissected:
        found = units(trace(network))
        return Dissected(network.name, whole(network), tuple(u.key for u in found), tuple(map(takes, found)), 2.5)

    def latency(network: Network, target: Any) -> Latency:
        timed.append(network)
        ms = whole(network)
        return Latency(ms, 0.9 * ms, 1.1 * ms, 3)

    monkeypatch.setattr(engines, "dissect", dissect)
    monkeypatch.setattr(engines, "latency", latency)
    monkeypatch.setattr("convsmith.search.latency.cover.POOL", 400)
    monkeypatch.setattr("convsmith.search.latency.steady.time", SimpleNamespace(sleep=lambda seconds: None))
    return timed


@pytest.fixture
def table(measured: list[Network], cli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "t.json"
    small = ("--side", 8, "--channels", 1, "--classes", 10)
    result = cli("profile-device", "zoo", "--target", "eager,threads=1", *small, "--out", path)
    assert result.code == 0, result.err
    return path


def test_a_table_is_measured_and_holds(measured: list[Network], cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    result = cli("profile-device", "cifar_mb", "--out", path, "--target", "eager,threads=1", "--verify", 5, "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert report["covered"] > 0.99
    assert report["error"] < 0.05
    assert report["verified"]["close"] == 1
    assert len(report["verified"]["networks"]) == 5 == len(measured)
    assert len(LatencyTable.load(path).networks) == report["networks"]
    assert "5 networks that the table has not seen: 100% within 10 %, rank correlation 1.000; by MACs" in result.err
    again = json.loads(cli("profile-device", "cifar_mb", "--out", path, "--target", "eager,threads=1", "--json").out)
    assert report["networks"] <= again["networks"] <= report["networks"] + 12  # it is known already


def test_a_network_is_predicted(table: Path, measured: list[Network], cli: Cli) -> None:
    words = ("latency", "resnet20", "--side", 8, "--channels", 1, "--table", table)
    (found,) = json.loads(cli(*words, "--json").out)
    from convsmith.zoo.asked import asked

    network = asked("resnet20", side=8, channels=1)
    assert found["predicted_ms"] == pytest.approx(whole(network), rel=0.1)
    assert measured == []
    text = cli(*words, "--verify").out
    assert "resnet20 at 8: " in text
    assert " ms predicted on eager (1 thread, batch 1), " in text
    assert " ms measured (" in text
    assert [one.name for one in measured] == ["resnet20"]


def test_a_network_is_measured(measured: list[Network], cli: Cli) -> None:
    result = cli("latency", "resnet20", "lenet5", "--target", "eager,threads=1")
    assert result.code == 0
    assert result.out.splitlines()[0].startswith("resnet20 at 32: ")
    assert " ms on eager (1 thread, batch 1) (" in result.out
    both = json.loads(cli("latency", "resnet20", "lenet5", "--target", "eager,threads=1", "--json").out)
    assert [one["measured"]["runs"] for one in both] == [3, 3]


def test_what_the_table_shows_to_be_too_slow_is_not_timed(table: Path, measured: list[Network], cli: Cli) -> None:
    words = ("fit", "digits", "--max-latency", "0.1ms", "--candidates", 3, "--dry-run", "--json")
    free = json.loads(cli(*words, "--target", "eager,threads=1").out)
    every = list(measured)
    measured.clear()
    plan = json.loads(cli(*words, "--latency-table", table).out)
    assert [one["name"] for one in plan["candidates"]] == [one["name"] for one in free["candidates"]]
    assert plan["budget"]["target"]["threads"] == 1  # the table's
    assert all(one["latency_ms"] <= 0.1 for one in plan["candidates"])
    assert {one.name for one in measured} >= {one["name"] for one in plan["candidates"]}
    assert len(measured) < len(every)
    refused = cli(*words[:2], "--max-latency", "0.001", *words[4:], "--latency-table", table)
    assert refused.code == 2
    assert "error: no design answers in 0.001 ms on eager (1 thread, batch 1); the fastest of" in refused.err


def test_fit_says_that_it_waits(table: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look falls into a time when all takes four times as long."""
    paces = iter([10.0])

    def latency(network: Network, target: Any) -> Latency:
        ms = whole(network)
        return Latency(ms, ms, ms, 3, pace_ms=next(paces, 2.5))

    monkeypatch.setattr(engines, "latency", latency)
    found = cli("fit", "digits", "--max-latency", "0.1ms", "--latency-table", table, "--candidates", 2, "--dry-run")
    assert found.code == 0, found.err
    assert found.err.count("waiting for the machine to be quiet, 60 s at most: a fixed work takes 4.00 times as") == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("profile-device", "mnass", "--out", "t.json"), "no space is called 'mnass'; did you mean 'mnas'?"),
        (("profile-device", "mnas", "--out", "no/folder/t.json"), "cannot write no/folder/t.json: No such file"),
        (("profile-device", "mnas", "--out", "t.json", "--time", "soon"), "'soon' is not a time"),
        (("profile-device", "mnas", "--out", "t.json", "--target", "eagr"), "no target is called 'eagr'; did you mean"),
        (("latency", "resnet20", "--verify"), "--verify measures what --table predicts; say that too"),
        (("latency", "resnet20", "--table", "none.json"), "cannot read none.json: No such file or directory"),
        (("fit", "digits", "--latency-table", "t.json"), "--latency-table t.json is what --max-latency holds by; say"),
    ],
)
def test_refusals(
    words: tuple[str, ...], error: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli(*words)
    assert result.code == 2
    assert result.err.startswith(f"error: {error}")
    assert len(result.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_elsewhere_is_refused(table: Path, cli: Cli) -> None:
    said = json.loads(table.read_text())
    table.write_text(json.dumps(said | {"machine": {"processor": "another", "cores": 64}}))
    more = ("profile-device", "cifar_mb", "--target", "eager,threads=1", "--out")
    for words in (("latency", "resnet20", "--table"), more):
        result = cli(*words, table)
        assert result.code == 2
        assert "error: the table of latencies is of another machine: cores 64, processor another; here" in result.err
    assert json.loads(table.read_text())["machine"]["cores"] == 64
    table.write_text(json.dumps(said))
    result = cli("latency", "resnet20", "--table", table, "--target", "eager,threads=1,batch=8")
    assert "of another target: eager (1 thread, batch 1); here it is eager (1 thread, batch 8)" in result.err
    table.write_text(json.dumps(said | {"engine": "torch 1.0"}))
    assert "of another engine: torch 1.0; here it is torch " in cli("latency", "resnet20", "--table", table).err


def test_a_busy_machine_loses_nothing(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: Any) -> None:
    """What was measured before is in the table."""
    real, left = engines.dissect, iter(range(5))

    def dissect(network: Network, target: Any) -> Dissected:
        if next(left, None) is None:
            raise BusyError("no timing counts here now")
        return real(network, target)

    monkeypatch.setattr(engines, "dissect", dissect)
    path = tmp_path / "t.json"
    result = cli("profile-device", "cifar_mb", "--target", "eager,threads=1", "--out", path)
    assert result.code == 2
    assert result.err.splitlines()[-1] == "error: no timing counts here now"
    assert len(LatencyTable.load(path).networks) == 5


def test_macs_mislead_on_the_played_machine() -> None:
    """Else the tests above could not tell a latency model from a count."""
    one, other = (trace(name) for name in ("mobilenet_v2", "resnet18"))
    ratio = sum(map(takes, units(one))) / sum(map(takes, units(other)))
    assert ratio > 1.5 * cost(one).macs / cost(other).macs


def searched(table: Path, folder: Path, *more: object) -> tuple[object, ...]:
    words = ("search", "digits", "--space", "cifar_mb", "--max-latency", "2ms", "--latency-table", table)
    return (*words, "--set", "epochs=1", "--trials", 3, "--out", folder, "--json", *more)


@pytest.mark.slow
def test_the_best_of_a_search_is_measured_too(
    table: Path, measured: list[Network], cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna", reason="searching needs Optuna")
    found = cli(*searched(table, tmp_path / "s"))
    assert found.code == 0, found.err
    best, *others = json.loads(found.out)["trials"]
    assert best["measured_ms"] == round(whole(measured[0]), 3) <= 2
    assert not any("measured_ms" in one for one in others)
    assert len(measured) == 1
    assert read(tmp_path / "s" / "found.json") == measured[0]

    # the best takes longer here than it was predicted to
    times = iter([3.0, 1.0])
    monkeypatch.setattr(engines, "latency", lambda *_: Latency(next(times), 1, 1, 3))
    again = json.loads(cli("search", "--join", tmp_path / "s", "--json").out)["trials"]
    assert [one.get("measured_ms") for one in again] == [3.0, 1.0, None]
    assert cost(trace(read(tmp_path / "s" / "found.json"))).macs == again[1]["macs"]

    # all of them do
    monkeypatch.setattr(engines, "latency", lambda *_: Latency(3.0, 3, 3, 3))
    refused = cli("search", "--join", tmp_path / "s")
    assert refused.code == 2
    assert "error: the 3 best were predicted within 2 ms and take longer; the quickest, trial" in refused.err

    # nobody can tell
    def busy(*_: Any) -> Latency:
        raise BusyError("no timing counts here now")

    monkeypatch.setattr(engines, "latency", busy)
    told = cli("search", "--join", tmp_path / "s")
    assert told.code == 0
    assert "the latency of the best is as predicted and not measured: no timing counts here now" in told.err
