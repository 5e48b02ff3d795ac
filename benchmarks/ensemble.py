"""Do seven trainings answer together better than one by one, and by how much?

Krizhevsky et al. 2012 averaged seven networks: 18.2 % top-5 error became 15.4 % (the course notes, part 2). Here
ResNet-8 on the embedded digits and the recipe `fast` on CIFAR-10 (as in cifar10.py), seven seeds each on one split; the
mean of their probabilities beside the mean member, on the test images. The interval is of the difference, by the paired
bootstrap over images.

What each training answered is kept, and an interrupted benchmark goes on: `python benchmarks/ensemble.py --only
digits,cifar10`. Without --only, the table of what is recorded in ensemble.jsonl.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from cifar_data import ZIP, as_data, cifar
from timing import table
from torch import Tensor

from convsmith import build, spec
from convsmith.data import Data, load
from convsmith.train import Execution, Setup, environment, override, recipe, train
from convsmith.train.ensemble import Answers, ensemble
from convsmith.train.evaluate import logits_of
from convsmith.train.statistics import of_difference

MEMBERS = 7
RECORDS = Path(__file__).with_suffix(".jsonl")
WAYS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any], Execution]] = {
    "digits": ("resnet20", {"depth": 8}, "default", {"epochs": 5}, Execution()),
    "cifar10": (
        "airbench94", {"width": 0.5, "scale": 0.32}, "fast", {"epochs": 3},
        Execution(precision="bfloat16", channels_last=True, fused=True),
    ),
}  # fmt: skip
"""Network and options, recipe and changes, execution."""


def answered(way: str, data: Data, seed: int, work: Path) -> Tensor:
    """Probabilities of the test images, float64 (N, classes), kept in a file."""
    kept = work / f"{way}-{seed}.pt"
    if not kept.exists():
        name, options, base, changes, execution = WAYS[way]
        net = build(spec(name, **options), channels=data.channels, side=data.side, classes=len(data.classes), seed=seed)
        train(net, data, override(recipe(base), changes), seed=seed, setup=Setup(execution))
        part = kept.with_suffix(".part")
        torch.save(logits_of(net, data.test, data.preprocess).double().softmax(1), part)
        part.replace(kept)
        print(f"{way} {seed}: done", flush=True)
    found: Tensor = torch.load(kept)
    return found


def record(way: str, archive: Path, work: Path) -> None:
    """Train what is missing and append a line."""
    work.mkdir(parents=True, exist_ok=True)
    data = load("digits") if way == "digits" else as_data(cifar(archive, work))
    members = [Answers(str(seed), data.classes, answered(way, data, seed, work)) for seed in range(MEMBERS)]
    right = [each.probabilities.argmax(1) == data.test.labels for each in (*members, ensemble(members))]
    mean = torch.stack(right[:-1]).double().mean(0)
    gain = of_difference(right[-1], mean)
    found = {
        "way": way,
        "images": len(data.test),
        "members": [float(one.double().mean()) for one in right[:-1]],
        "ensemble": float(right[-1].double().mean()),
        "gain": gain.to_json(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    with RECORDS.open("a") as file:
        file.write(json.dumps(found | environment()) + "\n")


def show() -> None:
    """The table of what is recorded."""
    lines = []
    known = [json.loads(line) for line in RECORDS.read_text().splitlines()] if RECORDS.exists() else []
    for way in WAYS:
        entry = next((entry for entry in reversed(known) if entry["way"] == way), None)
        if entry is None:
            lines.append((way, "", "not recorded", "", ""))
            continue
        errors = [100 * (1 - top1) for top1 in entry["members"]]
        mean, gain = sum(errors) / len(errors), entry["gain"]
        spread = f"{mean:.2f} ({min(errors):.2f} to {max(errors):.2f})"
        less = f"{100 * gain['value']:.2f} ({100 * gain['low']:.2f} to {100 * gain['high']:.2f})"
        lines.append((way, f"{entry['images']:,}", spread, f"{100 * (1 - entry['ensemble']):.2f}", less))
    head = ("data", "test images", "mean member's error, %", f"error of {MEMBERS}, %", "less by, 95 % interval")
    print(table(head, lines))


def main() -> None:
    """Record what is asked for, or show what is."""
    parser = argparse.ArgumentParser(description="an ensemble beside its members")
    parser.add_argument("--only", default="", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--data", type=Path, default=ZIP, help="CIFAR-10")
    parser.add_argument("--work", type=Path, default=Path("runs/ensemble"), help="where answers are kept")
    asked = parser.parse_args()
    for way in (way for way in asked.only.split(",") if way):
        if way not in WAYS:
            parser.error(f"nothing is called {way!r} (there are {', '.join(WAYS)})")
        record(way, asked.data, asked.work)
    show()


if __name__ == "__main__":
    main()
