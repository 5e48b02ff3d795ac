"""What the verbs that train begin with: data, a network that fits it, and the record of the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from convsmith.cli import say
from convsmith.data import (
    SOURCES,
    Data,
    ImageSet,
    Preprocess,
    Streaming,
    cached,
    is_shards,
    load,
    load_shards,
    outline,
)
from convsmith.search import Budget, within
from convsmith.search.plan import Timer
from convsmith.spec.errors import DataError, SpecError
from convsmith.spec.head import with_classes
from convsmith.spec.network import Network
from convsmith.spec.trace import trace
from convsmith.train import Recipe, Run, command_line, environment


def load_data(
    source: str,
    out: Console,
    *,
    cache: str | None = None,
    shards: dict[str, Any] | None = None,
    streaming: dict[str, Any] | None = None,
    **options: Any,
) -> Data:
    """Load with a progress bar and print the doctor's warnings; by way of a packed file in the folder `cache`.

    `shards` and `streaming` are as `sourced` says them; without, shards and too many images for the memory are refused.
    """
    read: Callable[..., Data] = load if cache is None else partial(cached, folder=cache)
    if shards is None:
        _check_memory(source)
    else:
        options = {name: value for name, value in options.items() if name != "seed"} | shards  # no splits are drawn
        read = load_shards
    if streaming is not None:
        options["streaming"] = Streaming(**streaming)
    with Progress(console=out, transient=True, disable=not out.is_terminal or out.quiet) as bar:
        task = bar.add_task(f"reading {source}")
        data = read(source, progress=lambda done, total: bar.update(task, completed=done, total=total), **options)
    counts = f"{len(data.train):,} train, {len(data.val):,} val, {len(data.test):,} test"
    out.print(f"{data.name}: {counts} images of {len(data.classes)} classes, {data.channels}×{data.side}×{data.side}")
    say.findings(data.findings, out)
    return data


def sourced(
    source: str, network: Network, side: int | None, recipe: Recipe, *,
    cache: str | None, stream: bool, val: str | None, test: str | None, shard_cache: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Options of `load_data` for a training of this network: packed, in shards, or streamed if memory is short.

    Raises DataError for options that do not go together.
    """
    own = network.side if side is None else side
    wanted = own if isinstance(own, int) else None  # what is not square is refused later
    if is_shards(source):
        if cache is not None:
            raise DataError("--cache packs images that fit on the disk; to keep fetched shards, say --shard-cache")
        places = {"val": val, "test": test, "cache": shard_cache}
        return {"side": wanted, "shards": {name: where and _place(where) for name, where in places.items()}}
    for name, value in (("--val", val), ("--test", test), ("--shard-cache", shard_cache)):
        if value is not None:
            raise DataError(f"{name} goes with tar shards; {source} has its splits by its own folders, or by chance")
    if cache is not None:
        if stream:
            raise DataError("--cache keeps decoded images, --stream decodes them again each epoch: say one of them")
        canvas = None if wanted is None else round(wanted * recipe.canvas)
        return {"cache": _place(cache), "side": canvas}  # packed at the size that the recipe cuts the network's from
    return {"streaming": {"side": wanted, "canvas": recipe.canvas, "always": stream}} if wanted is not None else {}


def _check_memory(source: str) -> None:
    if is_shards(source):
        raise DataError(
            f"{source} is tar shards, from which only `convsmith train` reads; give a folder, an archive or a packed "
            "file, with as many of the images as fit in memory"
        )


def _place(where: str) -> str:
    """The same from every working directory."""
    return where if where in SOURCES or "://" in where else str(Path(where).expanduser().resolve())


def reload(run: Run, out: Console) -> Data:
    """The data of a run again, as it was. Raises DataError if the images are others now."""
    about = run.about["data"]
    data = load_data(about["source"], out, **about["load"], classes=run.classes)
    if data.fingerprint != about["fingerprint"]:
        raise DataError(
            f"{about['source']} has changed since {run.folder} was started: its images, labels or splits are others"
        )
    return data


