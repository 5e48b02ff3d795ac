"""The front against its definition, by brute force."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsmith.spec import UnknownName, trace
from convsmith.views.cost import cost
from convsmith.views.pareto import pareto
from convsmith.zoo import spec
from convsmith.zoo.cards import card

ROWS = st.lists(
    st.fixed_dictionaries({"macs": st.integers(1, 6) | st.none(), "top1": st.integers(1, 6) | st.none()}), max_size=12
)


def beaten(row: dict[str, Any], by: dict[str, Any], column: str) -> Any:
    no_worse = by[column] <= row[column] and by["top1"] >= row["top1"]
    return no_worse and (by[column] < row[column] or by["top1"] > row["top1"])


def brute(rows: list[dict[str, Any]], column: str = "macs") -> list[dict[str, Any]]:
    known = [row for row in rows if None not in (row[column], row["top1"])]
    return [row for row in known if not any(beaten(row, other, column) for other in known)]


@given(ROWS)
def test_it_is_what_nothing_else_beats(rows: list[dict[str, Any]]) -> None:
    numbered = [row | {"number": number} for number, row in enumerate(rows)]
    found = pareto(numbered)
    assert sorted(row["number"] for row in found) == sorted(row["number"] for row in brute(numbered))
    assert [row["macs"] for row in found] == sorted(row["macs"] for row in found)


@pytest.mark.parametrize("column", ["params", "macs"])
def test_the_front_of_three_families(column: str) -> None:
    rows = []
    for name in ("resnet18", "resnet50", "vgg16", "alexnet", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0"):
        total, best = cost(trace(spec(name))), card(name).best
        assert best is not None
        rows.append({"name": name, "params": total.params, "macs": total.macs, "top1": best.top1})
    found = [row["name"] for row in pareto(rows, column)]
    assert sorted(found) == sorted(row["name"] for row in brute(rows, column))
    assert "efficientnet_b0" in found
    assert "vgg16" not in found


def test_a_measured_latency_is_a_column_as_good_as_any() -> None:
    rows = [{"n": "a", "latency_ms": 3.0, "top1": 0.7}, {"n": "b", "latency_ms": 2.5, "top1": 0.7}]
    assert [row["n"] for row in pareto(rows, "latency_ms")] == ["b"]
    assert pareto([]) == []


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"no column 'mac'; did you mean 'macs'\? \(there are macs, top1\)"):
        pareto([{"macs": 1, "top1": 0.5}], "mac")
