"""Sums of an epoch's steps."""

from __future__ import annotations

import torch

from convsmith.train.position import Position
from convsmith.train.runtime import Solo
from convsmith.train.tally import Tally


def tally() -> Tally:
    return Tally(Position(), torch.device("cpu"), Solo())


def test_sums_go_by_images() -> None:
    found = tally()
    found.add(torch.tensor(2.0), torch.tensor(3), 4)
    found.add(torch.tensor(1.0), torch.tensor(1), 2)
    assert found.means() == (10 / 6, 4 / 6)


def test_no_step_s_graph_outlives_it() -> None:
    """A sum that remembers where it came from keeps the graphs of a whole epoch: gigabytes were measured."""
    found, weight = tally(), torch.ones(3, requires_grad=True)
    for _ in range(2):
        loss = weight.square().sum()
        found.watch(loss, 0)
        found.add(loss, torch.tensor(1), 1)
    assert [one.grad_fn for one in (found.sums, found.fault, found.fault_step)] == [None] * 3
    found.watch(loss * float("nan"), 1)
    assert found.faulty
    assert found.fault.grad_fn is None
