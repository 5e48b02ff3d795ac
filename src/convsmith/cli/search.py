"""`convsmith search`: the best member of a space inside a hard budget, by as many workers as there are."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli import options
from convsmith.cli.guard import guarded

TRIALS = 40


@guarded
def command(
    data: Annotated[
        str | None, typer.Argument(help="A built-in set (digits, ...), a folder of class folders, .zip, .tar or .csv.")
    ] = None,
    space_: Annotated[
        str | None,
        typer.Option("--space", help="mnas, cifar_mb, resnet, nas_cell, zoo or a .toml file; by the images' side."),
    ] = None,
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    max_weights: options.MaxWeights = None,
    max_memory: options.MaxMemory = None,
    max_latency: Annotated[str | None, typer.Option(help="At most so long for a batch, by --latency-table.")] = None,
    latency_table: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A table of `profile-device`, which says where --max-latency holds."),
    ] = None,
    searcher: Annotated[
        str, typer.Option(help="evolution, ppo (the controller of MnasNet), tpe, nsga2 or random.")
    ] = "evolution",
    soft: Annotated[
        bool, typer.Option("--soft", help="With ppo: being cheaper than the budget is rewarded, too (MnasNet, eq. 2).")
    ] = False,
    baseline: Annotated[
        bool, typer.Option("--baseline/--no-baseline", help="Draw every other trial by chance, to compare with.")
    ] = True,
    halving: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Begin with few epochs; the best Nth is trained for N times as many."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="What --halving begins with less of: epochs, examples (training images), side (pixels).")
    ] = "epochs",
    least: Annotated[
        int | None, typer.Option(min=1, help="How much of it; by default two halvings less than all, of a side one.")
    ] = None,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="PROXY",
            help="Try the best of --of by params, macs, synflow, naswot, grad-norm, supernet.",
        ),
    ] = None,
    supernet_epochs: Annotated[int, typer.Option(min=1, help="Of the supernet's training.")] = 10,
    supernet: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Its weights as an earlier search of this space, within more, trained them."
        ),
    ] = None,
    of: Annotated[int, typer.Option(min=2, max=1000, help="Proposals that --filter chooses among.")] = 8,
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many members are trained, those by chance among them; 40.")
    ] = None,
    time_: Annotated[str | None, typer.Option("--time", help="Begin no trial after so long: 90s, 20m, 2h.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes on this machine.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of each process; by default the cores shared out.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run the trials as tasks of this Ray cluster: auto, HOST:PORT."),
    ] = None,
    recipe: options.RecipeName = None,
    config: options.RecipeFile = None,
    set_: options.RecipeChanges = None,
    side: options.Side = None,
    channels: options.Channels = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, weights and of the search.")] = 0,
    out: Annotated[str | None, typer.Option(help="The search's folder; by default runs/NAME-DATE-TIME.")] = None,
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="Where trials are kept; by default study.db in the folder.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="The study's name in the store; by default the folder's.")] = None,
    join: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Work on a search that was begun, here or by another process.")
    ] = None,
    helper: Annotated[
        str | None, typer.Option(hidden=True, help="A worker of another process, until this time.")
    ] = None,
    skip_unreadable: options.SkipUnreadable = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Search a space for the best network inside a hard budget; nothing over it is ever trained.

    Example: convsmith search digits --space cifar_mb --max-macs 1M --trials 20 --set epochs=3
    """
    import time
    from pathlib import Path

    from convsmith.cli import search_hands, searching
    from convsmith.cli.words import duration, settings, size
    from convsmith.search import Budget
    from convsmith.spec.errors import StudyError
    from convsmith.train import settle

    until = float("inf") if time_ is None else time.time() + duration(time_)
    if join is not None:
        if data is not None or store is not None or study is not None:
            raise StudyError("--join goes on with a search as it was begun: it takes --workers, --trials and --time")
        session = searching.joined(Path(join), trials)
    elif data is None:
        raise StudyError("search wants images (convsmith search DATA), or a search that was begun (--join FOLDER)")
    else:
        if (max_latency is None) != (latency_table is None):
            raise StudyError("a search holds --max-latency by --latency-table, so that no timing waits for a training: "
                             "say both (convsmith profile-device SPACE --out FILE)")  # fmt: skip
        if supernet is not None and filter_ != searching.SUPERNET:
            raise StudyError("--supernet has weights for --filter supernet: say both")
        settled = settle(recipe, None if config is None else Path(config), settings(set_ or []))
        asked = searching.Asked(
            Budget(size(max_params), size(max_macs), size(max_weights), size(max_memory)), settled.recipe,
            {"side": side, "channels": channels, "seed": seed, "skip_unreadable": skip_unreadable}, space_, searcher,
            seed, baseline, None if halving is None else (halving, least, by),
            None if max_latency is None or latency_table is None else (max_latency, latency_table),
            filter_, of if filter_ is not None else 1, supernet_epochs, soft, supernet,
        )  # fmt: skip
        session = searching.begun(data, asked, Path(out) if out else None, store, study, trials or TRIALS)
    until = until if helper is None else float(helper)
    search_hands.go_on(session, search_hands.Hands(workers, ray, threads, until, helper is not None), json_)
