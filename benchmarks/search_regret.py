"""Which searchers find better networks than chance does, for the same number of trainings?

A space of 288 small networks for the embedded digits, each trained with three seeds: the whole truth, in
search_regret.jsonl. A searcher is then told, for each member that it asks for, the validation accuracy of one of its
trainings by chance, and regret is how far the mean test accuracy of the member that looked best so far is below that of
the best member. Means over seeds of searches with 95 % intervals (normal approximation); a searcher beats chance where
the interval of the paired difference from random search is below 0.

`supernet` trains shared weights first, which costs as many trainings as it took time (by then it has found nothing, and
its regret is that of a member by chance), and then tries members in the order of their accuracy on shared weights;
three such trainings are recorded, and searches take one of them by their seed.

    python benchmarks/search_regret.py --record    # 864 trainings, on a process a core; goes on where it was
    python benchmarks/search_regret.py
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timing import table

from convsmith import build
from convsmith.data import load
from convsmith.search.budget import Budget
from convsmith.search.costs import costs_of
from convsmith.search.ranks import spearman
from convsmith.search.searchers import SEARCHERS, Feasible, Trial, searcher
from convsmith.search.spaces import Space
from convsmith.search.spaces.factorised import Frame, Options, factorised
from convsmith.search.supernet.judge import judged
from convsmith.search.supernet.train import train_shared
from convsmith.train import Silent, environment, evaluate, machine, override, recipe, train

RECORDS = Path(__file__).with_suffix(".jsonl")
SEEDS, EPOCHS = 3, 3
SEARCHES, TRIALS, SEEN = 40, 120, (10, 20, 40, 80, 120)
PAIRED = (40, 120)
SUPERNET_EPOCHS, SUPERNET_RATE = 20, 0.3


def digits_space() -> Space:
    """Two rows."""
    rows = [
        Options(1, (1,), (4, 8), op=("conv", "mbconv3"), kernel=(3, 5), se=(0,), skip=("none",)),
        Options(2, (1, 2), (8, 16, 24), op=("conv", "separable", "mbconv3"), kernel=(3,), se=(0,),
                skip=("none", "residual")),
    ]  # fmt: skip
    return factorised(
        "digits", "small enough to be trained whole", rows, Frame(4, 1, 32), side=8, channels=1, classes=10
    )


def trained(number: int, seed: int) -> dict[str, Any]:
    """Validation and test accuracy of a member."""
    torch.set_num_threads(1)
    space, data = digits_space(), load("digits")
    (genome,) = space.genomes(space.numbering.block(number, number + 1))
    net, begun = build(genome.network, seed=seed), time.perf_counter()
    history = train(net, data, override(recipe("default"), {"epochs": EPOCHS}), seed=seed)
    spent = time.perf_counter() - begun
    test = evaluate(net, data.test, data.preprocess, data.classes, "test").top1
    params, _, macs, _, _ = costs_of(genome.graph)
    found = {"number": number, "seed": seed, "genome": genome.to_json()["choices"], "macs": macs, "params": params}
    return found | {"val": history[-1]["val_top1"], "test": test, "seconds": spent}


def shared(seed: int) -> dict[str, Any]:
    """Every member's validation accuracy with shared weights, and what their training took."""
    torch.set_num_threads(1)
    space, data = digits_space(), load("digits")
    how = override(recipe("default"), {"lr": SUPERNET_RATE}).settled(len(data.train), data.flip)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = train_shared(
            Path(folder) / "s", Feasible(space, Budget()), data, how, SUPERNET_EPOCHS, seed=seed, watch=Silent()
        )
    spent = time.perf_counter() - begun
    return {"supernet": seed, "seconds": spent, "scores": [judged(found, genome, data) for genome in space.members()]}


def record() -> None:
    """Train what is missing."""
    known = {(entry["number"], entry["seed"]) for entry in recorded()}
    wanted = [(i, seed) for seed in range(SEEDS) for i in range(digits_space().size) if (i, seed) not in known]
    nets = set(range(SEEDS)) - {entry["supernet"] for entry in supernets()}
    if not RECORDS.exists():
        RECORDS.write_text(json.dumps({"space": digits_space().sha256, **environment()}) + "\n")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(machine.cores(), context) as pool, RECORDS.open("a") as file:
        jobs = [*(pool.submit(shared, seed) for seed in sorted(nets)), *(pool.submit(trained, *one) for one in wanted)]
        for done, future in enumerate(as_completed(jobs), 1):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()
            if done % 50 == 0:
                print(f"{done} of {len(jobs)}", flush=True)


def lines() -> list[dict[str, Any]]:
    """All that is recorded."""
    return list(map(json.loads, RECORDS.read_text().splitlines())) if RECORDS.exists() else []


def recorded() -> list[dict[str, Any]]:
    """All trainings of members."""
    return [entry for entry in lines() if "number" in entry]


