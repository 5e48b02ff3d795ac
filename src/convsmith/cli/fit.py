"""`convsmith fit`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli import options
from convsmith.cli.guard import guarded

if TYPE_CHECKING:
    from rich.console import Console

    from convsmith.search import Plan

PLANNING, TRAINING, USABLE = 0.1, 0.6, 0.9
"""Of the time: timing candidates; the winner's training; what is planned with, as the rest is for surprises."""
LEAST = 0.25
"""Of the recipe's epochs, what a design must have time for."""
HARMLESS = {"epochs", "flip"}
"""Changes to a recipe that are meant for whatever trains; with others, only networks that any recipe suits race."""
FINISH = 10.0
"""Seconds for the test, the export and the report, of which there is half of the time at most."""


@guarded
def command(
    data: Annotated[
        str,
        typer.Argument(help="A built-in set (digits, cifar10, ...), a folder of class folders, .zip, .tar or .csv."),
    ],
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    max_weights: options.MaxWeights = None,
    max_memory: options.MaxMemory = None,
    max_latency: Annotated[
        str | None, typer.Option(help="At most so long for a batch on --target, measured here: 5ms, 0.8ms.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE[,threads=N][,batch=N]",
            help="Where --max-latency holds: eager (the default), compiled, onnxruntime or openvino.",
        ),
    ] = None,
    latency_table: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A table of `profile-device`: what it shows to be too slow is not timed."),
    ] = None,
    out: Annotated[str | None, typer.Option(help="The run folder; by default runs/NAME-DATE-TIME.")] = None,
    candidates: Annotated[int, typer.Option(min=1, max=64, help="How many designs race.")] = 8,
    longest: Annotated[
        str | None,
        typer.Option("--max-train-time", help="Leave out designs that would train longer here: 90s, 10m, 2h."),
    ] = None,
    time_: Annotated[
        str | None,
        typer.Option(
            "--time",
            help="Minutes or more: fewer designs race, the winner trains for fewer epochs, to end in about so long.",
        ),
    ] = None,
    recipe: options.RecipeName = None,
    config: options.RecipeFile = None,
    set_: options.RecipeChanges = None,
    side: options.Side = None,
    channels: options.Channels = None,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Whether mirror images keep their class.")
    ] = None,
    pretrained: Annotated[
        bool,
        typer.Option(
            "--pretrained/--no-pretrained", help="Whether networks with trained weights that are at hand race, too."
        ),
    ] = True,
    seed: options.Seed = 0,
    track_: Annotated[
        list[str] | None,
        typer.Option("--track", metavar="tensorboard|mlflow|wandb", help="Record the winner's training there, too."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    skip_unreadable: options.SkipUnreadable = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result (or the plan) as one JSON object.")] = False,
) -> None:
    """Find and train the best network inside a hard budget, for your images.

    Example: convsmith fit digits --max-params 100k --max-macs 4M
    """
    import json
    import time
    from pathlib import Path

    from convsmith.cli import carry, inputs, say, track
    from convsmith.cli.learning import advised
    from convsmith.cli.words import duration, settings, size
    from convsmith.search import Budget, hurried, make_plan
    from convsmith.train import Run, default_folder, settle
    from convsmith.train.setup import Setup

    begun, screen = time.perf_counter(), say.console()
    sizes = (size(max_params), size(max_macs), size(max_weights), size(max_memory))
    budget, timer = Budget(*sizes), None
    if (max_latency, target, latency_table) != (None, None, None):
        budget, timer = inputs.with_latency(budget, max_latency, target, latency_table, screen)
    changes = settings(set_ or []) | ({} if flip is None else {"flip": flip})
    file = None if config is None else Path(config)
    settled = settle(recipe, file, changes)
    own = recipe is not None or file is not None
    finetuned = settle(recipe if own else "finetune", file, changes)
    limit = None if longest is None else duration(longest)
    end = None if time_ is None else begun + duration(time_)
    trackers = track.asked(track_ or [])
    folder = Path(out) if out else None
    if folder is not None and not dry_run:
        Run.check_free(folder)
    how: dict[str, Any] = {"side": side, "channels": channels, "seed": seed, "skip_unreadable": skip_unreadable}
    inputs.check_budget(budget, data, side, channels)
    loaded = inputs.load_data(data, screen, **how)
    until, least = float("inf"), 1.0
    if end is not None:
        most = TRAINING * usable(end)
        limit = most if limit is None else min(limit, most)
        until, least = time.monotonic() + PLANNING * usable(end), LEAST
    finetuned, why = advised(finetuned, len(loaded.train))
    recipes = {"finetune": finetuned.recipe} if pretrained else {}
    if not own and changes.keys() <= HARMLESS:
        recipes["fast"] = settle("fast", None, changes).recipe
    plan = make_plan(
        loaded, budget, settled.recipe, count=candidates, longest=limit, timer=timer, until=until, least=least,
        recipes=recipes,
        choose=lambda network: carry.alone(network, loaded, settled.recipe, screen),
    )  # fmt: skip
    if end is not None:
        plan = hurried(plan, len(loaded.train), usable(end))
    say.plan(plan, screen)
    if dry_run:
        print(json.dumps(plan.to_json(), ensure_ascii=False)) if json_ else screen.print("dry run: nothing was trained")
        return
    more: dict[str, Any] = {"budget": budget.to_json(), "origins": settled.changed, "track": trackers}
    more |= {"advice": why, "setup": Setup(plan.execution).to_json()}
    record = inputs.about("fit", loaded, plan.recipe, source=data, seed=seed, load_options=how, **more)
    run = Run.create(folder or default_folder(loaded.name), record)
    run.write_json("race.json", plan.to_json())
    verdict = go_on(run, plan, loaded, seed, screen, end)
    say.verdict(verdict, screen, begun)
    if json_:
        print(json.dumps(verdict, ensure_ascii=False))


def usable(end: float) -> float:
    """Seconds until the clock (`time.perf_counter`) says `end`, less what has to be left over."""
    import time

    left = end - time.perf_counter()
    return max(USABLE * left - FINISH, left / 2)


def go_on(run: Any, plan: Plan, data: Any, seed: int, screen: Console, end: float | None = None) -> dict[str, Any]:
    """Race where no winner is stored yet, train, finish; by the clock (`time.perf_counter`) where there is an `end`.
    Ctrl-C leaves a run that `resume` goes on with, then without an end."""
    import time
    from dataclasses import replace

    from convsmith.cli import finish, track
    from convsmith.search import epochs_in, run_race, train_run
    from convsmith.train import Bar, Recipe

    with finish.resumable(run, screen):
        if not run.has("spec.json"):
            until = float("inf") if end is None else time.monotonic() + (1 - TRAINING) * usable(end)
            winner = run_race(run, plan, data, seed=seed, watch=Bar(screen, every_epoch=False), until=until)
            screen.print(f"chosen: [bold]{winner.design.name}[/bold]")
            if winner.design.weights is not None and (why := run.about["transfer"]):
                screen.print(why, markup=False)
        recipe = Recipe.from_json(run.about["recipe"])
        if end is not None:
            (entry,) = [entry for entry in plan.entries if entry.chosen]
            recipe = replace(recipe, epochs=epochs_in(entry, recipe, len(data.train), len(data.val), usable(end)))
            run.update(recipe=recipe.to_json())
            screen.print(f"{recipe.epochs} epochs fit the time that is left")
        with track.tracked(run, Bar(screen), screen) as watch:
            net, data = train_run(run, data, recipe, seed=seed, watch=watch)
            return finish.finish(run, net, data, screen)
