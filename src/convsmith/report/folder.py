"""A run folder as a report reads it: plain data, each file checked for what the report needs of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsmith.spec import codec
from convsmith.spec.errors import RunError, SpecError
from convsmith.spec.network import Network
from convsmith.spec.trace import Graph, trace
from convsmith.views.describe import describe

Data = dict[str, Any]

NEEDED: dict[str, tuple[str, ...]] = {
    "run.json": ("status", "command", "seed", "environment", "data", "recipe"),
    "race.json": ("candidates", "considered", "over_budget"),
    "test.json": ("n", "top1", "classes", "confusion", "per_class", "mistakes"),
    "measured.json": ("params", "macs", "latency_ms"),
    "export.json": ("bytes", "opset", "max_abs_logit_difference", "top1_agreement"),
}
"""Fields without which a file counts as broken."""

COUNTS = {
    "n", "top1", "params", "macs", "latency_ms", "bytes", "opset", "considered", "over_budget", "top1_agreement",
    "max_abs_logit_difference",
}  # fmt: skip
"""Fields that are numbers wherever they stand."""


@dataclass(frozen=True)
class RunFiles:
    """What a run folder holds. An optional file that is absent is None (`metrics`: empty)."""

    folder: Path
    run: Data
    network: Network
    graph: Graph
    found: Data
    metrics: tuple[Data, ...]
    race: Data | None
    test: Data | None
    measured: Data | None
    export: Data | None

    @property
    def classes(self) -> list[str]:
        """Class names, in the order of the network's outputs."""
        return list(map(str, self.run["data"]["classes"]))


def read_folder(folder: Path) -> RunFiles:
    """Everything in a run folder. Raises RunError naming a file that is broken, or run.json or spec.json if absent."""
    run = _read(folder / "run.json")
    if run is None:
        raise RunError(f"{folder} is not a run folder: it has no run.json")
    if run.get("format") != "convsmith.run" or run.get("version") != 1:
        raise RunError(f"{folder / 'run.json'} is not a run of format version 1 but {run.get('version')!r}")
    spec = folder / "spec.json"
    if not spec.is_file():
        raise RunError(f"{folder} has no spec.json yet: no network is chosen; `convsmith resume {folder}` goes on")
    try:
        network = codec.read(spec)
        graph = trace(network)
    except SpecError as error:
        raise RunError(f"{spec} is broken: {error}") from None
    rest = {name: _read(folder / f"{name}.json") for name in ("race", "test", "measured", "export")}
    return RunFiles(folder, run, network, graph, describe(network, graph), _lines(folder / "metrics.jsonl"), **rest)


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file's content into a RunError naming the file."""
    try:
        yield
    except KeyError as error:
        raise RunError(f"{path} is broken: it lacks {error.args[0]!r}; restore it or start a new run") from None
    except (TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError) as error:
        raise RunError(f"{path} is broken: {error}; restore it or start a new run") from None


def _read(path: Path) -> Data | None:
    if not path.is_file():
        return None
    with blaming(path):
        data = _object(path.read_text(encoding="utf-8"))
        for field in NEEDED[path.name]:
            if not isinstance(data[field], int | float) and field in COUNTS:
                raise ValueError(f"{field} is no number but {data[field]!r}")
        return data


def _lines(path: Path) -> tuple[Data, ...]:
    """One object a line; a torn last line (no line end yet) is left out, since training may be writing it."""
    if not path.is_file():
        return ()
    with blaming(path):
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
        return tuple(_object(line) for line in whole.splitlines() if line.strip())


def _object(text: str) -> Data:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"expected an object, got {type(data).__name__}")
    return data
