"""The main job: the best design inside a hard budget, for these images.

Plan (arithmetic and a short measurement), race on the validation split, then train the winner by the whole recipe.
Every step is in the run folder before the next begins, so that an interrupted job goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.nn.weights import Origin, load
from convsmith.search.budget import Budget
from convsmith.search.designs import Design, race_field, within
from convsmith.search.estimate import training_bytes, training_seconds
from convsmith.search.race import LARGEST, Entry, race, race_epochs, rungs
from convsmith.spec.errors import BudgetError, RunError
from convsmith.spec.network import Network
from convsmith.train import Recipe, Run, Watch, train
from convsmith.train.normalisation import as_trained
from convsmith.train.runtime import Runtime, Solo
from convsmith.train.setup import Setup
from convsmith.train.sharding import unsharded
from convsmith.train.warm_start import warm_start

Timer = Callable[[Network], float]
"""Milliseconds of a network, measured."""

TRAINING_MACS = 10**13
"""Without a limit on MACs or time: at most so many forward MACs in a training, some ten minutes of two CPU cores.

A count and not a measured time, so that the same command races the same designs on a busy machine.
"""


@dataclass(frozen=True)
class Plan:
    """What will be tried. `recipe` is settled; `seconds` is what race and training are estimated to take.

    Of `considered` designs `over_budget` break the budget by arithmetic; `over_latency` of the rest were measured to
    answer too slowly, and `over_time` would train too long.
    """

    budget: Budget
    entries: tuple[Entry, ...]
    considered: int
    over_budget: int
    over_time: int
    recipe: Recipe
    seconds: float
    over_latency: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in race.json."""
        counts = {"considered": self.considered, "over_budget": self.over_budget, "over_time": self.over_time}
        counts |= {"over_latency": self.over_latency}
        estimate = {"estimated_seconds": round(self.seconds, 1), "race_images": LARGEST}
        return {
            "budget": self.budget.to_json(),
            **counts,
            **estimate,
            "candidates": [e.to_json() for e in self.entries],
        }


def make_plan(
    data: Data, budget: Budget, recipe: Recipe, *,
    count: int = 8, longest: float | None = None, timer: Timer | None = None,
) -> Plan:  # fmt: skip
    """Up to `count` designs to race, chosen by arithmetic alone but for `longest` and a budget of latency.

    longest  leaves out designs whose training takes more seconds by the time of a few steps here; without it and
             without a limit on MACs, designs are left out by `TRAINING_MACS`
    timer    milliseconds of a network on the budget's target; none that takes longer than the budget is raced

    Raises BudgetError, with the smallest or fastest design there is, if nothing fits the budget.
    """
    images, recipe = len(data.train), recipe.settled(len(data.train), data.flip)
    shortlist = within(budget, data.channels, len(data.classes), data.side)
    possible, slow = shortlist.designs, 0
    if longest is None and budget.macs is None:
        possible = _light(shortlist.designs, images, recipe)
        slow = len(shortlist.designs) - len(possible)
    seconds: dict[Design, float] = {}
    latencies: dict[Design, float] = {}

    def strain(design: Design) -> float:
        if budget.latency_ms is not None:
            assert timer is not None, "a budget of latency needs somebody who measures"
            latencies[design] = round(timer(design.network), 3)
            if latencies[design] > budget.latency_ms:
                return latencies[design] / budget.latency_ms
        seconds[design] = round(training_seconds(design.network, images, recipe), 1)
        return 0.0 if longest is None else seconds[design] / longest

    field = race_field(possible, budget, count, strain)
    if budget.latency_ms is not None and not seconds:
        raise BudgetError(_too_slow(budget, latencies))
    slow += len(seconds) - len(field)
    field = field or (min(seconds, key=lambda design: seconds[design]),)
    batch = min(recipe.batch, images)
    entries = tuple(
        Entry(design, training_bytes(design.cost, batch), seconds[design], latencies.get(design)) for design in field
    )
    total = _total([entry.seconds for entry in entries], images, recipe)
    late = len(latencies) - len(seconds) if latencies else 0
    return Plan(budget, entries, shortlist.considered, shortlist.over_budget, slow, recipe, total, late)


def _too_slow(budget: Budget, latencies: dict[Design, float]) -> str:
    fastest = min(latencies, key=lambda design: latencies[design])
    return (
        f"no design answers in {budget.latency_ms:g} ms on {budget.target}; the fastest of {len(latencies)} that were "
        f"tried: {fastest.name} with {latencies[fastest]:.3g} ms; allow more by --max-latency"
    )


def _light(designs: Sequence[Design], images: int, recipe: Recipe) -> tuple[Design, ...]:
    """The designs that train within `TRAINING_MACS`; the lightest one if none does."""
    assert recipe.epochs is not None
    most = TRAINING_MACS / (images * recipe.epochs)
    light = tuple(design for design in designs if design.cost.macs <= most)
    return light or (min(designs, key=lambda design: design.cost.macs),)


