"""`convsmith evaluate`: a trained run on its own test split, or on other images."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded


@guarded
def command(
    run: Annotated[str, typer.Argument(help="The run folder.")],
    data: Annotated[str | None, typer.Option(help="Other images: a set's name, a folder, .zip, .tar or .csv.")] = None,
    split: Annotated[
        str | None, typer.Option(help="train, val, test or all; by default test, of a source without one all.")
    ] = None,
    skip_unreadable: Annotated[bool, typer.Option("--skip-unreadable", help="Leave broken image files out.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Measure a trained network: top-1, top-5, loss, per-class precision and recall. The run's class map is enforced.

    Example: convsmith evaluate runs/digits --split val
    """
    import json
    from pathlib import Path

    from convsmith.cli import inputs, say
    from convsmith.data import load_set
    from convsmith.spec.errors import DataError
    from convsmith.train import Run, evaluate, restore

    if split not in (None, "train", "val", "test", "all"):
        raise DataError(f"no split is called {split!r}; say train, val, test or all")
    screen, opened = say.console(quiet=json_), Run.open(Path(run))
    trained = restore(opened)
    if data is None:
        images = inputs.split_of(inputs.reload(opened, screen), trained.preprocess, split or "test")
        name = split or "test"
    else:
        options = {"split": split, "skip_unreadable": skip_unreadable}
        images, findings = load_set(data, preprocess=trained.preprocess, classes=trained.classes, **options)  # type: ignore[arg-type]
        say.findings(findings, screen)
        name = split or data
    result = evaluate(trained.net, images, trained.preprocess, trained.classes, name)
    if json_:
        print(json.dumps(result.to_json(), ensure_ascii=False))
        return
    top5 = "" if result.top5 is None else f", top-5 {result.top5:.2%}"
    print(f"{name}: top-1 {result.top1:.2%}{top5}, loss {result.loss:.4f} on {result.n:,} images")
    width = max(len("class"), *(len(row["class"]) for row in result.per_class))
    print(f"{'class':{width}}  precision  recall      f1       n")
    for row in result.per_class:
        rates = (f"{row[key]:.2%}" if row[key] is not None else "none" for key in ("precision", "recall", "f1"))
        precision, recall, f1 = rates
        print(f"{row['class']:{width}}  {precision:>9}  {recall:>6}  {f1:>6}  {row['n']:>6,}")
