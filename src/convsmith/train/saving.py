"""When and by whom checkpoints are written, and how all processes go on from the same one."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from convsmith.spec.errors import RunError
from convsmith.train import checkpoint
from convsmith.train.checkpoint import Content, Every
from convsmith.train.position import Position
from convsmith.train.run import Run
from convsmith.train.runtime import Runtime
from convsmith.train.state import State
from convsmith.train.watch import Watch


@dataclass
class Saver:
    """Keeps a training in its run folder; without a run, nothing is kept."""

    run: Run | None
    state: State
    runtime: Runtime
    every: Every
    sharded: bool
    _steps: int = field(default=0, init=False)
    _since: float = field(default_factory=time.monotonic, init=False)

    def restore(self, watch: Watch) -> Position:
        """Where the training stands: at its last good checkpoint, or at the beginning."""
        content = None if self.run is None else self._agreed(self.run)
        at = Position() if content is None else self.state.restore(content)
        if content is not None and content.notice:
            watch.note(content.notice)
        if self.run is not None and self.runtime.main and (at.history or self.run.has("metrics.jsonl")):
            self.run.rewrite_log(at.history)
        return at

    def _agreed(self, run: Run) -> Content | None:
        """The main process looks, the others read the same file, which may come to them over a network."""
        content = None
        if self.runtime.main:
            checkpoint.clean(run.folder)
            content = checkpoint.newest(run.folder)
        said = ["", ""] if content is None else [content.path.name, content.digest]
        name, digest = json.loads(self.runtime.tell(json.dumps(said)))
        if not self.runtime.main and name:
            content = checkpoint.read(run.path(name))
            if content.digest != digest:
                raise RunError(f"the processes see different files in {run.folder}: put the run on a shared disk")
        return content

    def step(self) -> bool:
        """Count a step; whether it is time to write."""
        self._steps += 1
        return self.run is not None and (
            0 < self.every.steps <= self._steps or 0 < self.every.seconds <= time.monotonic() - self._since
        )

    def write(self, at: Position) -> None:
        """Write a checkpoint. Raises RunError if the disk is full; the one before is still there then."""
        if self.run is not None and (self.runtime.main or self.sharded):
            tensors, meta = self.state.gather(at)
            if self.runtime.main:
                checkpoint.write(self.run.folder, tensors, meta)
        self._steps, self._since = 0, time.monotonic()
