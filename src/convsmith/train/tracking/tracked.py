"""The watch that feeds trackers, and that keeps their troubles away from the training."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from convsmith.spec.errors import TrainingError
from convsmith.train.run import Run
from convsmith.train.tracking.writer import Writer, about
from convsmith.train.watch import Watch


@dataclass
class Line:
    """A writer and how it does.

    sent    epochs that it has; None: it has not begun
    down    it failed and is left alone till the end: a server that has gone may let each call wait for its time-out
    warned  its failure was told
    """

    writer: Writer
    sent: int | None = None
    down: bool = False
    warned: bool = False


class Tracked(Watch):
    """Passes everything on to the visible watch, and each epoch to the trackers as well.

    Epochs that a tracker lacks (it was down, or joined late) are sent with the next one that succeeds: at the end, or
    when the run is resumed. run.json holds each tracker's id of the run, as `track`.
    """

    def __init__(self, inner: Watch, run: Run, writers: Sequence[Writer]) -> None:
        self.inner, self.run = inner, run
        self.lines = [Line(writer) for writer in writers]
        self._records: list[dict[str, Any]] = []

    def open(self) -> dict[str, str]:
        """Begin in each tracker; the ids. Raises TrainingError where a run cannot be begun: nothing is lost yet.

        One that was begun by an earlier start of the same training and does not answer now is warned of.
        """
        for line in self.lines:
            name = line.writer.name
            if self._known(name) is not None:
                self._try(line, lambda line=line: self._begin(line))  # type: ignore[misc]
                continue
            try:
                self._begin(line)
            except Exception as error:
                raise TrainingError(
                    f"{name} cannot begin to record {self.run.folder}: {_brief(error)}; see to it, or "
                    f"`convsmith resume {self.run.folder} --track none` trains without"
                ) from error
        return {line.writer.name: self._known(line.writer.name) or "" for line in self.lines}

    def close(self, test: dict[str, Any] | None = None) -> None:
        """Send what is lacking, and the test result of a complete training; then end."""
        for line in self.lines:
            line.down = False  # once more, without another word if it has been warned of
            self._try(line, lambda line=line: self._finish(line, test))  # type: ignore[misc]

    def start(self, title: str, steps: int, done: int) -> None:
        """The log holds by now what the checkpoint knows."""
        self.inner.start(title, steps, done)
        if self.run.has("metrics.jsonl"):
            self._records = [json.loads(line) for line in self.run.path("metrics.jsonl").read_text().splitlines()]
        self._send_all()

    def step(self, epoch: int, loss: float, top1: float, images_per_s: float) -> None:
        """Not for trackers."""
        self.inner.step(epoch, loss, top1, images_per_s)

    def epoch(self, record: dict[str, Any]) -> None:
        """To all."""
        self.inner.epoch(record)
        self._records.append(record)
        self._send_all()

    def work(self, title: str, done: int, total: int) -> None:
        """Not for trackers."""
        self.inner.work(title, done, total)

    def note(self, text: str) -> None:
        """Not for trackers."""
        self.inner.note(text)

    def stop(self) -> None:
        """Trackers wait for the test result."""
        self.inner.stop()

    def _known(self, name: str) -> str | None:
        found: str | None = self.run.about["track"][name]
        return found

    def _begin(self, line: Line) -> None:
        name = line.writer.name
        with redirect_stdout(sys.stderr):  # standard output is for the result alone
            own, line.sent = line.writer.begin(about(self.run), self._known(name))
        self.run.update(track=self.run.about["track"] | {name: own})

    def _send_all(self) -> None:
        for line in self.lines:
            self._try(line, lambda line=line: self._send(line))  # type: ignore[misc]

    def _send(self, line: Line) -> None:
        if line.sent is None:
            return
        for record in self._records:
            if record["epoch"] > line.sent:
                line.writer.epoch(record["epoch"], _numbers(record))
                line.sent = record["epoch"]

    def _finish(self, line: Line, test: dict[str, Any] | None) -> None:
        if line.sent is None:
            self._begin(line)
        self._send(line)
        if test is not None:
            line.writer.tested(line.sent or 0, {f"test_{name}": value for name, value in _numbers(test).items()})
        line.writer.end(complete=test is not None)

    def _try(self, line: Line, act: Callable[[], None]) -> None:
        """What goes wrong in a tracker is told once, and the training goes on."""
        if line.down:
            return
        try:
            with redirect_stdout(sys.stderr):
                act()
        except Exception as error:  # whatever a tracker may raise
            if not line.warned:
                told = f"{line.writer.name} fails ({_brief(error)})"
                self.inner.note(f"{told}: training goes on, and metrics.jsonl has everything")
            line.down = line.warned = True


def _numbers(record: dict[str, Any]) -> dict[str, float]:
    """What can be drawn as a curve."""
    return {
        name: value for name, value in record.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
