"""`convsmith scale`: find alpha, beta and gamma for a network on one's images, and compare rules of growing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli import options
from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_network

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from convsmith.search.scale import Scaled


@guarded
def command(
    data: Annotated[str, typer.Argument(help="A built-in set (digits, ...), a folder of class folders, .zip, .csv.")],
    network: Annotated[
        str,
        typer.Option("--network", "-n", autocompletion=complete_network, help="The network to make larger: phi = 0."),
    ],
    phi: Annotated[str, typer.Option(help="Where the rules are compared: 1,2,3.")] = "1,2",
    times: Annotated[float, typer.Option(help="How many times the multiply-adds phi = 1 makes.")] = 2.0,
    step: Annotated[float, typer.Option(help="Of the grid of alpha, beta and gamma.")] = 0.1,
    near: Annotated[float, typer.Option(help="How far from --times a point of the grid may be, as a share.")] = 0.06,
    recipe: options.RecipeName = None,
    config: options.RecipeFile = None,
    set_: options.RecipeChanges = None,
    channels: options.Channels = None,
    seed: options.Seed = 0,
    out: Annotated[
        str | None, typer.Option(help="The folder, whose trainings are gone on with; by default runs/NAME-DATE-TIME.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be trained, and stop.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Search alpha, beta and gamma of compound scaling, then grow by them and by one dimension alone, and compare.

    Example: convsmith scale digits --network resnet20 --phi 1,2 --set epochs=3
    """
    import json
    from pathlib import Path

    from convsmith.cli import carry, inputs, say
    from convsmith.cli.words import network_of, settings
    from convsmith.search.compound import grid
    from convsmith.search.scale import compared, searched, study, winner
    from convsmith.search.study.trial import train_trial
    from convsmith.spec.errors import SpecError
    from convsmith.spec.files import write_whole
    from convsmith.train import Bar, Interrupted, default_folder, settle
    from convsmith.train.setup import Setup

    screen = say.console()
    how: dict[str, Any] = {"channels": channels, "seed": seed}
    phis, factors = _phis(phi), grid(times, step, near)
    settled = settle(recipe, None if config is None else Path(config), settings(set_ or []))
    loaded = inputs.load_data(data, screen, **how)
    base = inputs.fitted(network_of(network), loaded, loaded.side)
    points = searched(base, factors)
    if not points:
        raise SpecError(f"{base.name} cannot be made larger by any of these factors; choose another network")
    screen.print(
        f"{len(points)} networks of about {times:g} times the multiply-adds, then "
        f"{len(compared(base, points[0].factors, phis))} to compare rules", markup=False,
    )  # fmt: skip
    if dry_run:
        for point in points:
            screen.print(f"  {point.factors}: {point.folder}", markup=False)
        return
    folder = Path(out) if out else default_folder(f"scale-{loaded.name}")
    kept = settled.recipe.settled(len(loaded.train), loaded.flip)
    record = inputs.about("train", loaded, kept, source=data, seed=seed, load_options=how)
    record["setup"] = Setup(carry.alone(base, loaded, kept, screen, carry.LIGHT // len(points))).to_json()
    bar = Bar(screen, every_epoch=False)

    def train(where: Path, some: Any, title: str) -> dict[str, Any]:
        return train_trial(where, some, loaded, kept, record, seed=seed, watch=bar, title=title)

    found: list[Scaled] = []
    try:
        for one in study(base, factors, phis, folder, train):
            found.append(one)
            screen.print(f"{one.rule} phi {one.phi:g} · {one.factors} · {one.accuracy:.2%}", markup=False)
    except (Interrupted, KeyboardInterrupt):
        screen.print(f"stopped; the same command with --out {folder} goes on", markup=False)
        raise SystemExit(130) from None
    best = winner(found).factors
    report = {
        "network": base.name, "best": best._asdict(), "times": best.times, "seed": seed,
        "recipe": kept.to_json(), "networks": [one.to_json() for one in found],
    }  # fmt: skip
    write_whole(folder / "scale.json", (json.dumps(report, indent=1) + "\n").encode())
    screen.print(f"alpha {best.depth:g}, beta {best.width:g}, gamma {best.side:g}: {best.times:.3g} times the MACs")
    _chart(folder, report, screen)
    if json_:
        print(json.dumps(report))


def _phis(text: str) -> list[float]:
    from convsmith.spec.errors import SpecError

    try:
        found = sorted({float(word) for word in text.split(",")})
    except ValueError:
        found = []
    if not found or not all(0 < phi <= 10 for phi in found):
        raise SpecError(f"--phi wants numbers above 0 and at most 10, as 1,2,3; got {text!r}")
    return found


def _chart(folder: Path, report: dict[str, Any], screen: Console) -> None:
    from convsmith.report.chart_file import drawn
    from convsmith.report.scale_chart import scale_chart
    from convsmith.spec.errors import MissingExtra
    from convsmith.spec.files import write_whole

    try:
        path = folder / "scale.svg"
        write_whole(path, drawn(scale_chart(report), "svg", title=f"Scaling {report['network']}"))
        screen.print(f"chart {path}", markup=False)
    except (MissingExtra, ModuleNotFoundError) as error:
        screen.print(f"no chart: {error}", style="yellow", markup=False)
