"""Who is asked for the next member: the searcher and chance in turn, each knowing its own trials alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convsmith.search import Budget
from convsmith.search.searchers import Feasible, Trial, searcher
from convsmith.search.searchers.controller import Controller
from convsmith.search.searchers.reward import ACCURACY, Reward
from convsmith.search.spaces import Genome, space
from convsmith.search.study import found
from convsmith.search.study.halving import Halving
from convsmith.search.study.plan import Plan, Proposer
from convsmith.search.study.study import Entry
from convsmith.search.target import Target
from convsmith.spec.errors import SpecError, StudyError

CIFAR = space("cifar_mb")
BUDGET = Budget(macs=5_000_000)


def ended(plan: Plan, count: int) -> list[Entry]:
    """A search of so many trials; accuracy is the number of layers, somehow."""
    proposer, entries = Proposer(plan), []
    for number in range(count):
        member = proposer(number, entries)
        accuracy = (sum(plan.space.genome(member["choices"]).at) % 17) / 17
        entries.append(Entry(number, member, {"accuracy": accuracy, "images": 1000}))
    return entries


def test_every_other_trial_is_chances_own() -> None:
    plan = Plan(CIFAR, BUDGET, 3, "evolution", seed=3)
    entries = ended(plan, 20)
    assert [plan.lane(i) for i in range(4)] == ["evolution", "random", "evolution", "random"]
    alone = searcher("evolution", Feasible(CIFAR, BUDGET), seed=3)
    for trial in plan.trials(entries, "evolution"):
        assert trial.number % 2 == 0
        alone.tell(trial)
    alone.taken(plan.genome(entry) for entry in entries)
    assert Proposer(plan)(20, entries) == {"choices": alone.ask(20).settings, "epochs": 3}
    assert {plan.lane(i) for i in range(9)} == {"evolution", "random"}
    assert {Plan(CIFAR, BUDGET, 3, "evolution", baseline=False).lane(i) for i in range(9)} == {"evolution"}


def test_what_it_says_depends_on_the_trials_alone() -> None:
    """A worker that comes late says what one says that was there from the beginning."""
    plan = Plan(CIFAR, BUDGET, 3, "evolution")
    entries = ended(plan, 30)
    assert ended(plan, 30) == entries
    stays = Proposer(plan)
    for known in (5, 12, 30, 12):  # the last: a trial of another worker was not seen before
        assert stays(30, entries[:known]) == Proposer(plan)(30, entries[:known])


def test_the_better_third_is_trained_for_three_times_as_long() -> None:
    plan = Plan(CIFAR, BUDGET, 9, "random", baseline=False, halving=Halving(3, 1, 9))
    assert plan.halving is not None
    assert plan.halving.rungs == (1, 3, 9)
    entries = ended(plan, 60)
    by_epochs = {n: [entry for entry in entries if entry.member["epochs"] == n] for n in (1, 3, 9)}
    counts = {n: len(some) for n, some in by_epochs.items()}
    assert counts[3] == pytest.approx(counts[1] / 3, abs=4)  # who was among the best third once need not stay there
    assert counts[9] == pytest.approx(counts[3] / 3, abs=4)
    members = [entry.member["choices"] for entry in by_epochs[1]]
    assert all(entry.member["choices"] in members for entry in by_epochs[3])
    assert len({str(entry.member) for entry in entries}) == 60
    score = lambda some: np.mean([entry.outcome["accuracy"] for entry in some])
    assert score(by_epochs[9]) > score(by_epochs[3]) > score(by_epochs[1])  # the score is the same at all rungs here
    told = plan.trials(entries, "random")
    assert len(told) == counts[1]  # a member once, by its longest training
    assert {trial.number for trial in told} >= {entry.number for entry in by_epochs[9]}


def test_halving_that_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="from 1 epochs by 4 needs at least 4 epochs in the recipe, which has 3"):
        Halving(4, 1, 3).check()
    with pytest.raises(SpecError, match="keeps one in two or more"):
        Halving(1, 1, 9).check()


def test_a_filter_is_the_searchers_alone() -> None:
    scored = []

    def score(genome: Genome) -> float:
        scored.append(genome)
        return float(sum(genome.at))

    plan = Plan(CIFAR, BUDGET, 3, "evolution", filter="made up", of=6, score=score)
    with_it, without = Proposer(plan), Proposer(Plan(CIFAR, BUDGET, 3, "evolution"))
    taken = CIFAR.genome(with_it(0, [])["choices"])
    assert len(scored) == 6
    assert sum(taken.at) == max(sum(genome.at) for genome in scored)
    assert with_it(1, []) == without(1, [])
    assert len(scored) == 6


def test_members_that_others_work_on_are_not_proposed() -> None:
    plan = Plan(CIFAR, BUDGET, 3, "random", seed=1)
    first = Proposer(plan)(7, [])
    assert Proposer(plan)(7, [Entry(3, first)]) != first


def test_what_a_cost_is() -> None:
    genome = CIFAR.draw(1, seed=0)[0]
    assert Plan(CIFAR, Budget(), 3).cost_words == "MACs of one image"
    assert Plan(CIFAR, Budget(weight_bytes=10**6), 3).cost_words == "bytes of weights"
    small = Plan(CIFAR, Budget(params=10**6, macs=10**8), 3)
    assert small.cost_words == "parameters of one image"
    assert (
        small.cost(genome)
        == small.trials([Entry(0, {"choices": genome.settings, "epochs": 3}, {"accuracy": 0.5})], "evolution")[0].cost
    )
    timed = Plan(CIFAR, Budget(latency_ms=5, target=Target(threads=1)), 3, latency=lambda genome: 3.0)
    assert timed.cost_words == "milliseconds on eager (1 thread, batch 1), predicted"
    assert timed.cost(genome) == 3.0


def test_a_soft_reward_is_the_controllers_and_needs_a_limit() -> None:
    plan = Plan(CIFAR, BUDGET, 3, "ppo", soft=True)
    controller = Proposer(plan)._new("ppo")
    assert isinstance(controller, Controller)
    assert controller.reward == Reward(plan.target) != ACCURACY
    assert plan.target == BUDGET.limits[plan._costly]
    chance = Proposer(plan)._new("random")
    assert not hasattr(chance, "reward")
    timed = Plan(CIFAR, Budget(latency_ms=5.0), 3, "ppo", latency=lambda genome: 3.0, soft=True)
    assert timed.target == 5.0
    with pytest.raises(StudyError, match="a soft reward is for the controller: --searcher ppo, got tpe"):
        Plan(CIFAR, BUDGET, 3, "tpe", soft=True)
    with pytest.raises(StudyError, match="give a limit"):
        Plan(CIFAR, Budget(), 3, "ppo", soft=True)


def rows(*pairs: tuple[float, float], images: int = 1000) -> list[found.Row]:
    """Trials of (accuracy, cost), the searcher's and chance's in turn."""
    genome = CIFAR.draw(1, seed=0)[0]
    lanes = ("evolution", "random")
    return [
        found.Row(i, lanes[i % 2], genome, cost, 3, {"accuracy": accuracy, "images": images})
        for i, (accuracy, cost) in enumerate(pairs)
    ]


def test_the_best_the_front_and_the_trajectory() -> None:
    some = rows((0.5, 10), (0.7, 20), (0.7, 15), (0.6, 30), (0.4, 5), (0.5, 12))
    assert [row.number for row in found.ranked(some)][:2] == [2, 1]
    assert [row.number for row in found.front(some)] == [4, 0, 2]
    assert found.trajectory(some) == {
        "evolution": [(1, 0.5), (2, 0.7), (3, 0.7)],
        "random": [(1, 0.7), (2, 0.7), (3, 0.7)],
    }


@pytest.mark.parametrize(
    ("pairs", "images", "words"),
    [
        (((0.9, 1), (0.8, 1)), 1000, "90.00%, best of chance at equal trials 80.00%: 10.00% more, beyond the ± 3.10%"),
        (((0.8, 1), (0.9, 1)), 1000, "10.00% less, beyond"),
        (((0.9, 1), (0.8, 1)), 20, "no difference that 20 validation images could show"),
    ],
)
def test_the_searcher_beside_chance(pairs: Any, images: int, words: str) -> None:
    assert words in found.verdict(rows(*pairs, images=images), Plan(CIFAR, BUDGET, 3))


def test_without_a_baseline_nothing_is_compared() -> None:
    assert found.verdict(rows((0.9, 1), (0.8, 1)), Plan(CIFAR, BUDGET, 3, baseline=False)) == ""
    assert found.verdict(rows((0.9, 1)), Plan(CIFAR, BUDGET, 3)) == ""


def test_trials_are_told_with_their_cost() -> None:
    plan = Plan(CIFAR, BUDGET, 3)
    entries = ended(plan, 6)
    told = plan.trials(entries, "random")
    assert [trial.number for trial in told] == [1, 3, 5]
    assert all(isinstance(trial, Trial) and 0 < trial.cost <= 5_000_000 for trial in told)
    assert [row.cost for row in found.rows(plan, entries)][1::2] == [trial.cost for trial in told]
