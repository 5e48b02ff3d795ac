"""`convsmith doctor`: what is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded


@guarded
def command(
    data: Annotated[str, typer.Argument(help="A built-in set, a folder of class folders, .zip, .tar or .csv.")],
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Check a data set: empty classes, broken files, duplicates across splits, imbalance. Exit code 1 if it has errors.

    Example: convsmith doctor photos/
    """
    import json

    from convsmith.data import diagnose

    findings = diagnose(data)
    if json_:
        print(json.dumps([{"level": f.level, "message": f.message} for f in findings], ensure_ascii=False))
    else:
        print("\n".join(f"{f.level}: {f.message}" for f in findings) or "nothing wrong")
    if any(f.level == "error" for f in findings):
        raise typer.Exit(1)