def supernets() -> list[dict[str, Any]]:
    """All trainings of shared weights, by seed."""
    return sorted((entry for entry in lines() if "supernet" in entry), key=lambda entry: entry["supernet"])


class Truth:
    """What every member is worth: `val` and `test` accuracies, (members, seeds)."""

    def __init__(self, space: Space) -> None:
        self.val, self.test = np.full((2, space.size, SEEDS), np.nan)
        self.macs = np.zeros(space.size)
        self.number = {genome: i for i, genome in enumerate(space.members())}
        for entry in recorded():
            i, seed = entry["number"], entry["seed"]
            self.val[i, seed], self.test[i, seed], self.macs[i] = entry["val"], entry["test"], entry["macs"]

    @property
    def whole(self) -> bool:
        """Whether every member is there."""
        return not np.isnan(self.test).any() and len(supernets()) == SEEDS


def regrets(name: str, space: Space, truth: Truth, seed: int) -> NDArray[np.float64]:
    """After each trial of one search."""
    found, random = searcher(name, Feasible(space, Budget()), seed=seed), np.random.default_rng((seed, 1))
    best, looks, curve = truth.test.mean(1).max(), -1.0, []
    for number in range(TRIALS):
        genome = found.ask(number)
        i = truth.number[genome]
        accuracy = float(truth.val[i, random.integers(SEEDS)])
        found.tell(Trial(number, genome, accuracy, float(truth.macs[i])))
        if accuracy > looks:
            looks, worth = accuracy, truth.test[i].mean()
        curve.append(best - worth)
    return np.array(curve)


def by_supernet(truth: Truth, seed: int) -> NDArray[np.float64]:
    """The same where members are tried in the order of shared weights."""
    net, random = supernets()[seed % SEEDS], np.random.default_rng((seed, 1))
    spent = ceil(net["seconds"] / np.mean([entry["seconds"] for entry in recorded()]))
    best, looks = truth.test.mean(1).max(), -1.0
    curve = [best - truth.test.mean()] * spent
    for i in np.argsort(-np.array(net["scores"]), kind="stable")[: max(0, TRIALS - spent)]:
        accuracy = float(truth.val[i, random.integers(SEEDS)])
        if accuracy > looks:
            looks, worth = accuracy, truth.test[i].mean()
        curve.append(best - worth)
    return np.array(curve[:TRIALS])


def said(values: NDArray[np.float64]) -> str:
    """Mean and 95 % interval, in points."""
    half = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return f"{100 * values.mean():.2f} ± {100 * half:.2f}"


def show(searches: int) -> None:
    """The tables."""
    space = digits_space()
    truth = Truth(space)
    if not truth.whole:
        print("The table is not whole yet: python benchmarks/search_regret.py --record")
        return
    means = truth.test.mean(1)
    spread = truth.test.std(1, ddof=1).mean()
    print(f"{space.size} members, {SEEDS} trainings each of {EPOCHS} epochs. Test accuracy {100 * means.min():.1f} "
          f"to {100 * means.max():.1f} %, a quarter above {100 * np.quantile(means, 0.75):.1f} %; trainings of one "
          f"member differ by {100 * spread:.2f} points (standard deviation, in the mean).\n")  # fmt: skip
    curves = {name: np.array([regrets(name, space, truth, seed) for seed in range(searches)]) for name in SEARCHERS}
    curves["supernet"] = np.array([by_supernet(truth, seed) for seed in range(searches)])
    chance = curves["random"]
    rows = []
    for name, curve in curves.items():
        apart = ["" if name == "random" else said((curve - chance)[:, at - 1]) for at in PAIRED]
        rows.append((name, *(said(curve[:, at - 1]) for at in SEEN), *apart))
    agree = [spearman(net["scores"], means) for net in supernets()]
    costs = [net["seconds"] / np.mean([entry["seconds"] for entry in recorded()]) for net in supernets()]
    print(f"Shared weights: trained for {SUPERNET_EPOCHS} epochs, the time of {min(costs):.0f} to {max(costs):.0f} "
          f"members; rank correlation with test accuracy {min(agree):.2f} to {max(agree):.2f} ({SEEDS} seeds).\n"
          )  # fmt: skip
    print(f"Regret in points of accuracy after so many trials, {searches} searches each:\n")
    print(table(("searcher", *map(str, SEEN), *(f"less random, at {at}" for at in PAIRED)), rows))


def main() -> None:
    """Record, or show."""
    parser = argparse.ArgumentParser(description="regret of searchers")
    parser.add_argument("--record", action="store_true", help="train what is missing of the table")
    parser.add_argument("--searches", type=int, default=SEARCHES)
    asked = parser.parse_args()
    if asked.record:
        record()
    show(asked.searches)


if __name__ == "__main__":
    main()
