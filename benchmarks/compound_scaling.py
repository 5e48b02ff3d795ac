"""Does compound scaling (EfficientNet, section 3) beat growing by depth, width or resolution alone, at small scale?

The study of `convsmith scale`, with seeds: a ResNet-20 of 8 channels on CIFAR-10 at 16 pixels (5,000 images to learn
from, 5,000 to choose by, the 10,000 to tell) is made about twice as large by every alpha, beta and gamma of a grid in
steps of 0.1; the most accurate in the mean over seeds is fixed, and at phi = 1, 2 and 3 it is compared with the other
rules at about the same multiply-adds. Sides above 32 show nothing that the images have not. Each network trains for ten
epochs by the recipe `default` with shifts by an eighth and mirrors; mean and standard deviation over seeds.

Trainings are recorded in compound_scaling.jsonl one by one: `python benchmarks/compound_scaling.py --seeds 0,1,2`, on a
process a core. Without --seeds, the tables of what is recorded; with --chart compound_scaling.svg, their chart, too.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from cifar_data import ZIP, as_data, cifar
from timing import table

from convsmith import build, spec
from convsmith.data import Data, ImageSet
from convsmith.report.chart_file import drawn
from convsmith.report.scale_chart import scale_chart
from convsmith.search.compound import Factors, grid
from convsmith.search.costs import costs_of
from convsmith.search.scale import BASE, Step, compared, searched
from convsmith.spec import Network
from convsmith.spec.trace import trace
from convsmith.train import Execution, Silent, environment, evaluate, machine, override, recipe, train
from convsmith.train.setup import Setup

RECORDS = Path(__file__).with_suffix(".jsonl")
IMAGES, SIDE, EPOCHS, PHIS = 5000, 16, 10, (1.0, 2.0, 3.0)
EXECUTION = Execution(precision="bfloat16", channels_last=True, fused=True)


def base() -> Network:
    """phi = 0."""
    return replace(spec("resnet20", width=8), side=SIDE)


@cache
def images(path: Path, work: Path) -> Data:
    """Every tenth image to learn from, as many others to choose by."""
    found = as_data(cifar(path, work))

    def some(first: int) -> ImageSet:
        rows = torch.arange(first, len(found.train), len(found.train) // IMAGES)
        return ImageSet(found.train.images[rows], found.train.labels[rows], tuple(f"train/{i}" for i in rows.tolist()))

    return replace(found, train=some(0), val=some(5))


def trained(network: Network, name: str, seed: int, path: Path, work: Path) -> dict[str, Any]:
    """Accuracies of one network."""
    torch.set_num_threads(1)
    assert isinstance(network.side, int)  # of square images
    data = images(path, work).resized(network.side)
    how = override(recipe("default"), {"epochs": EPOCHS, "shift": 0.125, "flip": True})
    net = build(network, seed=seed)
    history = train(net, data, how, seed=seed, setup=Setup(EXECUTION), watch=Silent())
    test = evaluate(net, data.test, data.preprocess, data.classes, "test").top1
    return {"network": name, "seed": seed, "val": history[-1]["val_top1"], "test": test}


def recorded() -> dict[str, dict[int, dict[str, Any]]]:
    """By network and seed."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for line in RECORDS.read_text().splitlines() if RECORDS.exists() else ():
        entry = json.loads(line)
        found.setdefault(entry["network"], {})[entry["seed"]] = entry
    return found


def record(steps: Sequence[Step], seeds: Sequence[int], path: Path, work: Path) -> None:
    """Train what is missing."""
    known, different = recorded(), {step.folder: step.network for step in steps}
    wanted = [(net, name, seed) for seed in seeds for name, net in different.items() if seed not in known.get(name, {})]
    images(path, work)  # decoded once
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(machine.cores(), context) as pool, RECORDS.open("a") as file:
        jobs = [pool.submit(trained, *one, path, work) for one in wanted]
        for done, job in enumerate(as_completed(jobs), 1):
            file.write(json.dumps(job.result() | environment()) + "\n")
            file.flush()
            print(f"{done} of {len(jobs)}", flush=True)


