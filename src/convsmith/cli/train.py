"""`convsmith train`: one network, one recipe, one run; one process, or as many as `torchrun` starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli import options
from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_network, complete_recipe

if TYPE_CHECKING:
    from convsmith.train.runtime import Runtime


@guarded
def command(
    data: Annotated[
        str,
        typer.Argument(help="A built-in set (digits, ...), a folder of class folders, .zip, .tar, .csv, or shards."),
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
    init_from: Annotated[
        str | None, typer.Option(metavar="RUN", help="Start from a trained, shallower network's layers.")
    ] = None,
    freeze: Annotated[
        str | None, typer.Option(metavar="backbone|none", help="backbone: only a new head learns, on stored features.")
    ] = None,
    unfreeze: Annotated[
        str | None, typer.Option(metavar="last:N|all", help="The head and the last N stages before it learn.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(autocompletion=complete_recipe, help="The training recipe; `default`, with --weights `finetune`."),
    ] = None,
    config: options.RecipeFile = None,
    set_: options.RecipeChanges = None,
    side: Annotated[
        int | None, typer.Option(help="Side of the images that the network sees; by default the network's own.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="The run folder; by default runs/NAME-DATE-TIME.")] = None,
    channels: options.Channels = None,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Whether mirror images keep their class.")
    ] = None,
    seed: options.Seed = 0,
    split_seed: Annotated[
        int | None, typer.Option(help="Seed of the splits alone, so that runs of several seeds share them.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print cost, memory and time, and stop.")] = False,
    skip_unreadable: options.SkipUnreadable = False,
    cache: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Keep the decoded images there, so that they open at once.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Decode training images as they are needed.")] = False,
    val: Annotated[str | None, typer.Option(metavar="DATA", help="With shards: other shards, or a folder.")] = None,
    test: Annotated[str | None, typer.Option(metavar="DATA", help="With shards: other shards, or a folder.")] = None,
    shard_cache: Annotated[str | None, typer.Option(metavar="FOLDER", help="Keep shards by URL there.")] = None,
    checkpoint_every: Annotated[
        str, typer.Option(metavar="N|TIME", help="Also within an epoch, every N steps or so often: 500, 10m.")
    ] = "10m",
    track_: Annotated[
        list[str] | None,
        typer.Option("--track", metavar="tensorboard|mlflow|wandb", help="Record the training there, too."),
    ] = None,
    precision: Annotated[
        str, typer.Option(metavar="auto|float32|bfloat16", help="auto: what a short measurement finds faster.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of each process.")] = None,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Recompute activations in the backward pass, to save memory.")
    ] = False,
    sharded: Annotated[bool, typer.Option("--sharded", help="Under torchrun: share out the weights (FSDP).")] = False,
    sync_norm: Annotated[
        bool, typer.Option("--sync-norm", help="Under torchrun: normalise over the batch of all processes.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Train a network on your images: the head takes their number of classes, the input their channels.

    Example: convsmith train digits --network lenet5 --set epochs=20
    """
    import time
    from pathlib import Path

    from convsmith.cli import carry, inputs, resume, say, track
    from convsmith.cli.learning import advised, learning
    from convsmith.cli.words import network_of, settings
    from convsmith.spec.trace import trace
    from convsmith.train import Run
    from convsmith.train.runtime import connect, launch
    from convsmith.train.settings import settle
    from convsmith.train.setup import Setup
    from convsmith.train.transfer import parts

    begun, runtime = time.perf_counter(), connect()
    with runtime.together():
        screen = say.console(quiet=not runtime.main)
        changes = settings(set_ or []) | ({} if flip is None else {"flip": flip}) | learning(freeze, unfreeze)
        base = "finetune" if weights is not None and recipe is None and config is None else recipe
        chosen = settle(base, None if config is None else Path(config), changes)
        carry.check_shards(sharded, runtime)
        trackers = track.asked(track_ or [], runtime)
        described, every = network_of(network), carry.every(checkpoint_every)
        folder = Path(out) if out else None
        if not dry_run and carry.continues(folder, runtime):
            resume.go_on(Run.open(Path(out or "")), runtime, json_)
            return
        how: dict[str, Any] = {
            "channels": channels,
            "seed": seed if split_seed is None else split_seed,
            "skip_unreadable": skip_unreadable,
        }
        where = {"cache": cache, "val": val, "test": test, "shard_cache": shard_cache}
        how |= inputs.sourced(data, described, side, chosen.recipe, stream=stream, **where)
        with runtime.first():
            loaded = inputs.load_data(data, screen, **how)
        described = inputs.fitted(described, loaded, side)
        chosen, why = advised(chosen, len(loaded.train)) if weights is not None else (chosen, "")
        if why:
            screen.print(why, markup=False, highlight=False)
        settled = chosen.recipe.settled(len(loaded.train), loaded.flip)
        parts(trace(described), settled)  # refuses stages that are not there
        start = carry.start(described, weights, init_from)  # refused before there is a run
        asked = carry.Asked(precision, threads, checkpointing)
        execution = carry.execution(described, loaded, settled, runtime, screen, asked)
        setup = Setup(execution, every, sharded, sync_norm)
        plan = carry.plan(described, loaded, settled, chosen, setup, runtime)
        say.training(plan, screen)
        if dry_run:
            carry.dry(plan, runtime, json_)
            return
        more = start | {"transfer": why, "setup": setup.to_json(), "origins": chosen.changed, "launch": launch()}
        more["track"] = trackers
        record = inputs.about("train", loaded, settled, source=data, seed=seed, load_options=how, **more)
        run = carry.create(folder, record, described, runtime)
        inputs.ended(go_on(run, loaded, seed, screen, runtime), screen, begun, json_)


def go_on(run: Any, data: Any, seed: int, screen: Any, runtime: Runtime) -> dict[str, Any]:
    """Train to the end and finish. A stop leaves a run that `resume` goes on with."""
    from convsmith.cli import finish, track
    from convsmith.search import train_run
    from convsmith.train import Bar, Recipe, Silent

    recipe, visible = Recipe.from_json(run.about["recipe"]), Bar(screen) if runtime.main else Silent()
    with finish.resumable(run, screen, runtime), track.tracked(run, visible, screen, runtime) as watch:
        net, data = train_run(run, data, recipe, seed=seed, watch=watch, runtime=runtime)
        return finish.finish(run, net, data, screen, runtime)
