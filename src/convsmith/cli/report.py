"""`convsmith report`: write a run's report and card again."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded


@guarded
def command(
    run: Annotated[str, typer.Argument(help="The run folder.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the paths as one JSON object.")] = False,
) -> None:
    """Write report.html and card.md of a run from what its folder holds, and print where they are.

    Example: convsmith report runs/digits
    """
    import json
    from pathlib import Path

    from convsmith.report import write_card, write_report

    paths = {"report": str(write_report(Path(run))), "card": str(write_card(Path(run)))}
    print(json.dumps(paths) if json_ else "\n".join(f"{name} {path}" for name, path in paths.items()))
