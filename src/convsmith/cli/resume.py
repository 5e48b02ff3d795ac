"""`convsmith resume`: go on with a run that was stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded


@guarded
def command(
    run: Annotated[str, typer.Argument(help="The run folder.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Go on with an interrupted run to its end, from its folder alone; the result is that of a run never stopped.

    Example: convsmith resume runs/digits
    """
    import json
    import time
    from pathlib import Path

    from convsmith.cli import fit, inputs, say, train
    from convsmith.search import stored_plan
    from convsmith.train import Recipe, Run

    begun, screen = time.perf_counter(), say.console()
    opened = Run.open(Path(run))
    if opened.status == "complete":
        screen.print(f"{run} is complete: {opened.path('report.html')}", markup=False)
        return
    seed, data = opened.about["seed"], inputs.reload(opened, screen)
    if opened.about["task"] == "fit":
        recipe = Recipe.from_json(opened.about["recipe"])
        verdict = fit.go_on(opened, stored_plan(opened, recipe), data, seed, screen)
    else:
        verdict = train.go_on(opened, data, seed, screen)
    say.verdict(verdict, screen, begun)
    if json_:
        print(json.dumps(verdict, ensure_ascii=False))
