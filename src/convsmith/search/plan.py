"""What `fit` will try: designs within the budget, chosen by arithmetic and a short measurement.

Four kinds race: designs of the zoo scaled to the images, networks whose trained weights are at hand, one that learns
small images in few minutes, and members of a mobile space. Each has to be within the budget before a weight of it
exists.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from convsmith.data import Data
from convsmith.search.budget import Budget
from convsmith.search.candidate import Candidate
from convsmith.search.designs import Design, race_field, within
from convsmith.search.drawn import drawn
from convsmith.search.estimate import FORWARD, training_bytes, training_seconds
from convsmith.search.quick import quick
from convsmith.search.race import LARGEST, Entry, race_epochs, rungs
from convsmith.search.trained import trained
from convsmith.spec.errors import BudgetError, RunError, SpecError
from convsmith.spec.network import Network
from convsmith.train import Recipe, Run
from convsmith.train.execution import Execution

Timer = Callable[[Network], float]
"""Milliseconds of a network, measured."""
Chooser = Callable[[Network], Execution]
"""How trainings of about this size are carried out."""

TRAINING_MACS = 10**13
"""Without a limit on MACs or time: at most so many forward MACs in a training, some ten minutes of two CPU cores.

A count and not a measured time, so that the same command races the same designs on a busy machine.
"""
SHARE = 4
"""One in so many candidates has trained weights, and one is a member of a space, if there are such."""


@dataclass(frozen=True)
class Plan:
    """What will be tried. `recipe` is settled; `seconds` is what race and training are estimated to take.

    Of `considered` designs `over_budget` break the budget by arithmetic; `over_latency` of the rest were measured to
    answer too slowly, and `over_time` would train too long.

    recipes    those of candidates that are made for one, by name, settled
    execution  how all are trained
    """

    budget: Budget
    entries: tuple[Entry, ...]
    considered: int
    over_budget: int
    over_time: int
    recipe: Recipe
    seconds: float
    over_latency: int = 0
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    execution: Execution = field(default_factory=Execution)

    def recipe_of(self, entry: Entry) -> Recipe:
        """By which an entry trains."""
        return self.recipe if entry.design.recipe is None else self.recipes[entry.design.recipe]

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in race.json."""
        counts = {"considered": self.considered, "over_budget": self.over_budget, "over_time": self.over_time}
        counts |= {"over_latency": self.over_latency}
        estimate = {"estimated_seconds": round(self.seconds, 1), "race_images": LARGEST}
        recipes = {"recipes": {name: one.to_json() for name, one in self.recipes.items()}} if self.recipes else {}
        return {
            "budget": self.budget.to_json(),
            **counts,
            **estimate,
            **recipes,
            "candidates": [e.to_json() for e in self.entries],
        }


