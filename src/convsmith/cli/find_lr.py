"""`convsmith find-lr`: the learning rate that a network takes, from a short run that changes nothing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from convsmith.cli import options
from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_network

UNTAUGHT = "its start and that of guessing"
FORMS = ("html", "svg", "png", "json")


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
    recipe: options.RecipeName = None,
    config: options.RecipeFile = None,
    set_: options.RecipeChanges = None,
    lowest: Annotated[float, typer.Option(help="The learning rate of the first step.")] = 1e-6,
    highest: Annotated[float, typer.Option(help="The learning rate of the last step, if the loss lasts.")] = 10.0,
    steps: Annotated[int, typer.Option(help="Steps from the lowest to the highest.")] = 100,
    out: Annotated[str | None, typer.Option("--out", "-o", help="Write the curve: .html, .svg, .png or .json.")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="The chart for a dark ground.")] = False,
    side: Annotated[
        int | None, typer.Option(help="Side of the images that the network sees; by default the network's own.")
    ] = None,
    channels: options.Channels = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, weights and order, as for train.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the curve as JSON.")] = False,
) -> None:
    """Let the learning rate grow over a few steps of training and see where the loss falls.

    Example: convsmith find-lr digits -n resnet20 -o lr.svg
    """
    import json
    from pathlib import Path

    from convsmith.cli import inputs, say
    from convsmith.cli.words import network_of, settings
    from convsmith.nn import build
    from convsmith.report.chart_file import form_of
    from convsmith.search import start_from
    from convsmith.spec.files import write_whole
    from convsmith.train.settings import settle

    form = None if out is None else form_of(Path(out), FORMS)
    chosen = settle(recipe, None if config is None else Path(config), settings(set_ or [])).recipe
    described, screen = network_of(network), say.console()
    loaded = inputs.load_data(data, screen, channels=channels, seed=seed)
    described = inputs.fitted(described, loaded, side)
    assert isinstance(described.side, int)  # `fitted` refuses others
    net = build(described, seed=seed)
    if weights is not None:
        start_from(net, weights)
    curve = _found(net, loaded.resized(described.side), chosen, screen, seed=seed, rates=(lowest, highest), steps=steps)
    about = {"network": described.name, "data": loaded.name, "recipe": chosen.name, "recipe_lr": chosen.lr}
    record = about | curve.to_json()
    if out is not None:
        write_whole(Path(out), _drawn(record, str(form), dark))
    if json_:
        print(json.dumps(record, ensure_ascii=False))
    elif curve.suggestion is None:
        where = f"from {lowest:g} to {highest:g}"
        screen.print(
            f"{where} the loss does not fall below {UNTAUGHT} by more than noise; try more --steps", markup=False
        )
    else:
        print(f"{curve.suggestion:.2g}")
        screen.print(f"suggested lr {curve.suggestion:.2g}; recipe {chosen.name} has {chosen.lr:g}", markup=False)
        screen.print(f"to train with it, add --set lr={curve.suggestion:.2g}", markup=False)
    if out is not None:
        screen.print(f"chart {out}", markup=False)


def _found(net: Any, data: Any, recipe: Any, screen: Any, *, seed: int, rates: tuple[float, float], steps: int) -> Any:
    """The curve, with a progress bar."""
    from rich.progress import Progress

    from convsmith.train.find_lr import find_lr

    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("learning rate", total=steps)

        def progress(done: int, total: int, lr: float, loss: float) -> None:
            bar.update(task, completed=done, total=total, description=f"lr {lr:.1e} · loss {loss:.3f}")

        lowest, highest = rates
        return find_lr(net, data, recipe, seed=seed, lowest=lowest, highest=highest, steps=steps, progress=progress)


def _drawn(record: dict[str, Any], form: str, dark: bool) -> bytes:
    import json

    if form == "json":
        return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()
    from convsmith.report.chart_file import drawn
    from convsmith.report.lr_chart import lr_chart

    title = f"Learning rate of {record['network']} on {record['data']}, recipe {record['recipe']}"
    return drawn(lr_chart(record, record["recipe_lr"], title=title), form, title=title, dark=dark)
