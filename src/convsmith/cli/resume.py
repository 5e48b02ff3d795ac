"""`convsmith resume`: go on with a run that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from convsmith.cli.guard import guarded

if TYPE_CHECKING:
    from convsmith.train import Run
    from convsmith.train.runtime import Runtime


@guarded
def command(
    run: Annotated[str, typer.Argument(help="The run folder.")],
    track_: Annotated[
        list[str] | None,
        typer.Option("--track", metavar="tensorboard|mlflow|wandb|none", help="Record it there, too; none: nowhere."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Go on with an interrupted run to its end, from its folder alone; the result is that of a run never stopped.

    Example: convsmith resume runs/digits
    """
    from pathlib import Path

    from convsmith.train import Run
    from convsmith.train.runtime import connect

    runtime = connect()
    with runtime.together():
        go_on(Run.open(Path(run)), runtime, json_, track_ or [])


def go_on(run: Run, runtime: Runtime, json_: bool, trackers: Sequence[str] = ()) -> None:
    """To the end of a run, from its folder alone; `trackers` join those that it has."""
    import time

    from convsmith.cli import fit, inputs, say, track, train
    from convsmith.search import stored_plan
    from convsmith.spec.errors import RunError
    from convsmith.train import Recipe

    begun, screen = time.perf_counter(), say.console(quiet=not runtime.main)
    if run.status == "complete":
        screen.print(f"{run.folder} is complete: {run.path('report.html')}", markup=False)
        return
    if run.about["task"] == "fit" and runtime.size > 1:
        raise RunError(f"{run.folder} is a fit, which one process races and trains: resume it without torchrun")
    track.joined(run, trackers, runtime)
    with runtime.first():
        seed, data = run.about["seed"], inputs.reload(run, screen)
    if run.about["task"] == "fit":
        recipe = Recipe.from_json(run.about["recipe"])
        verdict = fit.go_on(run, stored_plan(run, recipe), data, seed, screen)
    else:
        verdict = train.go_on(run, data, seed, screen, runtime)
    inputs.ended(verdict, screen, begun, json_)
