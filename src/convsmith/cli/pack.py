"""`convsmith pack`: a data set as one file of pixels that opens at once, or as tar shards."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded


@guarded
def command(
    data: Annotated[str, typer.Argument(help="A built-in set, a folder of class folders, .zip, .tar or .csv.")],
    out: Annotated[str, typer.Option(help="The packed file (NAME.packed), or with --shards a new folder.")],
    side: Annotated[int | None, typer.Option(help="Pixels of each side; default: as `train` would choose.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 (grey) or 3 (colour); default: what the images are.")] = None,
    shards: Annotated[int | None, typer.Option(metavar="N", help="Write tar shards of N files each instead.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the splits that the source lacks.")] = 0,
    skip_unreadable: Annotated[bool, typer.Option("--skip-unreadable", help="Leave out broken files.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Decode a data set once, for trainings that then read it without delay: DATA of other commands can be the file.

    Example: convsmith pack photos/ --side 256 --out photos.packed
    """
    import json
    import shlex
    from pathlib import Path
    from typing import Any

    from rich.progress import Progress

    from convsmith.cli import say
    from convsmith.data.packing import pack
    from convsmith.data.sharding import write_shards
    from convsmith.data.tars import pattern_of
    from convsmith.spec.errors import DataError
    from convsmith.views.units import short

    if shards is not None and (side is not None or channels is not None):
        raise DataError("--shards keeps the files as they are: leave out --side and --channels")
    screen, to = say.console(), Path(out).expanduser()
    options: dict[str, Any] = {"seed": seed, "skip_unreadable": skip_unreadable}
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(f"packing {data}")
        options["progress"] = lambda done, total: bar.update(task, completed=done, total=total)
        if shards is not None:
            tars = write_shards(data, to, shards, **options)
            verdict: dict[str, Any] = {"shards": {split: len(paths) for split, paths in tars.items()}, "out": out}
            counts = ", ".join(f"{len(paths)} {split}" for split, paths in tars.items())
            places = {split: shlex.quote(pattern_of([str(path) for path in paths])) for split, paths in tars.items()}
            given = "".join(f" --{split} {places[split]}" for split in ("val", "test"))
            said = f"{out}: {counts} shards of up to {shards:,} images; convsmith train {places['train']}{given} -n ..."
        else:
            made = pack(data, to, side=side, channels=channels, **options)
            size = to.stat().st_size
            images = len(made.train) + len(made.val) + len(made.test)
            verdict = {
                "out": out, "images": images, "classes": len(made.classes), "channels": made.channels,
                "side": made.side, "bytes": size, "fingerprint": made.fingerprint,
            }  # fmt: skip
            shape = f"{made.channels}×{made.side}×{made.side}"
            said = f"{out}: {images:,} images of {len(made.classes)} classes, {shape}, {short(size, 'B')}"
            say.findings(made.findings, screen)
    screen.print(said, markup=False)
    if json_:
        print(json.dumps(verdict, ensure_ascii=False))
