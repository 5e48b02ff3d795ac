"""Members' accuracy with shared weights: a search's own, or those of an earlier one of the same space and images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from convsmith.cli import say, searching
from convsmith.data import Data
from convsmith.search.searchers import Feasible
from convsmith.search.spaces import Genome
from convsmith.search.supernet.judge import judged
from convsmith.search.supernet.shared import Shared
from convsmith.search.supernet.train import train_shared
from convsmith.spec.errors import StudyError
from convsmith.train import Bar

FILE = "supernet.safetensors"


def by_supernet(folder: Path, asked: searching.Asked, feasible: Feasible, data: Data) -> Callable[[Genome], float]:
    """Top-1 with shared weights, 0 for members that do not fit on them. They are trained when the first member is asked
    for; those of the search `asked.supernet` are used as they are. Raises StudyError where they do not suit."""
    if asked.supernet is not None:
        folder, asked, feasible = _earlier(Path(asked.supernet), feasible, data)
    kept: list[Shared] = []

    def scored(genome: Genome) -> float:
        if not kept:
            watch, epochs = Bar(say.console(), every_epoch=False), asked.supernet_epochs
            kept.append(train_shared(folder / FILE, feasible, data, asked.recipe, epochs, seed=asked.seed, watch=watch))
        return judged(kept[0], genome, data) if kept[0].fits(genome) else 0.0

    return scored


def _earlier(folder: Path, feasible: Feasible, data: Data) -> tuple[Path, searching.Asked, Feasible]:
    """The search that trained the weights, and what it was within."""
    _, study = searching.opened(folder)
    if not (folder / FILE).is_file():
        raise StudyError(f"{folder} has no shared weights: they come of a search with --filter supernet")
    if study.about["space"]["sha256"] != feasible.space.sha256:
        raise StudyError(
            f"{folder} has shared weights of the space {study.about['space']['name']}, and this is another, "
            f"{feasible.space.name}: train them anew, without --supernet"
        )
    if study.about["data"]["fingerprint"] != data.fingerprint:
        raise StudyError(
            f"{folder} has shared weights that learned from other images (or splits, by --seed): train them anew, "
            "without --supernet"
        )
    asked = searching.Asked.from_json(study.about["asked"])
    budget, latency = searching.timed(asked)
    return folder, asked, Feasible(feasible.space, budget, latency)