def best(points: Sequence[Step], seeds: Sequence[int]) -> Factors:
    """Of the grid, by validation accuracy in the mean over seeds."""
    found = recorded()
    return max(points, key=lambda step: statistics.mean(found[step.folder][seed]["val"] for seed in seeds)).factors


def show() -> None:
    """The grid's best, and the rules side by side."""
    found, points = recorded(), searched(base(), grid(2.0, 0.1))
    seeds = sorted(set.intersection(*(set(found.get(step.folder, {})) for step in points)))
    if not seeds:
        print("The grid is not recorded yet: python benchmarks/compound_scaling.py --seeds 0")
        return
    alone = ", ".join(f"({b.depth:g}, {b.width:g}, {b.side:g})" for b in (best(points, [seed]) for seed in seeds))
    chosen = best(points, seeds)
    print(f"{len(points)} networks of about twice the multiply-adds, seeds {', '.join(map(str, seeds))}. Best in the "
          f"mean: alpha {chosen.depth:g}, beta {chosen.width:g}, gamma {chosen.side:g}; by each seed alone {alone}.\n"
          )  # fmt: skip
    rows = [_row("grid", 1.0, step, seeds) for step in points]
    print(table(HEAD, sorted(rows, key=lambda row: row[-1], reverse=True)), "\n")
    rules = [step for step in compared(base(), chosen, PHIS) if set(seeds) <= set(found.get(step.folder, {}))]
    print(table(HEAD, [_row(step.rule, step.phi, step, seeds) for step in rules]))


def chart(path: Path) -> None:
    """The curves of validation accuracy, as `convsmith scale` draws them."""
    points = searched(base(), grid(2.0, 0.1))
    seeds = sorted(set.intersection(*(set(recorded()[step.folder]) for step in points)))
    chosen = best(points, seeds)
    steps = [*(("grid", step) for step in points), *((step.rule, step) for step in compared(base(), chosen, PHIS))]
    networks = [
        {"rule": rule, "phi": step.phi, "macs": costs_of(trace(step.network))[2],
         "accuracy": statistics.mean(recorded()[step.folder][seed]["val"] for seed in seeds)}
        for rule, step in steps
    ]  # fmt: skip
    report = {"network": base().name, "networks": networks, "best": chosen._asdict()}
    path.write_bytes(drawn(scale_chart(report), "svg", title="Scaling resnet20"))


HEAD = ("rule", "phi", "depth, width, side", "MACs", "parameters", "validation, %", "test, %")


def _row(rule: str, phi: float, step: Step, seeds: Sequence[int]) -> tuple[str, ...]:
    some = [recorded()[step.folder][seed] for seed in seeds]
    params, _, macs, _, _ = costs_of(trace(step.network))
    factors = " × ".join(f"{factor:.3g}" for factor in step.factors)
    at = "" if rule == BASE else f"{phi:g}"
    return (
        rule,
        at,
        factors,
        f"{macs:,}",
        f"{params:,}",
        *(_spread([100 * e[w] for e in some]) for w in ("val", "test")),
    )


def _spread(values: Sequence[float]) -> str:
    apart = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{apart}"


def main() -> None:
    """Record the grid and then the rules, or show what is recorded."""
    parser = argparse.ArgumentParser(description="compound scaling at small scale")
    parser.add_argument("--seeds", default="", help="seeds to record")
    parser.add_argument("--data", type=Path, default=ZIP)
    parser.add_argument("--work", type=Path, default=Path("runs/cifar10"), help="where decoded images are kept")
    parser.add_argument("--chart", type=Path, help="an SVG of what is recorded")
    asked = parser.parse_args()
    seeds = [int(seed) for seed in asked.seeds.split(",") if seed]
    if seeds:
        points = searched(base(), grid(2.0, 0.1))
        record(points, seeds, asked.data, asked.work)
        record(compared(base(), best(points, seeds), PHIS), seeds, asked.data, asked.work)
    show()
    if asked.chart:
        chart(asked.chart)


if __name__ == "__main__":
    main()