def split_of(data: Data, preprocess: Preprocess, split: str) -> ImageSet:
    """One split of the data (or all of it) at the network's side. Raises DataError for images outside the memory."""
    if data.outside is not None and split in ("train", "all"):
        raise DataError(f"the training images of {data.name} do not stay in memory; evaluate val or test")
    data = data.resized(preprocess.side)
    sets = {"train": data.train, "val": data.val, "test": data.test}
    parts = list(sets.values()) if split == "all" else [sets[split]]
    images, labels = torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts])
    return ImageSet(images, labels, tuple(name for part in parts for name in part.names))


def check_budget(budget: Budget, source: str, side: int | None, channels: int | None) -> None:
    """Refuse an impossible budget from the images' headers, before any is decoded."""
    _check_memory(source)
    if budget.limits:
        seen = outline(source, side=side, channels=channels)
        within(budget, seen.channels, seen.classes, seen.side)


def with_latency(
    budget: Budget, limit: str | None, target: str | None, table: str | None, screen: Console
) -> tuple[Budget, Timer]:
    """The budget with a limit of latency, and who tells latencies; the target's engine has to be there.

    Networks are measured; with a table those that it predicts to be too slow, beyond its stated error, are not.
    """
    from convsmith.cli.latency import known
    from convsmith.cli.words import milliseconds
    from convsmith.deploy.engines import engine, latency, latency_as_in
    from convsmith.search.target import Target
    from convsmith.train.machine import cores

    if limit is None:
        option = f"--target {target} is where" if table is None else f"--latency-table {table} is what"
        raise SpecError(f"{option} --max-latency holds{'' if table is None else ' by'}; say that too")
    most = milliseconds(limit)
    if table is None:
        found = Target.of(target or "eager").settled(cores())
        engine(found)
        return replace(budget, latency_ms=most, target=found), lambda network: latency(network, found).ms
    model = known(Path(table), target)
    found = model.table.target

    def timer(network: Network) -> float:
        guess = model.predict(trace(network))
        if guess.ms * (1 - guess.error) > most:
            return guess.ms
        return latency_as_in(model.table, network, screen.print).ms

    return replace(budget, latency_ms=most, target=found), timer


def fitted(network: Network, data: Data, side: int | None) -> Network:
    """The network with the data's classes and channels, at `side` or its own. Raises SpecError if it does not fit."""
    own = network.side if side is None else side
    if not isinstance(own, int):
        raise DataError(f"{network.name} is for images of {own[0]}×{own[1]}; training takes square images, say --side")
    changed = with_classes(network, len(data.classes))
    return replace(changed, channels=data.channels, side=own)


def about(
    task: str, data: Data, recipe: Recipe, *, source: str, seed: int, load_options: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """What run.json says of a run that begins now."""
    counts = {"train": len(data.train), "val": len(data.val), "test": len(data.test)}
    return {
        "task": task,
        "command": command_line(),
        "seed": seed,
        "environment": environment(),
        "recipe": recipe.to_json(),
        "data": {
            "source": _place(source),
            "name": data.name,
            "load": _as_loaded(data, load_options),
            "classes": list(data.classes),
            "counts": counts,
            "channels": data.channels,
            "side": data.side,
            "flip": data.flip,
            "fingerprint": data.fingerprint,
            "findings": [{"level": f.level, "message": f.message} for f in data.findings],
            "preprocess": data.preprocess.to_json(),
        },
        **more,
    }


def _as_loaded(data: Data, options: dict[str, Any]) -> dict[str, Any]:
    """The options by which the data is loaded as it was, however much memory there is then."""
    streaming = options.get("streaming")
    kept = {name: value for name, value in options.items() if name != "streaming"}
    return kept if streaming is None or data.outside is None else kept | {"streaming": streaming | {"always": True}}


def ended(verdict: dict[str, Any], screen: Console, begun: float, json_: bool) -> None:
    """Tell how a run came out; a process whose verdict is empty is silent, as the main one speaks."""
    if verdict:
        say.verdict(verdict, screen, begun)
    if verdict and json_:
        print(json.dumps(verdict, ensure_ascii=False))
