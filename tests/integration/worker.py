"""One of several processes that train together: `python worker.py FOLDER '{"epochs": 2}'`; see test_processes.py."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from convsmith.data import Data, load
from convsmith.nn import Net, build
from convsmith.spec import Conv, Dropout, Flatten, Linear, Network, Norm, PoolTo, Relu, Seq
from convsmith.train import Recipe, Silent, evaluate, train
from convsmith.train.runtime import connect
from convsmith.train.setup import Setup
from convsmith.train.sharding import unsharded


def make(norm: bool, dropout: float) -> Net:
    """A small net."""
    layers: dict[str, Any] = {"conv": Conv(8, 3), "bn": Norm(), "relu": Relu, "pool": PoolTo(2), "flatten": Flatten}
    if not norm:
        del layers["bn"]
    if dropout:
        layers["drop"] = Dropout(dropout)
    return build(Network(Seq(**layers, fc=Linear(10)), side=8, channels=1, classes=10), seed=1)


def few(data: Data, images: int) -> Data:
    """The first training images."""
    kept = data.train
    part = replace(kept, images=kept.images[:images], labels=kept.labels[:images], names=kept.names[:images])
    return replace(data, train=part)


class Failing(Silent):
    """Fails in a step."""

    def __init__(self, step: int) -> None:
        self.left = self.at = step

    def step(self, epoch: int, loss: float, top1: float, images_per_s: float) -> None:
        self.left -= 1
        if self.left == 0:
            raise ZeroDivisionError(f"in step {self.at} of process 1")


def main(
    folder: Path, norm: bool = True, dropout: float = 0.0, images: int = 125, fail: int = 0, **settings: Any
) -> None:
    """Train, and write what this process has: FOLDER/RANK.safetensors and FOLDER/RANK.json."""
    torch.set_num_threads(1)
    setup = Setup(**{key: settings.pop(key) for key in ("sharded", "sync_norm") if key in settings})
    runtime = connect()
    with runtime.together():
        data = few(load("digits"), images)
        net = make(norm, dropout)
        recipe = Recipe(**{"epochs": 3, "batch": 32, "lr": 0.05, **settings})
        watch = Failing(fail) if fail and not runtime.main else Silent()
        history = train(net, data, recipe, seed=3, runtime=runtime, setup=setup, watch=watch)
        net = unsharded(net)
        result = evaluate(net, data.test, data.preprocess, data.classes, "test", runtime)
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / f"{runtime.rank}.safetensors")
        said = {"history": history, "result": result.to_json()}
        (folder / f"{runtime.rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), **json.loads(sys.argv[2]))
