"""The main job: the best design inside a hard budget, for these images.

Plan (arithmetic and a short measurement), race on the validation split, then train the winner by the whole recipe.
Every step is in the run folder before the next begins, so that an interrupted job goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convsmith.data import Data
from convsmith.nn import Net, build, fill, read_weights
from convsmith.search.budget import Budget
from convsmith.search.designs import Design, Shortlist, race_field, within
from convsmith.search.estimate import Speed, measure_speed, training_bytes
from convsmith.search.race import LARGEST, Entry, race, rungs
from convsmith.spec.errors import RunError
from convsmith.train import Recipe, Run, Watch, train

PROBE_MACS = 30_000_000
"""The speed of this machine is measured on designs of at most so many MACs, so that planning stays short."""

TRAINING_MACS = 10**13
"""Without a limit on MACs or time: at most so many forward MACs in a training, some ten minutes of two CPU cores.

A count and not a measured time, so that the same command races the same designs on a busy machine.
"""


@dataclass(frozen=True)
class Plan:
    """What will be tried. `recipe` is settled; `seconds` is what race and training are estimated to take.

    Of `considered` designs `over_budget` break the budget and `over_time` of the rest would train too long.
    """

    budget: Budget
    entries: tuple[Entry, ...]
    considered: int
    over_budget: int
    over_time: int
    recipe: Recipe
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in race.json."""
        counts = {"considered": self.considered, "over_budget": self.over_budget, "over_time": self.over_time}
        estimate = {"estimated_seconds": round(self.seconds, 1), "race_images": LARGEST}
        return {
            "budget": self.budget.to_json(),
            **counts,
            **estimate,
            "candidates": [e.to_json() for e in self.entries],
        }


def make_plan(data: Data, budget: Budget, recipe: Recipe, *, count: int = 8, longest: float | None = None) -> Plan:
    """Up to `count` designs to race, by arithmetic alone but for `longest`.

    longest  leaves out designs whose training is estimated, from a measurement here, to take more seconds; without it
             and without a limit on MACs, designs are left out by `TRAINING_MACS`

    Raises BudgetError, with the smallest design there is, if nothing fits the budget.
    """
    recipe = recipe.settled(len(data.train), data.flip)
    shortlist = within(budget, data.channels, len(data.classes), data.side)
    speed = measure_speed(_probes(shortlist), recipe)
    images = len(data.train)
    quick = _quick(shortlist.designs, budget, recipe, images, speed, longest)
    field = race_field(Shortlist(quick, shortlist.considered), budget, count)
    entries = tuple(_entry(design, speed, images, recipe) for design in field)
    over_time = len(shortlist.designs) - len(quick)
    seconds = _total(entries, min(images, LARGEST), images, speed, recipe)
    return Plan(budget, entries, shortlist.considered, shortlist.over_budget, over_time, recipe, seconds)


def _quick(
    designs: Sequence[Design], budget: Budget, recipe: Recipe, images: int, speed: Speed, longest: float | None
) -> tuple[Design, ...]:
    """The designs that train in the time there is; the quickest one if none does."""
    assert recipe.epochs is not None
    if longest is None and budget.macs is not None:
        return tuple(designs)
    passes = images * recipe.epochs

    def work(design: Design) -> float:
        return (
            passes * design.cost.macs / TRAINING_MACS
            if longest is None
            else speed.training(design, images, recipe) / longest
        )

    return tuple(design for design in designs if work(design) <= 1) or (min(designs, key=work),)


def run_race(run: Run, plan: Plan, data: Data, *, seed: int, watch: Watch) -> Design:
    """Race the plan's entries, keeping race.json up to date, and store the winner as the run's spec.json."""

    def saved() -> None:
        run.write_json("race.json", plan.to_json())

    saved()
    winner = race(plan.entries, data, plan.recipe, seed=seed, watch=watch, saved=saved)
    run.write_spec(winner.design.network)
    return winner.design


def stored_plan(run: Run, recipe: Recipe) -> Plan:
    """The plan of an interrupted run, with the scores that it has. Raises RunError if race.json is broken."""
    data = run.read_json("race.json")
    try:
        entries = tuple(Entry.from_json(row) for row in data["candidates"])
        counts = (data["considered"], data["over_budget"], data["over_time"])
        return Plan(Budget(**data["budget"]), entries, *counts, recipe, data["estimated_seconds"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.path('race.json')} is broken ({error}); start a new run") from None


def train_run(run: Run, data: Data, recipe: Recipe, *, seed: int, watch: Watch) -> tuple[Net, Data]:
    """Train the run's network by the whole recipe; `data` is brought to the network's side."""
    network = run.network
    assert isinstance(network.side, int)  # networks that train here are square
    data = data.resized(network.side)
    run.update(data=run.about["data"] | {"preprocess": data.preprocess.to_json()})
    net = build(network, seed=seed)
    if (source := run.about.get("weights")) is not None:
        start_from(net, source)
    train(net, data, recipe, seed=seed, run=run, watch=watch, title=f"train · {network.name}")
    return net, data


def start_from(net: Net, source: str) -> None:
    """Fill a network with weights made for other classes (the head starts anew) or channels (they are adapted)."""
    name = net.network.name
    fill(net, read_weights(source, name), source, new_head=True, adapt=True)


def _probes(shortlist: Shortlist) -> tuple[Design, ...]:
    ordered = sorted(shortlist.designs, key=lambda design: design.cost.macs)
    modest = [design for design in ordered if design.cost.macs <= PROBE_MACS] or ordered[:1]
    return modest[0], modest[-1]


def _entry(design: Design, speed: Speed, images: int, recipe: Recipe) -> Entry:
    seconds = round(speed.training(design, images, recipe), 1)
    return Entry(design, training_bytes(design.cost, min(recipe.batch, images)), seconds)


def _total(entries: tuple[Entry, ...], raced: int, images: int, speed: Speed, recipe: Recipe) -> float:
    """Estimated seconds of the race and the winner's training; the entries are taken to cost their mean."""
    assert recipe.epochs is not None
    mean = sum(speed.training(entry.design, raced, recipe) for entry in entries) / len(entries)
    epochs, running = 0, len(entries)
    for rung in rungs(recipe.epochs, len(entries)) if len(entries) > 1 else ():
        epochs += rung * running
        running = max(1, running // 2)
    return mean * epochs / recipe.epochs + sum(e.seconds for e in entries) / len(entries)
