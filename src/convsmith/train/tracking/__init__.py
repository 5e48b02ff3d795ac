"""Trainings recorded by somebody else's tracker as well: TensorBoard, MLflow, Weights & Biases.

metrics.jsonl in the run folder is always written and is what convsmith itself reads; trackers get a copy. Each has a
file with a `Writer`; `Tracked` is the `Watch` that feeds them.
"""

from __future__ import annotations

from convsmith.spec.errors import UnknownName, nearest
from convsmith.train.tracking.mlflow import MLflow
from convsmith.train.tracking.tensorboard import TensorBoard
from convsmith.train.tracking.tracked import Tracked
from convsmith.train.tracking.wandb import WandB
from convsmith.train.tracking.writer import About, Writer, about

__all__ = ["TRACKERS", "About", "Tracked", "Writer", "about", "check", "tracker"]

TRACKERS: dict[str, type[Writer]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}
"""Writers by the name that the command line, run.json and the extra have."""


def tracker(name: str) -> type[Writer]:
    """The writer of this name. Raises UnknownName, offering the nearest."""
    if name not in TRACKERS:
        raise UnknownName(f"no tracker is called {name!r}{nearest(name, TRACKERS)} (there are {', '.join(TRACKERS)})")
    return TRACKERS[name]


def check(name: str) -> None:
    """Raise UnknownName for an unknown tracker, MissingExtra for one whose package cannot be imported here."""
    tracker(name).imported()
