"""Does an hour of search on CIFAR-10 find a better network than scaling ResNet-20 or MobileNet v2 to the same budget?

Two searches by the command line on this machine, of `cifar_mb`, by evolution beside chance, with halving from one epoch
to nine: within 10 M multiply-adds; and within the latency of the scaled ResNet-20 (one thread, one image, PyTorch), by
a table of the space that is measured first. What was found, ResNet-20 of 8 channels (10.2 M, a little over), MobileNet
v2 in the strides that are usual for CIFAR at the width that fits, and they all train alike, three seeds on one split,
by the recipe `default` with shifts by an eighth, each carried out as a measurement finds fastest for it: in the record
the networks that were found had float32, the two others bfloat16. The images are a JPEG-compressed copy, on which
networks lose some 10 points: read them side by side. Latency is what `convsmith latency` measures.

Steps are recorded in cifar_search.jsonl: `python benchmarks/cifar_search.py --only table,macs,latency,finals
--seeds 0,1,2 --work runs/cifar_search`; a search that was stopped goes on. Without --only, the table of what is
recorded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from timing import table

from convsmith import spec
from convsmith.spec import Flatten, Linear, Network, PoolTo, Relu6, Seq, round_to
from convsmith.spec.codec import dumps, loads, write
from convsmith.spec.trace import trace
from convsmith.train import environment, machine
from convsmith.views.cost import cost
from convsmith.zoo.blocks import conv_norm
from convsmith.zoo.mobilenet_v2 import FIRST, LAST, TABLE2, bottleneck

RECORDS = Path(__file__).with_suffix(".jsonl")
ZIP = Path(__file__).parents[2] / "shared" / "data" / "cifar10.zip"
MACS, TARGET, CLASSES = 10_000_000, "eager,threads=1", 10
SEARCH = ("--space", "cifar_mb", "--halving", "3", "--least", "1", "--set", "epochs=9", "--set", "shift=0.125",
          "--trials", "1000")  # fmt: skip


def resnet() -> Network:
    """ResNet-20 of half the width."""
    return replace(spec("resnet20", width=8), name="resnet20 w8")


def mobilenet() -> Network:
    """MobileNet v2 with a first stride of 1 and one less after it, at the largest width within the budget."""
    return max((one for one in map(_mobilenet, range(10, 60)) if _macs(one) <= MACS), key=_macs)


def _mobilenet(hundredths: int) -> Network:
    width, blocks = hundredths / 100, []
    for row, (t, c, n, s) in enumerate(TABLE2):
        wide = round_to(c * width, 4)
        blocks += [bottleneck(t, wide, 1 if row == 1 else s), *[bottleneck(t, wide)] * (n - 1)]
    body = Seq(
        features=Seq(conv_norm(round_to(FIRST * width, 4), 3, 1, act=Relu6), *blocks, conv_norm(LAST, act=Relu6)),
        avgpool=PoolTo(1),
        flatten=Flatten,
        classifier=Linear(CLASSES),
    )
    like = spec("mobilenet_v2", CLASSES)
    return replace(like, name=f"mobilenet_v2 cifar ×{width:g}", body=body, side=32)


def _macs(network: Network) -> int:
    return cost(trace(network)).macs


def command(*words: object) -> str:
    """What a command of ours prints; its progress is seen."""
    done = subprocess.run([sys.executable, "-m", "convsmith", *map(str, words)], stdout=subprocess.PIPE, text=True,
                          check=True)  # fmt: skip
    return done.stdout


def milliseconds(network: Network, work: Path) -> float:
    """Measured."""
    write(network, work / "timed.json")
    (found,) = json.loads(command("latency", work / "timed.json", "--target", TARGET, "--json"))
    return float(found["measured"]["ms"])


def table_of(work: Path) -> dict[str, Any]:
    """The limit of latency, and a table by which a search is held to it."""
    begun = time.perf_counter()
    limit = milliseconds(resnet(), work)
    places = ("--side", 32, "--classes", CLASSES, "--out", work / "table.json")
    command("profile-device", "cifar_mb", "--target", TARGET, "--time", "6m", *places)
    return {"limit": f"{limit:.3f}ms", "minutes": (time.perf_counter() - begun) / 60}


def search(name: str, data: Path, work: Path, minutes: float) -> dict[str, Any]:
    """One of the searches, in so many minutes all in all."""
    folder, spent, limits = work / name, 0.0, ["--max-macs", str(MACS)]
    if name == "latency":
        made = [entry for entry in recorded() if entry["step"] == "table"]
        if not made:
            sys.exit("a search within a latency wants a table: --only table,latency")
        spent, limits = made[-1]["minutes"], ["--max-latency", made[-1]["limit"]]
        limits += ["--latency-table", str(work / "table.json")]
    words = ["--join", folder] if (folder / "search.json").exists() else [data, *SEARCH, *limits, "--out", folder]
    ended = [json.loads(outcome.read_text()) for outcome in folder.glob("trials/*/outcome.json")]
    left = max(1.0, 60 * (minutes - spent) - sum(trial["seconds"] for trial in ended))
    report = json.loads(command("search", *words, "--threads", 1, "--time", f"{left:.0f}s", "--json"))
    spent += sum(trial["seconds"] for trial in report["trials"]) / 60
    network = loads((folder / "found.json").read_text())
    return {"network": json.loads(dumps(network)), "limits": limits[:2], "minutes": spent, "verdict": report["verdict"],
            "trials": len(report["trials"]), "macs": _macs(network)}  # fmt: skip


def final(name: str, seed: int, epochs: int, data: Path, work: Path) -> dict[str, Any]:
    """One whole training on one thread, tested."""
    out = work / f"final-{name}-{epochs}-{seed}"
    words = ("--seed", seed, "--split-seed", 0, "--set", f"epochs={epochs}", "--set", "shift=0.125", "--threads", 1,
             "--out", out)  # fmt: skip
    if (out / "run.json").exists():
        command("resume", out)
        top1 = json.loads((out / "test.json").read_text())["top1"]
    else:
        top1 = json.loads(command("train", data, "-n", work / f"{name}.json", *words, "--json"))["test_top1"]
    return {"test": top1}


def recorded() -> list[dict[str, Any]]:
    """All that is there."""
    return [json.loads(line) for line in RECORDS.read_text().splitlines()] if RECORDS.exists() else []


def contestants() -> dict[str, Network]:
    """By name; what searches found as far as they are recorded."""
    found = {"resnet20": resnet(), "mobilenet_v2": mobilenet()}
    for entry in recorded():
        if entry["step"] in ("macs", "latency"):
            found[f"found-{entry['step']}"] = loads(json.dumps(entry["network"]))
    return found


def keep(entry: dict[str, Any]) -> None:
    """Append a line."""
    with RECORDS.open("a") as file:
        file.write(json.dumps(entry | environment()) + "\n")
    print({name: value for name, value in entry.items() if name != "network"}, file=sys.stderr, flush=True)


def finals(seeds: Sequence[int], epochs: int, data: Path, work: Path) -> None:
    """What is missing of latencies, one by one, and of whole trainings, one a core."""
    known = {(e["name"], e.get("epochs"), e.get("seed")) for e in recorded() if e["step"] in ("final", "time")}
    for name, network in contestants().items():
        write(network, work / f"{name}.json")
        if (name, None, None) not in known:
            keep({"step": "time", "name": name, "ms": milliseconds(network, work)})
    with ThreadPoolExecutor(machine.cores()) as pool:
        jobs = {
            pool.submit(final, name, seed, epochs, data, work): {
                "step": "final", "name": name, "epochs": epochs, "seed": seed}
            for seed in seeds for name in contestants() if (name, epochs, seed) not in known
        }  # fmt: skip
        for job in as_completed(jobs):
            keep(jobs[job] | job.result())


def show() -> None:
    """The searches, and the contestants side by side."""
    entries = recorded()
    for entry in entries:
        if entry["step"] in ("macs", "latency"):
            print(f"Within {entry['limits'][1]}: {entry['trials']} trials in {entry['minutes']:.0f} min; "
                  f"{entry['verdict'] or 'no verdict'}.\n")  # fmt: skip
    rows = []
    for name, network in contestants().items():
        finals = [entry for entry in entries if entry["step"] == "final" and entry["name"] == name]
        times = [entry["ms"] for entry in entries if entry["step"] == "time" and entry["name"] == name]
        total = cost(trace(network))
        for epochs in sorted({entry["epochs"] for entry in finals}) or [0]:
            tests = [100 * entry["test"] for entry in finals if entry["epochs"] == epochs]
            apart = f" ± {statistics.stdev(tests):.2f}" if len(tests) > 1 else ""
            mean, ms = f"{statistics.mean(tests):.2f}{apart}" if tests else "", f"{times[-1]:.2f}" if times else ""
            rows.append((name, f"{total.macs:,}", f"{total.params:,}", ms, f"{epochs or ''}", mean, str(len(tests))))
    print(table(("network", "MACs", "parameters", "ms", "epochs", "test top-1, %", "seeds"), rows))


def main() -> None:
    """Record what is asked for, or show what is recorded."""
    parser = argparse.ArgumentParser(description="search on CIFAR-10")
    parser.add_argument("--only", default="", help="steps to record: table, macs, latency, finals")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=8, help="of the finals")
    parser.add_argument("--minutes", type=float, default=40.0, help="of a search, the table included")
    parser.add_argument("--data", type=Path, default=ZIP)
    parser.add_argument("--work", type=Path, default=Path("runs/cifar_search"))
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    for step in filter(None, asked.only.split(",")):
        if step == "table":
            keep({"step": step, **table_of(asked.work)})
            continue
        if step != "finals":
            keep({"step": step, **search(step, asked.data, asked.work, asked.minutes)})
            continue
        finals([int(seed) for seed in asked.seeds.split(",")], asked.epochs, asked.data, asked.work)
    show()


if __name__ == "__main__":
    main()
