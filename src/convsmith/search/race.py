"""Successive halving (Jamieson & Talwalkar 2016): all start, the better half trains longer, until one is left.

Every rung trains anew with its whole schedule in the epochs that it has, so that a short training ends at a learning
rate of zero like a long one, and so that an interrupted race goes on from its scores alone. Ranked on the validation
split; the test split is not touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from convsmith.data import Data
from convsmith.search.candidate import Candidate
from convsmith.search.candidates import from_json
from convsmith.search.fidelity import subset
from convsmith.search.start import started
from convsmith.spec.errors import TrainingError
from convsmith.train import Interrupted, Recipe, Watch, train
from convsmith.train.recipe import epochs_for
from convsmith.train.setup import Setup

LARGEST = 5000
"""Training images that a race uses at most."""


@dataclass
class Entry:
    """A design in the race, what it was estimated to take, its latency if that is limited, its scores, one a rung.

    `share` is the part of the recipe's epochs that there is time for: it races with so many of a rung's, too.
    """

    design: Candidate
    memory_bytes: int
    seconds: float
    latency_ms: float | None = None
    scores: list[dict[str, Any]] = field(default_factory=list)
    chosen: bool = False
    share: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        d, cost = self.design, self.design.cost
        costs: dict[str, Any] = {
            "params": cost.params,
            "macs": cost.macs,
            "memory_bytes": self.memory_bytes,
            "seconds": self.seconds,
        }
        if self.latency_ms is not None:
            costs["latency_ms"] = self.latency_ms
        if self.share < 1:
            costs["share"] = self.share
        row = {"name": d.name, "design": d.to_json(), "side": d.pixels}
        return {**row, **costs, "scores": self.scores, "chosen": self.chosen}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Entry:
        """Inverse of `to_json`."""
        known = (data["memory_bytes"], data["seconds"], data.get("latency_ms"), data["scores"], data["chosen"])
        return Entry(from_json(data["design"]), *known, data.get("share", 1.0))


def rungs(epochs: int, entries: int) -> tuple[int, ...]:
    """Epochs of each rung: the last, of two or three entries, has a quarter of the training, each earlier one half."""
    count = max(1, entries.bit_length() - 1)
    return tuple(max(1, epochs // 4 // 2 ** (count - 1 - rung)) for rung in range(count))


def race_epochs(recipe: Recipe, images: int) -> int:
    """The whole training's epochs as a race on at most `LARGEST` images counts them: what is fewer is seen oftener."""
    assert recipe.epochs is not None
    return max(1, round(recipe.epochs * epochs_for(min(images, LARGEST)) / epochs_for(images)))


def race(
    entries: Sequence[Entry], data: Data, recipe: Recipe, *,
    seed: int, watch: Watch, saved: Callable[[], None], until: float = float("inf"),
    recipes: Mapping[str, Recipe] | None = None, setup: Setup | None = None,
) -> Entry:  # fmt: skip
    """The entry that wins on the validation split; `saved` is called after each training. `recipe` must be settled.

    `recipes` are those of candidates that are made for one, by name; `setup` is how all are trained.

    Scores that entries already have are not measured again. When the clock (`time.monotonic`) passes `until` no further
    training begins, and the best of those that got furthest wins. Raises Interrupted on Ctrl-C; finished trainings are
    kept.
    """
    running = list(entries)
    ladder = rungs(race_epochs(recipe, len(data.train)), len(running)) if len(running) > 1 else ()
    for rung, epochs in enumerate(ladder):
        missing = [entry for entry in running if len(entry.scores) <= rung]
        for number, (entry, small) in enumerate(_by_side(missing, data), len(running) - len(missing) + 1):
            if time.monotonic() > until and any(entry.scores for entry in running):
                return _chosen(_furthest(running), saved)
            title = f"race {rung + 1} of {len(ladder)} · {number}/{len(running)} · {entry.design.name}"
            how = recipe if entry.design.recipe is None else (recipes or {})[entry.design.recipe]
            own = max(1, round(epochs * entry.share))
            score = _try(entry.design, small, how, own, seed=seed, watch=watch, title=title, setup=setup)
            entry.scores.append(score)
            saved()
        running.sort(key=lambda entry: _standing(entry.scores[rung]))
        running = running[: max(1, len(running) // 2)]
    return _chosen(running[0], saved)


def _chosen(entry: Entry, saved: Callable[[], None]) -> Entry:
    entry.chosen = True
    saved()
    return entry


def _furthest(entries: Sequence[Entry]) -> Entry:
    """The best of those with most scores."""
    return min(
        entries, key=lambda entry: (-len(entry.scores), *(_standing(entry.scores[-1]) if entry.scores else (0, 0)))
    )


def _by_side(entries: Sequence[Entry], data: Data) -> Iterator[tuple[Entry, Data]]:
    """Entries with the data at their side, one side after the other, so that images are resized once for each."""
    ordered = sorted(entries, key=lambda entry: entry.design.pixels)
    for side, group in groupby(ordered, key=lambda entry: entry.design.pixels):
        small = subset(data.resized(side), LARGEST)
        for entry in group:
            yield entry, small


def _try(
    design: Candidate, data: Data, recipe: Recipe, epochs: int, *,
    seed: int, watch: Watch, title: str, setup: Setup | None,
) -> dict[str, Any]:  # fmt: skip
    begun = time.perf_counter()
    net, data = started(design, data, seed)
    try:
        history = train(net, data, replace(recipe, epochs=epochs), seed=seed, watch=watch, title=title, setup=setup)
        top1, loss = history[-1]["val_top1"], history[-1]["val_loss"]
    except KeyboardInterrupt:
        raise Interrupted from None
    except TrainingError:  # a design that cannot learn by this recipe has lost; the others go on
        top1, loss = 0.0, None
    return {"epochs": epochs, "top1": top1, "loss": loss, "seconds": round(time.perf_counter() - begun, 2)}


def _standing(score: dict[str, Any]) -> tuple[float, float]:
    """Smaller is better: top-1, and the loss between equals."""
    return -score["top1"], float("inf") if score["loss"] is None else score["loss"]
