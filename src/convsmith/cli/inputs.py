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
from convsmith.data import SOURCES, Data, ImageSet, Preprocess, cached, load, outline
from convsmith.search import Budget, within
from convsmith.spec.errors import DataError
from convsmith.spec.head import with_classes
from convsmith.spec.network import Network
from convsmith.train import Recipe, Run, command_line, environment


def load_data(source: str, out: Console, *, cache: str | None = None, **options: Any) -> Data:
    """Load with a progress bar and print the doctor's warnings; by way of a packed file in the folder `cache`."""
    read: Callable[..., Data] = load if cache is None else partial(cached, folder=cache)
    with Progress(console=out, transient=True, disable=not out.is_terminal or out.quiet) as bar:
        task = bar.add_task(f"reading {source}")
        data = read(source, progress=lambda done, total: bar.update(task, completed=done, total=total), **options)
    counts = f"{len(data.train):,} train, {len(data.val):,} val, {len(data.test):,} test"
    out.print(f"{data.name}: {counts} images of {len(data.classes)} classes, {data.channels}×{data.side}×{data.side}")
    say.findings(data.findings, out)
    return data


def packed_as(cache: str, network: Network, side: int | None, recipe: Recipe) -> dict[str, Any]:
    """Options of `load_data` by which the images are packed at the size that the recipe cuts the network's from."""
    own = network.side if side is None else side
    wanted = None if isinstance(own, tuple) else round(own * recipe.canvas)  # what is not square is refused later
    return {"cache": str(Path(cache).expanduser().resolve()), "side": wanted}


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
    """One split of the data (or all of it) at the network's side."""
    data = data.resized(preprocess.side)
    sets = {"train": data.train, "val": data.val, "test": data.test}
    parts = list(sets.values()) if split == "all" else [sets[split]]
    images, labels = torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts])
    return ImageSet(images, labels, tuple(name for part in parts for name in part.names))


def check_budget(budget: Budget, source: str, side: int | None, channels: int | None) -> None:
    """Refuse an impossible budget from the images' headers, before any is decoded."""
    if budget.limits:
        seen = outline(source, side=side, channels=channels)
        within(budget, seen.channels, seen.classes, seen.side)


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
            "source": source if source in SOURCES else str(Path(source).expanduser().resolve()),
            "name": data.name,
            "load": load_options,
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


def ended(verdict: dict[str, Any], screen: Console, begun: float, json_: bool) -> None:
    """Tell how a run came out; a process whose verdict is empty is silent, as the main one speaks."""
    if verdict:
        say.verdict(verdict, screen, begun)
    if verdict and json_:
        print(json.dumps(verdict, ensure_ascii=False))
