"""Weights & Biases: the project is WANDB_PROJECT's, or `convsmith`; WANDB_MODE=offline keeps all in the run folder."""

from __future__ import annotations

import os
from typing import Any

from convsmith.train.tracking.writer import About, Writer


class WandB(Writer):
    """History by epoch, settings as config, the test in the summary. The id is theirs.

    What is logged goes by way of a process of theirs, which bears a network that is away.
    """

    name, module = "wandb", "wandb"
    _run: Any

    def begin(self, about: About, known: str | None) -> tuple[str, int]:
        """A run that goes on offline is written whole once more, as nobody can tell what has been sent of it."""
        self._run = self.imported().init(
            project=os.environ.get("WANDB_PROJECT", "convsmith"),
            dir=os.environ.get("WANDB_DIR", str(about.folder)),
            name=about.name,
            id=known,
            resume="allow",
            config=about.settings,
            allow_val_change=True,
            settings={"console": "off"},  # the progress bar is not for their log
        )
        return str(self._run.id), int(self._run.summary.get("epoch", 0)) if self._run.resumed else 0

    def epoch(self, number: int, values: dict[str, float]) -> None:
        """As one step of their history."""
        self._run.log(values, step=number)

    def tested(self, epochs: int, values: dict[str, float]) -> None:
        """Into the summary, which their tables show."""
        self._run.summary.update(values)

    def end(self, complete: bool) -> None:
        """Waits until everything is sent or on the disk."""
        self._run.finish(exit_code=0 if complete else 1)
