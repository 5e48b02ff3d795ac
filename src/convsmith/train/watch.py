"""Who watches a training: nobody, or a person at a terminal."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from types import FrameType, TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Watch(ABC):
    """Hears of each step and each epoch."""

    @abstractmethod
    def start(self, title: str, steps: int, done: int) -> None:
        """A training of `steps` steps begins, `done` of them done before."""

    @abstractmethod
    def step(self, epoch: int, loss: float, top1: float, images_per_s: float) -> None:
        """A step was made; loss and top-1 are running means of the epoch."""

    @abstractmethod
    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch ended, with what is logged of it."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Something that a person should know, in a sentence."""

    @abstractmethod
    def stop(self) -> None:
        """The training ended or was interrupted."""

    def work(self, title: str, done: int, total: int) -> None:  # noqa: B027 - most have nothing to tell
        """Something else than steps goes on, `done` of `total` so far; by default nobody is told."""


class Silent(Watch):
    """Nobody watches."""

    def start(self, title: str, steps: int, done: int) -> None:
        """Nothing."""

    def step(self, epoch: int, loss: float, top1: float, images_per_s: float) -> None:
        """Nothing."""

    def epoch(self, record: dict[str, Any]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class Bar(Watch):
    """A progress bar with loss, top-1, images a second and the time left.

    Where output is no terminal, a line an epoch.
    """

    def __init__(self, console: Console, every_epoch: bool = True) -> None:
        self.console, self.every_epoch = console, every_epoch
        self._progress: Progress | None = None

    def start(self, title: str, steps: int, done: int) -> None:
        """Draw the bar."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self._progress.start()
        self._task = self._progress.add_task(title, total=steps, completed=done, said="")

    def step(self, epoch: int, loss: float, top1: float, images_per_s: float) -> None:
        """Advance the bar."""
        if self._progress is not None:
            said = f"epoch {epoch} · loss {loss:.3f} · top-1 {top1:.1%} · {images_per_s:,.0f} img/s"
            self._progress.update(self._task, advance=1, said=said)

    def work(self, title: str, done: int, total: int) -> None:
        """Draw a bar of its own, and take it away at the end."""
        if self._progress is None:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
            self._progress = Progress(
                *columns, TimeRemainingColumn(), console=self.console, transient=True,
                disable=not self.console.is_terminal,
            )  # fmt: skip
            self._progress.start()
            self._task = self._progress.add_task(title, total=total)
        self._progress.update(self._task, completed=done)
        if done >= total:
            self.stop()

    def epoch(self, record: dict[str, Any]) -> None:
        """Print a line where there is no bar to look at."""
        if self.every_epoch and not self.console.is_terminal:
            self.console.print(
                f"epoch {record['epoch']:>3}  loss {record['train_loss']:.4f}  val top-1 {record['val_top1']:.2%}  "
                f"{record['images_per_s']:,.0f} img/s",
                highlight=False,
            )

    def note(self, text: str) -> None:
        """Print it."""
        self.console.print(f"note: {text}", style="yellow", markup=False)

    def stop(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class Interrupts:
    """Ctrl-C, or a cluster's SIGTERM, asks for a stop at the next step, where the state is whole.

    A second one stops at once.
    """

    asked = False

    def __enter__(self) -> Self:
        self.asked = False
        try:
            self._before = {sign: signal.signal(sign, self._hear) for sign in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: leave the handlers alone
            self._before = {}
        return self

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sign, handler in self._before.items():
            signal.signal(sign, handler)
