"""How near do predicted latencies come on networks that the table has not seen?

For PyTorch and for ONNX Runtime, both on one thread and with one image (two threads of a virtual machine share a core
at times, and a network then takes much longer): `mnas` is profiled for ten minutes at most, twice, with other
networks, and both tables predict 200 further members: do they agree? Then the other spaces are added to the first,
some minutes each, and members that the table has not seen are predicted and measured, of ten families: `mnas`,
`cifar_mb`, `resnet`, `nas_cell`, and the six of `zoo`. Measured is the median of three passes over all of them, so
that no network has one moment of the machine alone. Beside it the MACs: the factor to milliseconds that puts most of
these very networks within 10 %.

A target takes some 60 minutes and is recorded in latency_model.jsonl:
`python benchmarks/latency_model.py --targets eager,onnxruntime --work runs/latency`. Tables and measurements that are
in the folder are not made again, so that an interrupted run goes on, and a changed model can be tried on them. Without
--targets, the tables of what is recorded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from timing import table

from convsmith.deploy.engines import dissect, engine, here, latency_as_in
from convsmith.search.latency.model import LatencyModel
from convsmith.search.latency.profile import name_of, profile
from convsmith.search.latency.table import LatencyTable
from convsmith.search.latency.verify import CLOSE, Verified, unseen, verdict, verify
from convsmith.search.spaces import Genome, Space, space
from convsmith.search.target import Target
from convsmith.spec.errors import BusyError
from convsmith.spec.network import Network
from convsmith.train import environment

RECORDS = Path(__file__).with_suffix(".jsonl")
MINUTES = {"mnas": 9.5, "cifar_mb": 3.0, "resnet": 5.0, "nas_cell": 9.0, "zoo": 14.0}
OF_SPACE, OF_FAMILY, AGREE = 6, 4, 200
"""Unseen networks of a space and of a family of `zoo`; those that two tables are to agree on."""
HEAD = (
    "family", "unseen", "ms", "from the table", "worst", "within 10 %", "Spearman", "MACs: within 10 %",
    "MACs: Spearman",
)  # fmt: skip
PASSES = 3
PATIENCE, PAUSE = 10, 20.0
"""How often a busy machine is waited for, and seconds each time."""


def grown(path: Path, target: Target, some: Space, minutes: float, seed: int) -> dict[str, Any]:
    """Measure a space into a table, and say how that went; a busy machine is waited for."""
    found = LatencyTable(here(), engine(target).version(), target)
    if path.exists():
        found = LatencyTable.load(path)
    began, networks, covered = time.monotonic(), len(found.networks), 0.0
    for _ in range(PATIENCE):
        try:
            left = 60 * minutes - (time.monotonic() - began)
            for step in profile(found, [some], lambda network: dissect(network, target), seconds=left, seed=seed):
                covered = step.covered
            break
        except BusyError as error:
            print(f"{some.name}: {error}", file=sys.stderr, flush=True)
            time.sleep(PAUSE)
        finally:
            found.save(path)
    spent = (time.monotonic() - began) / 60
    about = {"minutes": spent, "networks": len(found.networks) - networks, "covered": covered}
    print(f"{target} {some.name}: {about}", file=sys.stderr, flush=True)
    return about


def strangers(model: LatencyModel, spaces: Sequence[Space]) -> dict[str, list[Genome]]:
    """By family."""
    found = {some.name: unseen(model, some, OF_SPACE, seed=11) for some in spaces if some.name != "zoo"}
    for member in unseen(model, spaces[-1], 400, seed=11):
        of = found.setdefault(f"zoo {member.settings['family']}", [])
        if len(of) < OF_FAMILY:
            of.append(member)
    return found


def measured(network: Network, seen: LatencyTable) -> float:
    """Milliseconds at the pace of the table; a busy machine is waited for."""
    for _ in range(PATIENCE - 1):
        try:
            return latency_as_in(seen, network).ms
        except BusyError as error:
            print(f"{network.name}: {error}", file=sys.stderr, flush=True)
            time.sleep(PAUSE)
    return latency_as_in(seen, network).ms


def record(target: Target, work: Path) -> None:
    """Profile, compare two tables, predict and measure, whatever of it is not in `work` yet; a line in the records."""
    work.mkdir(parents=True, exist_ok=True)
    kept, spaces = work / f"{target.engine}-steps.json", [space(name) for name in MINUTES]
    steps: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}

    def step(name: str, do: Callable[[], Any]) -> Any:
        if name not in steps:
            steps[name] = do()
            kept.write_text(json.dumps(steps))
        return steps[name]

    def grow(seed: int, some: Space) -> Any:
        return grown(work / f"{target.engine}-{seed}.json", target, some, MINUTES[some.name], seed)

    about: dict[str, Any] = {"target": target.to_json(), "engine": engine(target).version(), "spaces": {}}
    about["again"] = step("mnas again", lambda: grow(1, spaces[0]))
    for some in spaces:
        about["spaces"][some.name] = step(some.name, partial(grow, 0, some))
    one, other = (LatencyTable.load(work / f"{target.engine}-{seed}.json") for seed in (0, 1))

    members = [member for some in strangers(LatencyModel(one), spaces).values() for member in some]
    looks: dict[str, list[float]] = {name_of(member): [] for member in members}
    for number in range(PASSES):
        for member in members:
            name = name_of(member)
            looks[name].append(step(f"{name}, pass {number}", partial(measured, member.network, one)))
    keep(about | predicted(one, other, lambda member: statistics.median(looks[name_of(member)])))


def predicted(one: LatencyTable, other: LatencyTable, measure: Callable[[Genome], float]) -> dict[str, Any]:
    """What the table of all spaces predicts, and how its `mnas` and another of it agree."""
    spaces, model = [space(name) for name in MINUTES], LatencyModel(one)
    about: dict[str, Any] = {"networks": len(one.networks), "units": len(one.units), "error": model.error}
    of_mnas = replace(one, networks=[network for network in one.networks if network.name.startswith("mnas ")])
    about["agree"] = agreement(LatencyModel(of_mnas), LatencyModel(other), spaces[0])
    about["families"] = {}
    for family, members in strangers(model, spaces).items():
        pairs = [pair._asdict() for pair in verify(model, members, measure)]
        shares = [model.predict(member.graph).measured for member in members]
        about["families"][family] = [pair | {"known": share} for pair, share in zip(pairs, shares, strict=True)]
        print(f"{one.target} {family}: {about['families'][family]}", file=sys.stderr, flush=True)
    return about


def keep(about: dict[str, Any]) -> None:
    """One more line."""
    note = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **environment()}
    with RECORDS.open("a") as file:
        file.write(json.dumps({**about, **note}) + "\n")


def recorded() -> dict[str, dict[str, Any]]:
    """What is recorded last, by engine."""
    lines = RECORDS.read_text().splitlines() if RECORDS.exists() else []
    return {entry["target"]["engine"]: entry for entry in map(json.loads, lines)}


def agreement(one: LatencyModel, other: LatencyModel, some: Space) -> dict[str, float]:
    """How far apart two tables' predictions are, as a share, beside the errors that they state."""
    graphs = [member.graph for member in some.draw(AGREE, seed=5)]
    apart = np.abs(np.log([one.predict(graph).ms / other.predict(graph).ms for graph in graphs]))
    median, most = np.quantile(apart, (0.5, 0.9))
    return {"median": float(median), "nine_in_ten": float(most), "stated": one.error, "stated_again": other.error}


