"""The Pareto front: what no other beats in both what it costs and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convsmith.spec.errors import UnknownName, nearest


def pareto(rows: Sequence[Mapping[str, Any]], cost: str = "macs", gain: str = "top1") -> list[Mapping[str, Any]]:
    """The rows that no other beats, the cheapest first: a row is beaten by one that costs no more and gives no less,
    and is better in one of the two. Equal rows are all kept; rows that lack a number (None) are no candidates.

    cost   a column of which less is better: macs, params, or a measured latency
    gain   a column of which more is better

    Raises UnknownName for a column that a row does not have.
    >>> [row["n"] for row in pareto([dict(n="a", macs=2, top1=.7), dict(n="b", macs=1, top1=.7)])]
    ['b']
    """
    for column in (cost, gain):
        for row in rows:
            if column not in row:
                raise UnknownName(f"no column {column!r}{nearest(column, row)} (there are {', '.join(row)})")
    known = [row for row in rows if row[cost] is not None and row[gain] is not None]
    front: list[Mapping[str, Any]] = []
    for row in sorted(known, key=lambda row: (row[cost], -row[gain])):
        last = front[-1] if front else None
        if last is None or row[gain] > last[gain] or (row[cost], row[gain]) == (last[cost], last[gain]):
            front.append(row)
    return front
