"""Random numbers by key."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convsmith.data import keyed_uniforms
from convsmith.data.keyed import GOLDEN, mix

KNOWN = [[0.7110342383384705, 0.9790762662887573], [0.3856276869773865, 0.9252170324325562]]


def test_the_mixer_is_splitmix64():
    """First outputs of the reference code seeded with 0."""
    state = torch.arange(1, 4) * GOLDEN
    assert [value % 2**64 for value in mix(state).tolist()] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


@given(st.permutations(range(12)), st.integers(1, 11), st.integers(0, 2**63), st.integers(0, 1000))
def test_order_and_composition_of_the_batch_do_not_matter(order, cut, seed, epoch):
    whole = keyed_uniforms(seed, epoch, torch.arange(12), 5)
    index = torch.tensor(order)
    assert torch.equal(keyed_uniforms(seed, epoch, index, 5), whole[index])
    halves = [keyed_uniforms(seed, epoch, part, 5) for part in (index[:cut], index[cut:])]
    assert torch.equal(torch.cat(halves), whole[index])


def test_more_draws_leave_the_first_alone():
    index = torch.arange(100)
    assert torch.equal(keyed_uniforms(1, 2, index, 7)[:, :3], keyed_uniforms(1, 2, index, 3))


def largest_gap(u):
    """Kolmogorov-Smirnov distance to the uniform distribution, times sqrt(n)."""
    u = u.flatten().double().sort().values
    n = len(u)
    steps = torch.arange(1, n + 1, dtype=torch.float64) / n
    return float(torch.maximum(steps - u, u - steps + 1 / n).max()) * math.sqrt(n)


@pytest.mark.parametrize("vary", ["index", "epoch", "seed", "draw"])
def test_uniform_along_every_key(vary):
    if vary == "index":
        u = keyed_uniforms(3, 4, torch.arange(20000), 1)
    elif vary == "draw":
        u = keyed_uniforms(3, 4, torch.tensor([5]), 20000)
    else:
        keys = [(3, k) if vary == "epoch" else (k, 4) for k in range(3000)]
        u = torch.cat([keyed_uniforms(seed, epoch, torch.tensor([5]), 1) for seed, epoch in keys])
    assert largest_gap(u) < 1.63  # the 1 % point
    v = u.flatten().double() - 0.5
    assert abs(float((v[1:] * v[:-1]).mean())) * 12 < 4 / math.sqrt(len(v))  # neighbours are uncorrelated


def test_range_and_type():
    u = keyed_uniforms(0, 0, torch.arange(200000), 4)
    assert u.dtype == torch.float32
    assert u.shape == (200000, 4)
    assert float(u.min()) >= 0
    assert float(u.max()) < 1


def test_seeds_epochs_and_samples_are_strangers():
    index = torch.arange(50)
    keys = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (1, 2), (-1, 0), (2**64 - 2, 0)]
    draws = [keyed_uniforms(seed, epoch, index, 3) for seed, epoch in keys]
    for i, a in enumerate(draws):
        assert len(a.flatten().unique()) > 145
        for b in draws[i + 1 :]:
            assert int((a == b).sum()) < 3


def test_known_values_stay():
    """A resumed training, possibly under a later version, must see the same images."""
    assert keyed_uniforms(7, 3, torch.tensor([0, 41]), 2).tolist() == KNOWN
