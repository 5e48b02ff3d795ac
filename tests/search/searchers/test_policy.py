"""The controller's policy is a distribution over members, and its reward is the paper's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convsmith.search.budget import Budget
from convsmith.search.searchers import Feasible, Trial
from convsmith.search.searchers.controller import BATCH, Controller
from convsmith.search.searchers.policy import Policy
from convsmith.search.searchers.reward import HARD, Reward

from .test_searchers import SMALL


def moved(seed: int) -> Policy:
    """A policy whose options are not all as likely."""
    policy = Policy(SMALL, seed)
    with torch.no_grad():
        for head in policy.heads:
            torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(seed))  # type: ignore[arg-type]
    return policy


def test_probabilities_of_all_members_add_up_to_one() -> None:
    members = list(SMALL.members())
    with torch.no_grad():
        chance, entropy = moved(0)(members)
    assert float(chance.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert (entropy > 0).all()
    assert float(chance.exp().max()) > 2 / SMALL.size  # else the test would not tell much


def test_members_are_drawn_as_often_as_they_are_likely() -> None:
    policy, generator = moved(1), torch.Generator().manual_seed(0)
    members = list(SMALL.members())
    drawn = [policy.draw(generator) for _ in range(4000)]
    wanted = policy(members)[0].exp().detach().numpy()
    np.testing.assert_allclose([drawn.count(member) / 4000 for member in members], wanted, atol=0.03)


def test_at_first_all_options_are_as_likely() -> None:
    policy = Policy(SMALL, seed=4)
    chance = policy(list(SMALL.members()))[0].detach().exp()
    assert {round(float(value), 4) for value in chance} == {
        round(1 / 3 / 2, 4),  # a = 0, c
        round(1 / 3 / 2 / 2, 4),  # a, b = x, c
        round(1 / 3 / 2 / 2 / 2, 4),  # a, b = y, c, d
    }


def test_what_is_rewarded_becomes_likelier() -> None:
    found = Controller(Feasible(SMALL, Budget()), seed=0)
    members = list(SMALL.members())
    good = [i for i, member in enumerate(members) if member.at[0] == 2]
    before = float(found.policy(members)[0].detach().exp()[good].sum())
    random = np.random.default_rng(0)
    for number in range(5 * BATCH):
        genome = found.propose(random)
        found.tell(Trial(number, genome, 0.9 if genome.at[0] == 2 else 0.5))
    after = float(found.policy(members)[0].detach().exp()[good].sum())
    assert before == pytest.approx(1 / 3, abs=1e-3)
    assert after > 0.6


def test_the_reward_is_the_papers() -> None:
    """Section 3: "doubling the latency usually brings about 5% relative accuracy gain" is what w = -0.07 balances."""
    soft = Reward(target=80.0)
    assert soft.of(0.75, 80.0) == pytest.approx(0.75)
    assert soft.of(0.75 * 1.05, 160.0) == pytest.approx(soft.of(0.75, 80.0), rel=0.001)
    assert soft.of(0.75, 40.0) > 0.75
    hard = HARD._replace(target=80.0)
    assert hard.of(0.75, 40.0) == 0.75
    assert hard.of(0.75, 160.0) == pytest.approx(0.375)
    assert Reward().of(0.75, 1e9) == 0.75
