"""A trial: a run folder in which a network is trained, from where it was if somebody began it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convsmith.data import Data
from convsmith.search.costs import Costs, costs_of
from convsmith.search.fit import train_run
from convsmith.spec.errors import SpecError, TrainingError
from convsmith.spec.network import Network
from convsmith.spec.trace import trace
from convsmith.train import Recipe, Run, Watch, store

OUTCOME = "outcome.json"


def train_trial(
    folder: Path, network: Network, data: Data, recipe: Recipe, record: Mapping[str, Any], *,
    seed: int, watch: Watch, title: str,
) -> dict[str, Any]:  # fmt: skip
    """Train a network in a run folder; what the folder holds is gone on with. `record` is what its run.json says.

    Returns accuracy (top-1 on the validation images after the last epoch, 0..1), seconds, and the costs of one image.
    A network that the recipe cannot train has accuracy 0, and says why. Raises Interrupted, RunError.
    """
    begun_before = (folder / "run.json").is_file()
    run = Run.open(folder) if begun_before else Run.create(folder, dict(record), network, again=True)
    if run.has(OUTCOME):
        found: dict[str, Any] = run.read_json(OUTCOME)
        return found
    begun = time.perf_counter()
    outcome: dict[str, Any] = {}
    try:
        outcome |= zip(Costs._fields, costs_of(trace(network)), strict=True)
        net, _ = train_run(run, data, recipe, seed=seed, watch=watch, title=title)
        last = json.loads(run.path("metrics.jsonl").read_text().splitlines()[-1])
        outcome |= {"accuracy": last["val_top1"], "loss": last["val_loss"]}
        store(run, net.cpu())
    except (TrainingError, SpecError) as error:  # a side can be too small for a network
        outcome |= {"accuracy": 0.0, "failed": str(error)}
    outcome |= {"seconds": round(time.perf_counter() - begun, 2), "images": len(data.val)}
    run.write_json(OUTCOME, outcome)
    run.update(status="complete")
    return outcome
