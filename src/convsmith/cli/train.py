"""`convsmith train`: one network, one recipe, one run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_network


@guarded
def command(
    data: Annotated[
        str,
        typer.Argument(help="A built-in set (digits, cifar10, ...), a folder of class folders, .zip, .tar or .csv."),
    ],
    network: Annotated[
        str,
        typer.Option(
            "--network",
            "-n",
            autocompletion=complete_network,
            help="A name of the zoo, a description (.json) or a run folder.",
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(help="Start from a .safetensors or .pth file, torchvision:ENTRY, timm:NAME or package:NAME."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="The training recipe.")] = "default",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set lr=0.05.")
    ] = None,
    side: Annotated[
        int | None, typer.Option(help="Side of the images that the network sees; by default the network's own.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="The run folder; by default runs/NAME-DATE-TIME.")] = None,
    channels: Annotated[int | None, typer.Option(help="Read images as 1 (grey) or 3 (colour) channels.")] = None,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Whether mirror images keep their class.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, weights and order.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print cost, memory and time, and stop.")] = False,
    skip_unreadable: Annotated[bool, typer.Option("--skip-unreadable", help="Leave broken image files out.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Train a network on your images: the head takes their number of classes, the input their channels.

    Example: convsmith train digits --network lenet5 --set epochs=20
    """
    import json
    import time
    from pathlib import Path

    from convsmith.cli import inputs, say
    from convsmith.cli.words import network_of, settings
    from convsmith.nn import build
    from convsmith.search import start_from
    from convsmith.train import Run, default_folder, override
    from convsmith.train import recipe as named

    begun, screen = time.perf_counter(), say.console()
    chosen = override(named(recipe), settings(set_ or []) | ({} if flip is None else {"flip": flip}))
    described = network_of(network)
    folder = Path(out) if out else None
    if folder is not None and not dry_run:
        Run.check_free(folder)
    options: dict[str, Any] = {"channels": channels, "seed": seed, "skip_unreadable": skip_unreadable}
    loaded = inputs.load_data(data, screen, **options)
    described = inputs.fitted(described, loaded, side)
    settled = chosen.settled(len(loaded.train), loaded.flip)
    say.cost_of(described, loaded, settled, screen)
    origin = None if weights is None else start_from(build(described), weights)  # refused before there is a run
    if dry_run:
        return
    start = {"weights": origin and origin.source, "weights_sha256": origin and origin.sha256}
    record = inputs.about("train", loaded, settled, source=data, seed=seed, load_options=options, **start)
    run = Run.create(folder or default_folder(f"{loaded.name}-{described.name}"), record)
    run.write_spec(described)
    verdict = go_on(run, loaded, seed, screen)
    say.verdict(verdict, screen, begun)
    if json_:
        print(json.dumps(verdict, ensure_ascii=False))


def go_on(run: Any, data: Any, seed: int, screen: Any) -> dict[str, Any]:
    """Train to the end and finish. Ctrl-C leaves a run that `resume` goes on with."""
    from convsmith.cli import finish
    from convsmith.search import train_run
    from convsmith.train import Bar, Recipe

    with finish.resumable(run, screen):
        net, data = train_run(run, data, Recipe.from_json(run.about["recipe"]), seed=seed, watch=Bar(screen))
        return finish.finish(run, net, data, screen)
