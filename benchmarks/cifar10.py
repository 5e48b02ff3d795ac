"""How many minutes does recipe `fast` need to the test accuracy at which a plain torchvision-style ResNet-20 ends?

Beside it the 94 % net and training of cifar10-airbench, as published but on the CPU in float32; then the best accuracy
within 20 minutes, and ResNet-20 by its paper's recipe, shortened, beside the plain loop at equal epochs. The images are
a JPEG-compressed copy, on which networks lose some 10 points: read it side by side, never beside published figures.
Minutes are those of training steps and their images, to the end of the first epoch that is there; looking at the test
images is not counted, for anyone. An epoch counts for the median of its training's at most, as neighbours on the
machine make some longer. Target: the mean over seeds of where the plain loop ends.

A training takes minutes to half an hour and is recorded when it ends; an interrupted one goes on where it was:
`python benchmarks/cifar10.py --only plain,airbench,fast,best,paper --seeds 0,1,2`. With `--until 12` a peer is left
unfinished after 12 minutes, which shows that it needs longer. Without --only, the table of what is in cifar10.jsonl.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from cifar_airbench import Airbench
from cifar_data import ZIP, Cifar, as_data, cifar
from cifar_plain import Plain
from timing import table

from convsmith import build, spec
from convsmith.train import Execution, Run, Setup, Silent, environment, machine, override, recipe, train

RECORDS = Path(__file__).with_suffix(".jsonl")
LIMIT = 20.0


class Ours(NamedTuple):
    """A network and its options, a recipe and its changes."""

    network: str
    options: dict[str, Any]
    recipe: str
    changes: dict[str, Any]


OURS = {
    "fast": Ours("airbench94", {"width": 0.5, "scale": 0.32}, "fast", {"epochs": 5}),
    "best": Ours("airbench94", {"scale": 0.32}, "fast", {"epochs": 10}),
    "paper": Ours("resnet20", {}, "resnet_cifar", {"epochs": 20}),
}
PIECES = ("plain", "airbench", *OURS)
EXECUTION = Execution(precision="bfloat16", channels_last=True, fused=True)


def theirs(piece: str, data: Cifar, seed: int, work: Path, until: float) -> dict[str, Any]:
    """A peer's training, kept after each epoch; left unfinished after the epoch that passes `until` minutes."""
    peer = Plain(data, seed, 20) if piece == "plain" else Airbench(data, seed)
    kept, epochs = work / f"{piece}-{seed}.pt", list[dict[str, float]]()
    if kept.exists():
        state = torch.load(kept)
        peer.load(state["peer"])
        torch.set_rng_state(state["random"])
        epochs = state["epochs"]
    while len(epochs) < peer.epochs and sum(epoch["seconds"] for epoch in epochs) < 60 * until:
        watch, start = machine.Watch(), time.perf_counter()
        peer.epoch()
        seconds, others = time.perf_counter() - start, watch.seen().others
        epochs.append({"seconds": seconds, "top1": right(peer.logits(data.test), data), "others": others})
        state = {"peer": peer.state(), "random": torch.get_rng_state(), "epochs": epochs}
        torch.save(state, kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
        print(f"{piece} {seed}: epoch {len(epochs)}, {epochs[-1]}", flush=True)
    found: dict[str, Any] = {"epochs": epochs, "unfinished": len(epochs) < peer.epochs}
    if isinstance(peer, Airbench) and not found["unfinished"]:
        found["top1_views"] = right(peer.logits(data.test, views=True), data)
    return found


def ours(piece: str, data: Cifar, seed: int, work: Path) -> dict[str, Any]:
    """A training by `train`, which goes on from its run's checkpoint."""
    what, folder, images = OURS[piece], work / f"{piece}-{seed}", as_data(data)
    net = build(spec(what.network, **what.options), seed=seed)
    chosen = override(recipe(what.recipe), what.changes)
    about = {"piece": piece, "seed": seed, "recipe": chosen.to_json(), "execution": EXECUTION.to_json()}
    run = Run.open(folder) if (folder / "run.json").exists() else Run.create(folder, about, net.network, again=True)
    history = train(net, images, chosen, seed=seed, run=run, setup=Setup(EXECUTION), watch=Neighbours(folder))
    others = json.loads((folder / "others.json").read_text())
    epochs = [
        {"seconds": r["seconds"], "top1": r["val_top1"], "others": o} for r, o in zip(history, others, strict=True)
    ]
    return {"epochs": epochs, **about, "network": what.network, "options": what.options}


class Neighbours(Silent):
    """Notes for each epoch what share of the machine others used."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "others.json"
        self.seen = json.loads(self.file.read_text()) if self.file.exists() else []
        self.clock = machine.Watch()

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch ended."""
        self.seen = [*self.seen[: record["epoch"] - 1], self.clock.seen().others]
        self.file.write_text(json.dumps(self.seen))
        self.clock = machine.Watch()


def right(logits: torch.Tensor, data: Cifar) -> float:
    """Share of the test images."""
    return float((logits.argmax(1) == data.test_labels).double().mean())


def record(piece: str, seed: int, data: Cifar, work: Path, until: float) -> None:
    """Train and append a line."""
    found = ours(piece, data, seed, work) if piece in OURS else theirs(piece, data, seed, work, until)
    note = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **environment()}
    with RECORDS.open("a") as file:
        file.write(json.dumps({"piece": piece, "seed": seed, **found, **note}) + "\n")


