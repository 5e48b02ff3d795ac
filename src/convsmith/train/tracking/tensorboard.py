"""TensorBoard: event files in the run's own folder; `tensorboard --logdir runs` shows all runs beside each other."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from convsmith.train.tracking.writer import About, Writer

FOLDER = "tensorboard"


class TensorBoard(Writer):
    """Scalars by epoch, and the settings for its HParams tab. The id is the folder within the run's."""

    name, module = "tensorboard", "torch.utils.tensorboard"
    _writer: Any

    def begin(self, about: About, known: str | None) -> tuple[str, int]:
        """What an earlier start wrote is taken back and written again: the last of it may not have reached the disk."""
        folder = known or FOLDER
        self._writer = self.imported().SummaryWriter(
            str(about.folder / folder), purge_step=None if known is None else 1
        )
        hparams = import_module("torch.utils.tensorboard.summary").hparams
        head, begun, self._ended = hparams(about.settings, {"val_top1": 0.0, "test_top1": 0.0})
        for summary in (head, begun):
            self._writer.file_writer.add_summary(summary)
        self._writer.flush()
        return folder, 0

    def epoch(self, number: int, values: dict[str, float]) -> None:
        """A scalar each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, number)
        self._writer.flush()

    def tested(self, epochs: int, values: dict[str, float]) -> None:
        """Scalars at the last epoch."""
        self.epoch(epochs, values)

    def end(self, complete: bool) -> None:
        """A stopped training's session stays open."""
        if complete:
            self._writer.file_writer.add_summary(self._ended)
        self._writer.close()
