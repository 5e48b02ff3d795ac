"""How a training is carried out: what it runs on and how it is kept, and nothing of what is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from convsmith.train.checkpoint import Every
from convsmith.train.execution import Execution


@dataclass(frozen=True)
class Setup:
    """Stored in run.json, so that a resumed training is carried out in the same way.

    execution  device, precision, memory format, compilation
    every      how often to write a checkpoint within an epoch
    sharded    share out parameters and optimiser state over the processes (FSDP)
    sync_norm  normalise over the batch of all processes and not over each one's part
    """

    execution: Execution = field(default_factory=Execution)
    every: Every = field(default_factory=Every)
    sharded: bool = False
    sync_norm: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "execution": self.execution.to_json(), "every": asdict(self.every)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Setup:
        """Inverse of `to_json`."""
        return Setup(Execution.from_json(data["execution"]), Every(**data["every"]), data["sharded"], data["sync_norm"])
