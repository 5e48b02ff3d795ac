"""What every searcher keeps to, and that each finds more than chance does where there is something to find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from convsmith.search.budget import Budget
from convsmith.search.costs import costs_of
from convsmith.search.searchers import SEARCHERS, Feasible, Searcher, Trial, searcher
from convsmith.search.spaces import Choice, Genome, Space, space
from convsmith.search.target import Target
from convsmith.spec import Conv, Flatten, Linear, Network, PoolTo, Seq
from convsmith.spec.errors import BudgetError, UnknownName

CIFAR = space("cifar_mb")


def tiny(settings: object) -> Network:
    return Network(Seq(conv=Conv(4), pool=PoolTo(1), flat=Flatten, fc=Linear(2)), 8, 3, 2, "tiny")


SMALL = Space(
    "small", "twelve members",
    (Choice("a", (0, 1, 2)), Choice("b", ("x", "y"), when=("a", (1, 2))), Choice("c", (True, False)),
     Choice("d", (1, 2), when=("b", ("y",)))), tiny,
)  # fmt: skip
THERE = [
    name
    for name in SEARCHERS
    if name not in ("tpe", "nsga2") or pytest.importorskip("importlib.util").find_spec("optuna")
]


def run(found: Searcher, trials: int, accuracy: Callable[[Genome], float], start: int = 0) -> list[Genome]:
    asked = []
    for number in range(start, start + trials):
        genome = found.ask(number)
        asked.append(genome)
        found.tell(Trial(number, genome, accuracy(genome), float(sum(genome.at))))
    return asked


def matches(wanted: Genome) -> Callable[[Genome], float]:
    """The share of options that are those of one member: no choice depends on another."""
    return lambda genome: sum(a == b for a, b in zip(genome.at, wanted.at, strict=True)) / len(wanted.at)


@pytest.mark.parametrize("name", THERE)
def test_nothing_over_budget_is_ever_asked(name: str) -> None:
    budget = Budget(params=60_000, macs=8_000_000)
    found = searcher(name, Feasible(CIFAR, budget), seed=1)
    for genome in run(found, 60, lambda genome: np.tanh(costs_of(genome.graph)[2] / 1e7)):  # large ones are better
        params, _, macs, _, _ = costs_of(genome.graph)
        assert params <= 60_000
        assert macs <= 8_000_000


@pytest.mark.parametrize("name", THERE)
def test_no_member_is_asked_for_twice_while_there_are_others(name: str) -> None:
    found = searcher(name, Feasible(SMALL, Budget()), seed=0)
    asked = run(found, SMALL.size, lambda genome: genome.at[0] / 2)
    assert len(set(asked)) == SMALL.size
    assert found.ask(99) in asked  # then again


@pytest.mark.parametrize("name", THERE)
def test_a_search_goes_on_from_what_it_was_told(name: str) -> None:
    """Another searcher of the same seed, told the same trials, asks the same."""
    accuracy = matches(CIFAR.draw(1, seed=9)[0])
    one, other = (searcher(name, Feasible(CIFAR, Budget()), seed=3) for _ in range(2))
    run(one, 30, accuracy)
    for trial in one.trials:
        other.tell(trial)
    assert run(one, 10, accuracy, start=30) == run(other, 10, accuracy, start=30)


@pytest.mark.parametrize("name", THERE)
def test_several_trials_are_out_at_a_time_and_come_back_in_any_order(name: str) -> None:
    found, random = searcher(name, Feasible(CIFAR, Budget()), seed=3), np.random.default_rng(0)
    for round_ in range(8):
        out = [(4 * round_ + i, found.ask(4 * round_ + i)) for i in range(4)]
        assert len({genome for _, genome in out}) == 4
        for i in random.permutation(4):
            number, genome = out[i]
            found.tell(Trial(number, genome, float(random.random())))
    assert len(found.trials) == 32


@pytest.mark.parametrize("name", [name for name in THERE if name not in ("random", "nsga2")])
def test_a_searcher_finds_more_than_chance(name: str) -> None:
    """The mean of three seeds after 120 trials, where each choice matters by itself."""

    def best(kind: str, seed: int) -> float:
        found = searcher(kind, Feasible(CIFAR, Budget()), seed=seed)
        accuracy = matches(CIFAR.draw(1, seed=100 + seed)[0])
        run(found, 120, accuracy)
        return max(trial.accuracy for trial in found.trials)

    ours, chance = (np.mean([best(kind, seed) for seed in range(3)]) for kind in (name, "random"))
    assert ours > chance + 0.05


def test_members_within_a_budget_are_drawn_alike() -> None:
    feasible, random = Feasible(SMALL, Budget()), np.random.default_rng(0)
    drawn = [feasible.draw(random) for _ in range(3000)]
    counts = [drawn.count(member) for member in SMALL.members()]
    assert min(counts) > 0.7 * 3000 / SMALL.size


def test_a_budget_that_leaves_nothing_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.search.searchers.feasible.BLOCKS", 5)
    with pytest.raises(BudgetError, match="no member of cifar_mb was found within 10 MACs; the nearest: "):
        Feasible(CIFAR, Budget(macs=10)).draw(np.random.default_rng(0))


def test_latencies_are_told_once_and_held_to() -> None:
    told: list[Genome] = []

    def latency(genome: Genome) -> float:
        told.append(genome)
        return float(genome.at[0])

    feasible = Feasible(SMALL, Budget(latency_ms=1.5, target=Target()), latency)
    random = np.random.default_rng(0)
    assert {feasible.draw(random).at[0] for _ in range(60)} == {0, 1}
    assert len(told) == len(set(told)) <= SMALL.size


def test_a_name_that_is_none() -> None:
    with pytest.raises(UnknownName, match=r"no searcher is called 'evolutoin'; did you mean 'evolution'\?"):
        searcher("evolutoin", Feasible(SMALL, Budget()))
