"""A table of latencies: what the units of some networks took on one machine, by one version of one engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from convsmith.search.latency.units import Unit
from convsmith.search.target import Target
from convsmith.spec.errors import TableError
from convsmith.spec.files import write_whole

SLOW = 0.2
"""By how much more the fixed work may take than it mostly does; it feels neighbours more than networks do."""
FEW = 5
"""Networks that tell how fast the machine mostly is."""
ROWS = Unit._fields.index("rows")
"""Of a unit, which no file keeps: it is of one network."""
FORMAT, VERSION = "convsmith.latencies", 2


class Dissected(NamedTuple):
    """A network that was run whole and looked into: milliseconds of a batch, and of each unit by its key, in order.

    `pace_ms` is what a fixed work took at the time. One that is `held` back teaches a model nothing: it is there to
    tell how wrong predictions are.
    """

    name: str
    whole_ms: float
    keys: tuple[str, ...]
    ms: tuple[float, ...]
    pace_ms: float
    held: bool = False


@dataclass
class LatencyTable:
    """What was measured, on which machine (plain data that tells machines apart), by which engine and how.

    units     by key, those of all networks
    networks  in the order of their measuring
    """

    machine: Mapping[str, Any]
    engine: str
    target: Target
    units: dict[str, Unit] = field(default_factory=dict)
    networks: list[Dissected] = field(default_factory=list)

    def add(self, network: Dissected, units: tuple[Unit, ...]) -> None:
        """One more network."""
        self.units.update({unit.key: unit._replace(rows=range(0)) for unit in units})
        self.networks.append(network)

    @property
    def pace_ms(self) -> float:
        """What the fixed work takes when the machine is as it mostly is: the lower quartile; 0 of an empty table."""
        paces = sorted(network.pace_ms for network in self.networks)
        return paces[len(paces) // 4] if paces else 0.0

    @property
    def sound(self) -> list[Dissected]:
        """The networks that were measured while the machine was so."""
        return [network for network in self.networks if self.is_steady(network.pace_ms)]

    def is_steady(self, pace_ms: float) -> bool:
        """Whether the machine is about as fast as it was for the table."""
        return len(self.networks) < FEW or pace_ms <= (1 + SLOW) * self.pace_ms

    def check(self, machine: Mapping[str, Any], engine: str, target: Target) -> None:
        """Raises TableError where the table is of another machine, engine, version or setting than these."""
        for what, theirs, ours in (
            ("machine", _said(self.machine), _said(machine)),
            ("engine", self.engine, engine),
            ("target", str(self.target), str(target)),
        ):
            if theirs != ours:
                raise TableError(f"the table of latencies is of another {what}: {theirs}; here it is {ours}; "
                                 "measure one: convsmith profile-device")  # fmt: skip

    def save(self, path: Path) -> None:
        """Write the table, whole or not at all."""
        places = {key: i for i, key in enumerate(self.units)}
        data = {
            "format": FORMAT, "version": VERSION, "machine": dict(self.machine), "engine": self.engine,
            "target": self.target.to_json(),
            "units": [[u.key, u.form, u.kind, *u[ROWS + 1 :]] for u in self.units.values()],
            "networks": [
                {"name": n.name, "whole_ms": n.whole_ms, "pace_ms": n.pace_ms, "held": n.held, "ms": n.ms,
                 "units": [places[key] for key in n.keys]}
                for n in self.networks
            ],
        }  # fmt: skip
        write_whole(path, json.dumps(data, ensure_ascii=False).encode())

    @staticmethod
    def load(path: Path) -> LatencyTable:
        """Inverse of `save`. Raises TableError for a file that is not there, or no table, or of another version."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise TableError(f"cannot read {path}: {error.strerror or error}") from None
        except ValueError:
            raise TableError(f"{path} is no table of latencies: it is not JSON") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise TableError(f"{path} is no table of latencies; convsmith profile-device makes one")
        if data.get("version") != VERSION:
            raise TableError(f"{path} is a table of version {data.get('version')!r}; this convsmith reads {VERSION}: "
                             "measure it again")  # fmt: skip
        try:
            return _read(data)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise TableError(f"{path} is broken ({type(error).__name__}: {error}); measure the table again") from None


def _read(data: Mapping[str, Any]) -> LatencyTable:
    known = [Unit(key, form, kind, range(0), *map(int, sizes)) for key, form, kind, *sizes in data["units"]]
    networks = [
        Dissected(
            str(n["name"]),
            float(n["whole_ms"]),
            tuple(known[i].key for i in n["units"]),
            tuple(map(float, n["ms"])),
            float(n["pace_ms"]),
            bool(n["held"]),
        )
        for n in data["networks"]
    ]
    if any(len(n.keys) != len(n.ms) for n in networks):
        raise ValueError("a network has not as many times as units")
    about = {unit.key: unit for unit in known}
    return LatencyTable(data["machine"], data["engine"], Target(**data["target"]), about, networks)


def _said(machine: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(machine.items()))