def recorded() -> dict[str, dict[int, dict[str, Any]]]:
    """The last line of each piece and seed."""
    found: dict[str, dict[int, dict[str, Any]]] = {piece: {} for piece in PIECES}
    for line in RECORDS.read_text().splitlines() if RECORDS.exists() else ():
        entry = json.loads(line)
        found[entry["piece"]][entry["seed"]] = entry
    return found


def minutes(entry: dict[str, Any], target: float) -> float | None:
    """Training until the first epoch that reaches the target; None: it never does."""
    for spent, epoch in zip(clock(entry), entry["epochs"], strict=True):
        if epoch["top1"] >= target:
            return spent
    return None


def clock(entry: dict[str, Any]) -> list[float]:
    """Minutes of training at the end of each epoch."""
    usual = statistics.median(epoch["seconds"] for epoch in entry["epochs"])
    took = [min(usual, epoch["seconds"]) for epoch in entry["epochs"]]
    return [total / 60 for total in accumulate(took)]


def within(entry: dict[str, Any], limit: float) -> float | None:
    """Best accuracy after an epoch that ends within so many minutes."""
    reached = [epoch["top1"] for spent, epoch in zip(clock(entry), entry["epochs"], strict=True) if spent <= limit]
    return max(reached, default=None)


def show() -> None:
    """The table of what is recorded."""
    found = recorded()
    plain = [entry["epochs"][-1]["top1"] for entry in found["plain"].values() if not entry.get("unfinished")]
    if not plain:
        print("Nothing to compare with is recorded yet: begin with `python benchmarks/cifar10.py --only plain`.")
        return
    target = statistics.mean(plain)
    lines = []
    for piece, seeds in found.items():
        if not seeds:
            lines.append((piece, "0", "not recorded", "", "", "", ""))
            continue
        ends = [entry["epochs"][-1]["top1"] for entry in seeds.values()]
        total = [clock(entry)[-1] for entry in seeds.values()]
        there = total if piece == "plain" else [minutes(entry, target) for entry in seeds.values()]
        left = sum(entry.get("unfinished", False) for entry in seeds.values())
        best = [within(entry, LIMIT) for entry in seeds.values()]
        busy = sum(epoch["others"] > machine.QUIET for entry in seeds.values() for epoch in entry["epochs"])
        count = f"{len(seeds)}, {left} left unfinished" if left else str(len(seeds))
        lines.append((piece, count, each(ends, 100), each(total), each(there), each(best, 100), str(busy)))
    head = (
        "training",
        "seeds",
        "top-1 at the end, %",
        "minutes",
        f"minutes to {target:.2%}",
        "best in 20 min, %",
        "busy epochs",
    )
    print(table(head, lines))
    print(f"\nTarget: {target:.2%}, where {len(plain)} plain trainings end on average; plain counts to its end.")


def each(values: list[Any], times: float = 1.0) -> str:
    """Mean (least to most), or how many there are not."""
    known = [times * value for value in values if value is not None]
    missing = f", {len(values) - len(known)} not reached" if len(known) < len(values) else ""
    return f"{statistics.mean(known):.2f} ({min(known):.2f} to {max(known):.2f}){missing}" if known else "not reached"


def main() -> None:
    """Record what is asked for and not yet there, or show what is."""
    parser = argparse.ArgumentParser(description="CIFAR-10, minutes to an accuracy")
    parser.add_argument("--only", default="", help=f"pieces to record, of {', '.join(PIECES)}")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--data", type=Path, default=ZIP)
    parser.add_argument("--work", type=Path, default=Path("runs/cifar10"), help="where interrupted trainings are kept")
    parser.add_argument("--until", type=float, default=math.inf, help="minutes after which a peer is left unfinished")
    asked = parser.parse_args()
    pieces = [piece for piece in asked.only.split(",") if piece]
    for piece in pieces:
        if piece not in PIECES:
            parser.error(f"no piece is called {piece!r} (there are {', '.join(PIECES)})")
    known = recorded()
    wanted = [(piece, int(seed)) for seed in asked.seeds.split(",") for piece in pieces]
    whole = asked.until == math.inf
    missing = [(p, s) for p, s in wanted if s not in known[p] or (whole and known[p][s].get("unfinished"))]
    if missing:
        data = cifar(asked.data, asked.work)
        for piece, seed in missing:
            record(piece, seed, data, asked.work, asked.until)
    show()


if __name__ == "__main__":
    main()
