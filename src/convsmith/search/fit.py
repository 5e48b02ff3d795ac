"""The main job: the best design inside a hard budget, for these images.

Plan (arithmetic and a short measurement), race on the validation split, then train the winner by the whole recipe.
Every step is in the run folder before the next begins, so that an interrupted job goes on from there.
"""

from __future__ import annotations

from pathlib import Path

from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.nn.weights import read_weights
from convsmith.search.plan import Plan
from convsmith.search.race import Entry, race
from convsmith.search.start import start_from, suited
from convsmith.train import Recipe, Run, Watch, train
from convsmith.train.runtime import Runtime, Solo
from convsmith.train.setup import Setup
from convsmith.train.sharding import unsharded
from convsmith.train.warm_start import warm_start


def run_race(run: Run, plan: Plan, data: Data, *, seed: int, watch: Watch, until: float = float("inf")) -> Entry:
    """Race the plan's entries, keeping race.json up to date, and store the winner as the run's spec.json, with its
    recipe and weights in run.json; the race ends when the clock (`time.monotonic`) passes `until`."""

    def saved() -> None:
        run.write_json("race.json", plan.to_json())

    saved()
    winner = race(plan.entries, data, plan.recipe, seed=seed, watch=watch, saved=saved, until=until,
                  recipes=plan.recipes, setup=setup_of(run))  # fmt: skip
    network, source = winner.design.network, winner.design.weights
    run.update(recipe=plan.recipe_of(winner).to_json())
    if source is not None:
        origin = read_weights(source, network.name).origin
        run.update(weights=origin.source, weights_sha256=origin.sha256, transfer=run.about.get("advice", ""))
    run.write_spec(network)
    return winner


def setup_of(run: Run) -> Setup:
    """How the run's trainings are carried out."""
    return Setup.from_json(run.about["setup"]) if "setup" in run.about else Setup()


def train_run(
    run: Run, data: Data, recipe: Recipe, *,
    seed: int, watch: Watch, runtime: Runtime | None = None, title: str | None = None,
) -> tuple[Net, Data]:  # fmt: skip
    """Train the run's network by the whole recipe; `data` is brought to the network's side.

    One process writes the run; all of them return the trained network.
    """
    network, runtime = run.network, runtime or Solo()
    assert isinstance(network.side, int)  # networks that train here are square
    source = run.about.get("weights")
    data = suited(data.resized(network.side), network.name, source)
    if runtime.main:
        run.update(data=run.about["data"] | {"preprocess": data.preprocess.to_json()})
    net = build(network, seed=seed)
    if source is not None and not run.begun:
        # a checkpoint holds them already, so that the file may have gone
        start_from(net, source, run.about.get("weights_sha256"))
    if (shallower := run.about.get("init_from")) is not None and not run.begun:
        warm_start(net, Run.open(Path(shallower)))
    title = title or f"train · {network.name}"
    train(net, data, recipe, seed=seed, run=run, watch=watch, title=title, setup=setup_of(run), runtime=runtime)
    return unsharded(net), data
