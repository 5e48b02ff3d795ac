"""How a training is carried out, from the words of the command line: processes, precision, checkpoints, the run."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from convsmith.cli.words import duration
from convsmith.data import Data
from convsmith.nn import build
from convsmith.search.estimate import training_bytes, training_seconds
from convsmith.search.start import start_from
from convsmith.spec.errors import RunError, SpecError, UnknownName
from convsmith.spec.network import Network
from convsmith.spec.trace import trace
from convsmith.train import Recipe, Run, default_folder
from convsmith.train.checkpoint import Every
from convsmith.train.choice import choose
from convsmith.train.execution import PRECISIONS, Execution
from convsmith.train.runtime import Runtime, Solo, launch, restarts
from convsmith.train.settings import Settled
from convsmith.train.setup import Setup
from convsmith.train.warm_start import warm_start
from convsmith.views.cost import cost

LIGHT = 10**12
"""Forward MACs of a whole training up to which it runs in float32 without a measurement: minutes at most."""


@dataclass(frozen=True)
class Asked:
    """What the command line says of the execution; None and "auto" leave it to us."""

    precision: str
    threads: int | None
    checkpointing: bool


def every(text: str) -> Every:
    """`"500"` steps or `"90s"`, `"10m"`, `"2h"`. Raises SpecError."""
    if text.isdigit() and int(text) > 0:
        return Every(steps=int(text), seconds=0.0)
    if text[-1:] not in ("s", "m", "h"):
        raise SpecError(f"--checkpoint-every takes steps or a time, such as 500 or 10m, got {text!r}")
    return Every(seconds=duration(text))


def check_shards(sharded: bool, runtime: Runtime) -> None:
    """Raise SpecError where one process would be sharded, before there is a run."""
    if sharded and runtime.size == 1:
        raise SpecError("a single process has nothing to shard over; start with torchrun, or without --sharded")


def continues(folder: Path | None, runtime: Runtime) -> bool:
    """Whether torchrun's agent starts this run again, so that it goes on; all processes agree.

    Raises RunError where a new run could not be written, and where a restarted one would not find its folder.
    """
    if folder is None and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)) > 0:
        raise RunError("a training that torchrun may restart has to find its folder again: say --out")
    here = folder is not None and (folder / "run.json").is_file() and _ours(Run.open(folder))
    if folder is not None and runtime.main and not here and restarts() == 0:
        Run.check_free(folder)
    return runtime.tell("yes" if here else "no") == "yes"


def _ours(run: Run) -> bool:
    """Whether an earlier attempt of this launch has begun the run: a machine that joins or leaves is no restart."""
    return restarts() > 0 or (launch() is not None and run.about.get("launch") == launch())


def start(network: Network, weights: str | None, init_from: str | None) -> dict[str, Any]:
    """What run.json says of the weights that training starts from; refuses what does not fit the network."""
    if weights is not None and init_from is not None:
        raise SpecError("--weights and --init-from are two ways to start: give one")
    if init_from is not None:
        told = warm_start(build(network, seed=0), Run.open(Path(init_from)))
        return {"init_from": str(Path(init_from).resolve()), "init_from_said": str(told)}
    origin = None if weights is None else start_from(build(network), weights)
    return {"weights": origin and origin.source, "weights_sha256": origin and origin.sha256}


def execution(
    network: Network,
    data: Data,
    recipe: Recipe,
    runtime: Runtime,
    screen: Console,
    asked: Asked,
    many: bool = False,
    light: int = LIGHT,
) -> Execution:
    """As asked; what was left to us is chosen by a short measurement, by the main process for all.

    `many` networks are trained like this one: then kernels that are compiled for each of them do not pay.

    A training of at most `light` forward MACs is not measured: it would be over before that pays, and its result should
    be that of the same command elsewhere.
    """
    if asked.precision not in ("auto", *PRECISIONS):
        raise UnknownName(f"--precision is auto, {', '.join(PRECISIONS)}, got {asked.precision!r}")
    device = str(runtime.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    wanted, threads = None if asked.precision == "auto" else asked.precision, asked.threads or 0
    macs = cost(trace(network)).macs * len(data.train) * (recipe.epochs or 0)
    if macs <= light:
        return Execution(device, wanted or "float32", checkpointing=asked.checkpointing, threads=threads)
    told = ""
    if runtime.main:
        batch = min(recipe.batch, len(data.train)) // runtime.size
        steps = -(-len(data.train) // recipe.batch) * (recipe.epochs or 0)
        found = choose(
            build(network, seed=0), max(2, batch), device=device, precision=wanted, threads=threads,
            checkpointing=asked.checkpointing, steps=None if many else steps,
        )  # fmt: skip
        screen.print(f"carried out on {found}", markup=False)
        told = json.dumps(found.execution.to_json())
    return Execution.from_json(json.loads(runtime.tell(told)))


def alone(network: Network, data: Data, recipe: Recipe, screen: Console, light: int = LIGHT) -> Execution:
    """`execution` of one process for many networks, with all left to us."""
    settled = recipe.settled(len(data.train), data.flip)
    return execution(network, data, settled, Solo(), screen, Asked("auto", None, False), many=True, light=light)


def plan(
    network: Network, data: Data, recipe: Recipe, chosen: Settled, setup: Setup, runtime: Runtime
) -> dict[str, Any]:
    """What is about to be trained, as plain data."""
    total, images = cost(trace(network)), len(data.train)
    took = training_seconds(network, images, recipe, setup.execution) if runtime.main else 0.0
    return {
        "network": network.name,
        "channels": network.channels,
        "side": network.side,
        "params": total.params,
        "macs": total.macs,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "memory_bytes": training_bytes(total, min(recipe.batch, images)),
        "seconds": round(took, 1),
        "processes": runtime.size,
        "recipe": recipe.to_json(),
        "origins": chosen.origins,
        "said": chosen.said,
        "setup": setup.to_json(),
    }


def dry(plan: dict[str, Any], runtime: Runtime, json_: bool) -> None:
    """The end of a dry run."""
    if json_ and runtime.main:
        print(json.dumps(plan, ensure_ascii=False))


def create(folder: Path | None, record: dict[str, Any], network: Network, runtime: Runtime) -> Run:
    """The run folder, written by the main process and opened by the others."""
    name = runtime.tell(str(folder or default_folder(f"{record['data']['name']}-{network.name}")))
    with runtime.first():
        if runtime.main:
            return Run.create(Path(name), record, network, again=restarts() > 0)
        return Run.open(Path(name))