def make_plan(
    data: Data, budget: Budget, recipe: Recipe, *,
    count: int = 8, longest: float | None = None, timer: Timer | None = None, until: float = float("inf"),
    least: float = 1.0, recipes: Mapping[str, Recipe] | None = None, choose: Chooser | None = None,
) -> Plan:  # fmt: skip
    """Up to `count` designs to race, chosen by arithmetic alone but for `longest` and a budget of latency.

    longest  leaves out designs whose training takes more seconds by the time of a few steps here; without it and
             without a limit on MACs, designs are left out by `TRAINING_MACS`
    least    share of the recipe's epochs that a design must have time for within `longest`: a large network in fewer
             epochs can do better than a small one in all of them, and the race, shortened alike, tells
    timer    milliseconds of a network on the budget's target; none that takes longer than the budget is raced
    until    when the clock (`time.monotonic`) passes it, the race has those that are found; one at least
    recipes  by name, for candidates that are made for one (`finetune`, `fast`); those whose recipe is missing are left
             out
    choose   how to train, asked with the largest design of which a training is no more than some minutes

    Raises BudgetError, with the smallest or fastest design there is, if nothing fits the budget.
    """
    images, recipe = len(data.train), recipe.settled(len(data.train), data.flip)
    recipes = {name: one.settled(images, data.flip) for name, one in (recipes or {}).items()}
    shape = {"side": data.side, "channels": data.channels, "classes": len(data.classes)}
    shortlist = within(budget, data.channels, len(data.classes), data.side)
    known = trained(**shape) if "finetune" in recipes else []
    small = quick(**shape) if "fast" in recipes else []
    light = _light(shortlist.designs, _most(images, recipe) / least)
    possible, most = shortlist.designs, float("inf")
    if longest is None and budget.macs is None:
        possible, most = light, _most(images, recipe)
    execution = Execution() if choose is None else choose(max(light, key=lambda one: one.macs).network)
    sieve = _Sieve(budget, images, recipe, recipes, execution, longest, least, timer, until)
    if longest is not None:
        possible = _light(possible, sieve.macs_in_time(max(light, key=lambda one: one.macs)))

    def possible_of(some: Sequence[Candidate]) -> list[Candidate]:
        return [one for one in some if budget.allows(one) and one.macs <= most]

    def others() -> Iterator[Candidate]:
        yield from possible_of(known)[: max(1, count // SHARE)]
        yield from islice(filter(sieve.passes, possible_of(small)), 1)
        if not sieve.enough():
            yield from drawn(budget, count // SHARE, macs=most, **shape)

    some = tuple(filter(sieve.passes, others()))
    field = some + race_field(possible, budget, count - len(some), sieve.strain, sieve.enough)
    if not sieve.seconds:
        raise BudgetError(_too_slow(budget, sieve.latencies))
    entries = tuple(map(sieve.entry, field or (min(sieve.seconds, key=lambda one: sieve.seconds[one]),)))
    more = [*known, *small]
    heavy = len(shortlist.designs) - len(possible) + sum(one.macs > most for one in more)
    return Plan(
        budget, entries, shortlist.considered + len(more),
        shortlist.over_budget + sum(not budget.allows(one) for one in more),
        heavy + len(sieve.seconds) - len(field), recipe, _total(entries, images, recipe),
        len(sieve.latencies) - len(sieve.seconds) if sieve.latencies else 0,
        {name: one for name, one in recipes.items() if any(entry.design.recipe == name for entry in entries)},
        execution,
    )  # fmt: skip


@dataclass
class _Sieve:
    """Times candidates, and holds back who answers or trains too slowly; see `make_plan`."""

    budget: Budget
    images: int
    recipe: Recipe
    recipes: Mapping[str, Recipe]
    execution: Execution
    longest: float | None
    least: float
    timer: Timer | None
    until: float
    seconds: dict[Candidate, float] = field(default_factory=dict)
    latencies: dict[Candidate, float] = field(default_factory=dict)
    passed: set[Candidate] = field(default_factory=set)

    def macs_in_time(self, design: Candidate) -> float:
        """MACs of a network that trains within the time at the pace of this design."""
        assert self.longest is not None
        took = training_seconds(design.network, self.images, self.recipe, self.execution)
        return design.macs * self.longest / (self.least * took)

    def strain(self, design: Candidate) -> float:
        """Above 1: too slow, by this factor."""
        if self.budget.latency_ms is not None:
            assert self.timer is not None, "a budget of latency needs somebody who measures"
            self.latencies[design] = round(self.timer(design.network), 3)
            if self.latencies[design] > self.budget.latency_ms:
                return self.latencies[design] / self.budget.latency_ms
        how = self.recipe if design.recipe is None else self.recipes[design.recipe]
        self.seconds[design] = round(training_seconds(design.network, self.images, how, self.execution), 1)
        found = 0.0 if self.longest is None else self.least * self.seconds[design] / self.longest
        if found <= 1:
            self.passed.add(design)
        return found

    def passes(self, design: Candidate) -> bool:
        """Whether it is quick enough, which is timed once; no further one is when there is `enough`."""
        return design in self.passed or (not self.enough() and self.strain(design) <= 1)

    def enough(self) -> bool:
        """Whether there is a candidate, and no time for further ones."""
        return bool(self.passed) and time.monotonic() > self.until

    def entry(self, design: Candidate) -> Entry:
        """In the race, with the share of the recipe's epochs that there is time for."""
        took, memory = self.seconds[design], training_bytes(design.cost, min(self.recipe.batch, self.images))
        late = self.longest is not None and took > self.longest
        share = round(max(self.least, (self.longest or 0.0) / took), 3) if late else 1.0
        return Entry(design, memory, took, self.latencies.get(design), share=share)


def _too_slow(budget: Budget, latencies: dict[Candidate, float]) -> str:
    fastest = min(latencies, key=lambda design: latencies[design])
    return (
        f"no design answers in {budget.latency_ms:g} ms on {budget.target}; the fastest of {len(latencies)} that were "
        f"tried: {fastest.name} with {latencies[fastest]:.3g} ms; allow more by --max-latency"
    )


def _most(images: int, recipe: Recipe) -> float:
    """MACs of a network that trains within `TRAINING_MACS`."""
    assert recipe.epochs is not None
    return TRAINING_MACS / (images * recipe.epochs)


def _light(designs: Sequence[Design], most: float) -> tuple[Design, ...]:
    """The designs of at most so many MACs; the lightest one if none is."""
    light = tuple(design for design in designs if design.cost.macs <= most)
    return light or (min(designs, key=lambda design: design.cost.macs),)


def hurried(plan: Plan, images: int, seconds: float) -> Plan:
    """The plan with fewer designs, those last in it left out, until race and training are estimated to end in time; the
    one that is left has as many epochs as fit. See `epochs_in`, which decides once the race has measured them."""
    entries = list(plan.entries)
    while len(entries) > 1 and _total(entries, images, plan.recipe) > seconds:
        entries.pop()
    total, recipe = _total(entries, images, plan.recipe), plan.recipe
    assert recipe.epochs is not None
    if total > seconds:
        epochs = max(1, int(recipe.epochs * seconds / total))  # below 0 where planning has taken all the time
        total, recipe = total * epochs / recipe.epochs, replace(recipe, epochs=epochs)
    return replace(plan, entries=tuple(entries), recipe=recipe, seconds=total)


def epochs_in(entry: Entry, recipe: Recipe, images: int, checked: int, seconds: float) -> int:
    """Epochs of the whole training that fit into so many seconds: at most the recipe's, at least one. By what an epoch
    took in the race, on fewer images but as many (`checked`) to validate; without a race, by what it was estimated to
    take."""
    assert recipe.epochs is not None
    epoch = entry.seconds / recipe.epochs
    if entry.scores:
        last = entry.scores[-1]
        forward = FORWARD * checked
        epoch = last["seconds"] / last["epochs"] * (images + forward) / (min(images, LARGEST) + forward)
    return max(1, min(recipe.epochs, int(seconds / epoch)))


def stored_plan(run: Run, recipe: Recipe) -> Plan:
    """The plan of an interrupted run, with the scores that it has. Raises RunError if race.json is broken."""
    data = run.read_json("race.json")
    try:
        entries = tuple(Entry.from_json(row) for row in data["candidates"])
        counts = (data["considered"], data["over_budget"], data["over_time"])
        recipes = {name: Recipe.from_json(one) for name, one in data.get("recipes", {}).items()}
        return Plan(
            Budget.from_json(data["budget"]), entries, *counts, recipe, data["estimated_seconds"],
            data.get("over_latency", 0), recipes,
        )  # fmt: skip
    except (KeyError, TypeError, SpecError) as error:
        raise RunError(f"{run.path('race.json')} is broken ({error}); start a new run") from None


def _total(entries: Sequence[Entry], images: int, recipe: Recipe) -> float:
    """Estimated seconds of the race and of the winner's training.

    Which designs go on is not known yet, so each rung is taken to cost the entries' mean.
    """
    assert recipe.epochs is not None
    mean, running, epochs = sum(one.seconds * one.share for one in entries) / len(entries), len(entries), 0
    for rung in rungs(race_epochs(recipe, images), running) if running > 1 else ():
        epochs += rung * running
        running = max(1, running // 2)
    return mean * epochs / recipe.epochs * min(images, LARGEST) / images + mean
