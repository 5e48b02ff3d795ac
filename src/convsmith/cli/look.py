"""`convsmith look`: what a trained network's answers rest on."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded

SPLITS = (None, "train", "val", "test", "all")


@guarded
def command(
    run: Annotated[str, typer.Argument(help="The run folder.")],
    images: Annotated[
        list[str] | None, typer.Argument(metavar="[IMAGE]...", help="Image files or folders; without, the mistakes.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Path of the layer; by default the last with a map.")] = None,
    class_: Annotated[str | None, typer.Option("--class", help="A class that is looked at besides.")] = None,
    data: Annotated[str | None, typer.Option(help="Mistakes on other images: a set, folder, .zip, .tar, .csv.")] = None,
    split: Annotated[
        str | None, typer.Option(help="train, val, test or all; by default test, of a source without one all.")
    ] = None,
    mistakes: Annotated[int, typer.Option(metavar="N", min=1, help="How many mistakes are shown.")] = 6,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE.html", help="The page; by default look.html of the run.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Look inside a trained network: Grad-CAM, occlusion, filters, feature maps, signals and gradients by depth.

    Without images it looks at the most confident mistakes of the run's own test split.

    Example: convsmith look runs/digits

    Example: convsmith look runs/pets photo.jpg --class dog --layer layer3 -o photo.html
    """
    import json
    from pathlib import Path

    from convsmith.cli import looked, looking, say
    from convsmith.cli.evaluate import page_at
    from convsmith.report.look import write_look
    from convsmith.spec.errors import DataError, RunError

    if split not in SPLITS:
        raise DataError(f"no split is called {split!r}; say train, val, test or all")
    if images and (data is not None or split is not None):
        raise DataError("look takes image files or a set's mistakes; name images, or --data and --split, not both")
    if not Path(run, "run.json").is_file():
        raise RunError(f"{run} is not a run folder: it has no run.json")
    page = page_at(out or str(Path(run, "look.html")))
    screen = say.console(quiet=json_)
    subject = looking.subject_of(run, layer, class_)
    seen = looking.named(subject, images) if images else looking.wrong(subject, screen, data, split, mistakes)
    record = looked.record(subject, seen, screen)
    write_look(page, record)
    screen.print(f"page {page}", markup=False)
    told = looked.told(record)
    if json_:
        print(json.dumps(told | {"page": str(page)}, ensure_ascii=False))
        return
    for row in told["images"]:
        said = ", ".join(f"{v['class']} {v['probability']:.1%} ({v['role']})" for v in row["views"])
        print(f"{row['name']}: {said}")
