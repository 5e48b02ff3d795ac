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
from convsmith.search.study.halving import Halving, halving_of
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


@pytest.mark.parametrize(("by", "rungs"), [("examples", (1100, 3300, 9900)), ("side", (10, 32))])
def test_halving_by_what_is_not_epochs(by: str, rungs: tuple[int, ...]) -> None:
    halving = halving_of(3, None, by, {"epochs": 9, "examples": 9900, "side": 32})
    assert halving.rungs == rungs
    plan = Plan(CIFAR, BUDGET, 9, "random", baseline=False, halving=halving)
    entries = ended(plan, 30)
    assert {entry.member["epochs"] for entry in entries} == {9}
    assert {entry.member[by] for entry in entries} == set(rungs)
    rows = found.rows(plan, entries)
    assert [row.to_json()[by] for row in rows] == [entry.member[by] for entry in entries]
    assert len(plan.trials(entries, "random")) == sum(entry.member[by] == rungs[0] for entry in entries)


def test_halving_that_cannot_be_is_refused() -> None:
    full = {"epochs": 9, "examples": 1000, "side": 32}
    with pytest.raises(SpecError, match="500 examples by 3 needs at least 1500 images to learn from, and there are 10"):
        halving_of(3, 500, "examples", full)
    with pytest.raises(SpecError, match="16 side by 3 needs at least 48 pixels of a side, and images have 32"):
        halving_of(3, 16, "side", full)
    with pytest.raises(SpecError, match="halving is by epochs, examples, side, got 'sides'; did you mean 'side'"):
        halving_of(3, 16, "sides", full)
    with pytest.raises(SpecError, match="from 1 epochs by 4 needs at least 4 epochs in the recipe, which has 3"):
        Halving(4, 1, 3).check()
    with pytest.raises(SpecError, match="keeps one in two or more, from 1 on"):
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
    genomes, lanes = CIFAR.draw(len(pairs), seed=0), ("evolution", "random")
    return [
        found.Row(i, lanes[i % 2], genomes[i], cost, {"epochs": 3}, {"accuracy": accuracy, "images": images})
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


def halved(*runs: dict[int, float]) -> list[found.Row]:
    """A member each, of every other lane, with its accuracy by epochs."""
    genomes, lanes = CIFAR.draw(len(runs), seed=0), ("evolution", "random")
    each = [(i, epochs, accuracy) for i, run in enumerate(runs) for epochs, accuracy in run.items()]
    return [
        found.Row(number, lanes[i % 2], genomes[i], 1, {"epochs": epochs}, {"accuracy": accuracy, "images": 1000})
        for number, (i, epochs, accuracy) in enumerate(each)
    ]


@pytest.mark.parametrize(
    ("runs", "order"),
    [
        (({1: 0.5, 3: 0.6}, {1: 0.4}, {1: 0.45}), [0, 2, 1]),  # longer, and better when it was alike
        (({1: 0.4, 3: 0.6}, {1: 0.5}), [1, 0]),  # better when it was alike, and has not gone on in time
        (({1: 0.5, 3: 0.6, 9: 0.7}, {1: 0.4, 3: 0.65}), [1, 0]),
        (({1: 0.5, 3: 0.6, 9: 0.7}, {1: 0.55}), [0, 1]),  # who has gone on twice stays ahead
        (({1: 0.5, 3: 0.6, 9: 0.7}, {1: 0.4, 3: 0.5}, {1: 0.45}), [0, 2, 1]),
        (({3: 0.6}, {3: 0.7}, {3: 0.65}), [1, 2, 0]),
    ],
)
def test_who_was_trained_for_less_is_held_to_what_others_had_then(runs: Any, order: list[int]) -> None:
    some = halved(*runs)
    genomes = CIFAR.draw(len(runs), seed=0)
    best = found.ranked(some)
    assert [genomes.index(row.genome) for row in best[: len(runs)]] == order
    assert [row.fidelity["epochs"] for row in best[: len(runs)]] == [max(runs[i]) for i in order]
    assert sorted(row.number for row in best) == list(range(len(some)))
    assert best[len(runs) :] == sorted(best[len(runs) :], key=lambda row: -row.accuracy)


def test_no_trial_is_left_out_where_a_member_was_trained_twice() -> None:
    """As in a space that is smaller than the search."""
    once, again = halved({1: 0.5, 3: 0.6}), halved({1: 0.5, 3: 0.7})
    some = [*once, *(row._replace(number=row.number + len(once)) for row in again)]
    assert sorted(row.number for row in found.ranked(some)) == [0, 1, 2, 3]


def test_the_searcher_and_chance_are_compared_by_what_both_had() -> None:
    plan = Plan(CIFAR, BUDGET, 9, halving=Halving(3, 1, 9))
    said = found.verdict(halved({1: 0.5, 3: 0.7}, {1: 0.5, 3: 0.6, 9: 0.8}), plan)
    assert said.startswith("best of evolution 70.00%, best of chance at equal trials 60.00%, both with epochs 3: 10.00")


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