def hurried(plan: Plan, images: int, seconds: float) -> Plan:
    """The plan with fewer designs, those last in it left out, until race and training are estimated to end in time; the
    one that is left has as many epochs as fit. See `epochs_in`, which decides once the race has measured them."""
    entries = list(plan.entries)
    while len(entries) > 1 and _total([entry.seconds for entry in entries], images, plan.recipe) > seconds:
        entries.pop()
    total, recipe = _total([entry.seconds for entry in entries], images, plan.recipe), plan.recipe
    assert recipe.epochs is not None
    if total > seconds:
        epochs = max(1, int(recipe.epochs * seconds / total))  # below 0 where planning has taken all the time
        total, recipe = total * epochs / recipe.epochs, replace(recipe, epochs=epochs)
    return replace(plan, entries=tuple(entries), recipe=recipe, seconds=total)


def epochs_in(entry: Entry, recipe: Recipe, images: int, seconds: float) -> int:
    """Epochs of the whole training that fit into so many seconds: at most the recipe's, at least one. By what an epoch
    took in the race, on fewer images; without a race, by what it was estimated to take."""
    assert recipe.epochs is not None
    epoch = entry.seconds / recipe.epochs
    if entry.scores:
        last = entry.scores[-1]
        epoch = last["seconds"] / last["epochs"] * images / min(images, LARGEST)
    return max(1, min(recipe.epochs, int(seconds / epoch)))


def run_race(run: Run, plan: Plan, data: Data, *, seed: int, watch: Watch, until: float = float("inf")) -> Design:
    """Race the plan's entries, keeping race.json up to date, and store the winner as the run's spec.json; the race ends
    when the clock (`time.monotonic`) passes `until`."""

    def saved() -> None:
        run.write_json("race.json", plan.to_json())

    saved()
    winner = race(plan.entries, data, plan.recipe, seed=seed, watch=watch, saved=saved, until=until)
    run.write_spec(winner.design.network)
    return winner.design


def stored_plan(run: Run, recipe: Recipe) -> Plan:
    """The plan of an interrupted run, with the scores that it has. Raises RunError if race.json is broken."""
    data = run.read_json("race.json")
    try:
        entries = tuple(Entry.from_json(row) for row in data["candidates"])
        counts = (data["considered"], data["over_budget"], data["over_time"])
        late = data.get("over_latency", 0)
        return Plan(Budget.from_json(data["budget"]), entries, *counts, recipe, data["estimated_seconds"], late)
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.path('race.json')} is broken ({error}); start a new run") from None


def train_run(
    run: Run, data: Data, recipe: Recipe, *,
    seed: int, watch: Watch, runtime: Runtime | None = None, title: str | None = None,
) -> tuple[Net, Data]:  # fmt: skip
    """Train the run's network by the whole recipe; `data` is brought to the network's side.

    One process writes the run; all of them return the trained network.
    """
    network, runtime = run.network, runtime or Solo()
    assert isinstance(network.side, int)  # networks that train here are square
    data = data.resized(network.side)
    if (source := run.about.get("weights")) is not None:
        data = replace(data, preprocess=as_trained(data.preprocess, network.name, source))
    if runtime.main:
        run.update(data=run.about["data"] | {"preprocess": data.preprocess.to_json()})
    net = build(network, seed=seed)
    if source is not None and not run.begun:
        # a checkpoint holds them already, so that the file may have gone
        start_from(net, source, run.about.get("weights_sha256"))
    if (shallower := run.about.get("init_from")) is not None and not run.begun:
        warm_start(net, Run.open(Path(shallower)))
    setup = Setup.from_json(run.about["setup"]) if "setup" in run.about else Setup()
    title = title or f"train · {network.name}"
    train(net, data, recipe, seed=seed, run=run, watch=watch, title=title, setup=setup, runtime=runtime)
    return unsharded(net), data


def start_from(net: Net, source: str, sha256: str | None = None) -> Origin:
    """Fill a network with weights made for other classes (the head starts anew) or channels (they are adapted).

    `sha256` is what the file must have, as its run recorded it.
    """
    return load(net, source, new_head=True, adapt=True, sha256=sha256)


def _total(seconds: Sequence[float], images: int, recipe: Recipe) -> float:
    """Estimated seconds of the race and of the winner's training.

    Which designs go on is not known yet, so each rung is taken to cost the entries' mean.
    """
    assert recipe.epochs is not None
    mean, running, epochs = sum(seconds) / len(seconds), len(seconds), 0
    for rung in rungs(race_epochs(recipe, images), running) if running > 1 else ():
        epochs += rung * running
        running = max(1, running // 2)
    return mean * epochs / recipe.epochs * min(images, LARGEST) / images + mean
