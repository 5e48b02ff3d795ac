"""Tables are kept whole, read back equal, and refused where they are of another machine, engine or version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from convsmith.search.latency.model import LatencyModel
from convsmith.search.latency.table import LatencyTable
from convsmith.search.spaces import space
from convsmith.search.target import Target
from convsmith.spec.errors import TableError

from .played import ENGINE, MACHINE
from .test_model import table_of

MEMBERS = space("cifar_mb").draw(6, seed=0)


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    found = table_of([member.network for member in MEMBERS])
    found.networks[-1] = found.networks[-1]._replace(held=True)
    return found


def test_a_table_is_read_as_it_was_written(table: LatencyTable, tmp_path: Path) -> None:
    table.save(tmp_path / "t.json")
    again = LatencyTable.load(tmp_path / "t.json")
    assert again == table
    assert LatencyModel(again).predict(MEMBERS[0].graph) == LatencyModel(table).predict(MEMBERS[0].graph)


def test_another_machine_engine_or_setting_is_refused(table: LatencyTable) -> None:
    table.check(MACHINE, ENGINE, Target(threads=1))
    cases: tuple[tuple[Any, ...], ...] = (
        ({"cores": 8}, ENGINE, Target(threads=1), "machine: cores 1, processor made up; here it is cores 8"),
        (MACHINE, "made-up 1.1", Target(threads=1), "engine: made-up 1.0; here it is made-up 1.1"),
        (MACHINE, ENGINE, Target(threads=2), r"target: eager \(1 thread, batch 1\); here it is eager \(2 threads"),
    )  # fmt: skip
    for machine, engine, target, words in cases:
        with pytest.raises(TableError, match=f"of another {words}.*convsmith profile-device"):
            table.check(machine, engine, target)


def broken(table: LatencyTable, path: Path, **changes: Any) -> Path:
    table.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_files_that_are_no_table(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    with pytest.raises(TableError, match=r"cannot read .*t\.json: No such file"):
        LatencyTable.load(path)
    path.write_text("{")
    with pytest.raises(TableError, match=r"t\.json is no table of latencies: it is not JSON"):
        LatencyTable.load(path)
    path.write_text("[]")
    with pytest.raises(TableError, match="is no table of latencies; convsmith profile-device makes one"):
        LatencyTable.load(path)
    with pytest.raises(TableError, match="is a table of version 9; this convsmith reads 2: measure it again"):
        LatencyTable.load(broken(table, path, version=9))
    networks = [{"name": "x", "whole_ms": 1, "units": [0, 1], "ms": [1], "pace_ms": 1, "held": False}]
    with pytest.raises(TableError, match=r"is broken .*not as many times as units"):
        LatencyTable.load(broken(table, path, networks=networks))
    with pytest.raises(TableError, match="is broken"):
        LatencyTable.load(broken(table, path, networks=[networks[0] | {"units": [10**6]}]))