def show() -> None:
    """Tables of what is recorded last of each target."""
    last = recorded()
    if not last:
        print("Nothing is recorded yet: python benchmarks/latency_model.py --targets eager,onnxruntime")
    for entry in last.values():
        agree, mnas = entry["agree"], entry["spaces"]["mnas"]
        print(f"{Target(**entry['target'])}, {entry['engine']}, {entry['date']}: `mnas` in {mnas['minutes']:.1f} min "
              f"({mnas['networks']} networks, {mnas['covered']:.1%} of its work seen). Profiled again with other "
              f"networks, predictions for {AGREE} members differ by {agree['median']:.1%} in the median and "
              f"{agree['nine_in_ten']:.1%} in nine of ten; stated errors {agree['stated']:.1%} and "
              f"{agree['stated_again']:.1%}. With all spaces {entry['networks']} networks, {entry['units']:,} units, "
              f"stated error {entry['error']:.1%}.\n")  # fmt: skip
        every = [pair for pairs in entry["families"].values() for pair in pairs]
        rows = [_row(family, pairs) for family, pairs in (*entry["families"].items(), ("all", every))]
        print(table(HEAD, rows), "\n")


def _row(family: str, pairs: list[dict[str, Any]]) -> tuple[str, ...]:
    some = [Verified(p["name"], p["predicted_ms"], p["measured_ms"], p["macs"]) for p in pairs]
    seen, ms = verdict(some), [one.measured_ms for one in some]
    worst = max((one.error for one in some), key=abs)
    known = np.mean([pair["known"] for pair in pairs])
    return (
        family, str(len(some)), f"{min(ms):.3g} to {max(ms):.3g}", f"{known:.0%}", f"{worst:+.1%}",
        f"{seen.close:.0%}", f"{seen.rank:.3f}", f"{seen.macs_close:.0%}", f"{seen.macs_rank:.3f}",
    )  # fmt: skip


def main() -> None:
    """Record what is asked for, then show what is recorded."""
    parser = argparse.ArgumentParser(description="predicted and measured latencies")
    parser.add_argument("--targets", default="", help="engines to record, of eager and onnxruntime")
    parser.add_argument("--work", type=Path, default=Path("runs/latency"), help="where the tables are kept")
    asked = parser.parse_args()
    for name in filter(None, asked.targets.split(",")):
        record(Target(name, threads=1), asked.work)
    show()


if __name__ == "__main__":
    assert CLOSE == 0.1, "the tables' headings say so"
    main()
