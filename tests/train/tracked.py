"""A run that is recorded elsewhere, too, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import convsmith
from convsmith.train import Recipe, Run, Silent

TEST = {"split": "test", "top1": 0.75, "top5": None, "loss": 0.5, "n": 8, "classes": ["a", "b"]}


def record(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "step": 4 * epoch, "lr": 0.1 / epoch, "val_top1": epoch / 16, "note": "no number"}


def make(folder: Path, *names: str) -> Run:
    """A run that has begun to exist."""
    told = {
        "recipe": Recipe(epochs=3, milestones=(0.5, 0.75)).to_json(), "seed": 7, "track": dict.fromkeys(names),
        "data": {"name": "spots", "classes": ["a", "b"], "counts": {"train": 12}},
    }  # fmt: skip
    return Run.create(folder, told, convsmith.spec("lenet5"))


class Notes(Silent):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.notes: list[str] = []

    def start(self, *words: Any) -> None:
        self.heard.append(("start", *words))

    def step(self, *words: Any) -> None:
        self.heard.append(("step", *words))

    def epoch(self, record: dict[str, Any]) -> None:
        self.heard.append(("epoch", record))

    def work(self, *words: Any) -> None:
        self.heard.append(("work", *words))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stop(self) -> None:
        self.heard.append(("stop",))
