"""A run: a folder that holds one training, complete enough to resume, evaluate, export and reproduce.

run.json                 what was asked: command, data, class map, recipe, setup, budget, seed, environment, status;
                         seconds that features took, where a head learnt on stored ones
spec.json                the network
metrics.jsonl            a line an epoch
checkpoint.safetensors   where training stands (weights, their average, the optimiser's state, the position)
checkpoint.previous.safetensors  the one before
weights.safetensors      the trained weights
race.json                how `fit` chose (fit only)
test.json, measured.json, export.json, model.onnx, card.md, report.html, look.html
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from convsmith.spec.codec import read as read_spec
from convsmith.spec.codec import write as write_spec
from convsmith.spec.errors import RunError
from convsmith.spec.files import write_whole
from convsmith.spec.network import Network
from convsmith.train import checkpoint

FORMAT, VERSION = "convsmith.run", 1


@dataclass(frozen=True)
class Run:
    """A run folder on disk. Use `Run.create` and `Run.open`."""

    folder: Path

    @staticmethod
    def create(folder: Path, about: dict[str, Any], network: Network | None = None, *, again: bool = False) -> Run:
        """Make the folder, its spec.json if the network is known, and last its run.json, with which it is a run.

        Raises RunError if it cannot be written or already holds something; `again` takes over what an earlier start of
        the same run has left.
        """
        if not again:
            Run.check_free(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from None
        head = {"format": FORMAT, "version": VERSION, "status": "running", "created": _now()}
        run = Run(folder)
        if network is not None:
            run.write_spec(network)
        run.write_json("run.json", head | about)
        return run

    @staticmethod
    def check_free(folder: Path) -> None:
        """Raise RunError if a run could not be written here; asked before anything long begins, and leaves nothing."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            resume = f"; `convsmith resume {folder}` goes on with it" if (folder / "run.json").exists() else ""
            raise RunError(f"{folder} already holds something: choose another --out{resume}")
        nearest = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
        try:
            tempfile.TemporaryFile(dir=nearest).close()  # asks the file system itself: permissions alone do not tell
        except OSError as error:
            raise _unwritable(folder, error) from None

    @staticmethod
    def open(folder: Path) -> Run:
        """An existing run. Raises RunError if this is none, or of a version that we cannot read."""
        if not (folder / "run.json").is_file():
            raise RunError(f"{folder} is not a run folder: it has no run.json")
        run = Run(folder)
        about = run.about
        if about.get("format") != FORMAT or about.get("version") != VERSION:
            raise RunError(f"{folder} was written by another version ({about.get('format')} {about.get('version')})")
        return run

    @cached_property
    def about(self) -> dict[str, Any]:
        """run.json."""
        return dict(self.read_json("run.json"))

    def update(self, **changes: Any) -> None:
        """Change fields of run.json."""
        self.about.update(changes)
        self.write_json("run.json", self.about)

    @property
    def status(self) -> str:
        """running, interrupted or complete."""
        return str(self.about["status"])

    @property
    def begun(self) -> bool:
        """Whether training has got as far as a checkpoint."""
        return self.has(checkpoint.NAME) or self.has(checkpoint.PREVIOUS)

    def path(self, name: str) -> Path:
        """A file of the run."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return self.path(name).is_file()

    def write_json(self, name: str, data: Any) -> None:
        """Write a JSON file whole."""
        write_whole(self.path(name), (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run. Raises RunError naming it."""
        try:
            return json.loads(self.path(name).read_text())
        except OSError as error:
            raise RunError(f"{self.path(name)}: {error.strerror}") from None
        except ValueError:
            raise RunError(f"{self.path(name)} is broken: not JSON; restore it or start a new run") from None

    def write_spec(self, network: Network) -> None:
        """Store the network."""
        write_spec(network, self.path("spec.json"))

    @property
    def network(self) -> Network:
        """The network, as stored."""
        return read_spec(self.path("spec.json"))

    @property
    def classes(self) -> tuple[str, ...]:
        """The class map made at training time: output i is classes[i]."""
        return tuple(self.about["data"]["classes"])

    def log(self, record: dict[str, Any]) -> None:
        """Append an epoch to metrics.jsonl."""
        try:
            with self.path("metrics.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise RunError(f"cannot write {self.path('metrics.jsonl')}: {error.strerror}") from None

    def rewrite_log(self, records: Iterable[dict[str, Any]]) -> None:
        """Make metrics.jsonl say what the checkpoint knows, before training goes on from it."""
        write_whole(self.path("metrics.jsonl"), "".join(json.dumps(r) + "\n" for r in records).encode())


def default_folder(name: str) -> Path:
    """runs/NAME-DATE-TIME, numbered if that is taken."""
    stem = f"{name}-{datetime.now().strftime('%Y%m%d-%H%M%S')}"
    folder, number = Path("runs") / stem, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{stem}-{number}"
    return folder


def _unwritable(folder: Path, error: OSError) -> RunError:
    return RunError(f"cannot write in the run folder {folder}: {error.strerror}; choose another --out")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
