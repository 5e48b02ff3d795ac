"""The plans of one network beside each other, as plain data and as lines for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsmith.spec.signature import positive_size
from convsmith.spec.trace import Graph
from convsmith.views.memory.inference import inference_memory
from convsmith.views.memory.plan import MemoryPlan
from convsmith.views.memory.stages import stages
from convsmith.views.memory.training import training_memory
from convsmith.views.units import short

WORDS = {"momentum": "SGD with momentum", "adam": "Adam"}
PHASES = {
    "forward": " in the forward pass",
    "again": ", recomputed",
    "backward": " on the way back",
    "update": "the update of the weights",
}


@dataclass(frozen=True)
class Memory:
    """Peaks at `batch`: of inference, and of training by optimiser, also with the modules `stages` checkpointed.

    `available` are the bytes that there are, if one wants to know which batch fits.
    """

    batch: int
    available: int | None
    inference: MemoryPlan
    training: dict[str, MemoryPlan]
    checkpointed: dict[str, MemoryPlan]
    stages: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Plain data: bytes, and the row of each peak (empty for the update of the weights)."""
        training = {
            name: self._peak(plan) | {"kept_bytes_per_image": plan.kept} for name, plan in self.training.items()
        }
        for name, plan in self.checkpointed.items():
            training[name]["checkpointed"] = self._peak(plan) | {"kept_bytes_per_image": plan.kept}
        return {
            "batch": self.batch,
            "available_bytes": self.available,
            "weight_bytes": self.inference.weights,
            "buffer_bytes": self.inference.buffers,
            "inference": self._peak(self.inference),
            "training": training,
            "checkpointed_modules": list(self.stages),
        }

    def lines(self) -> list[str]:
        """Text for a terminal."""
        weights, buffers = short(self.inference.weights, "B"), short(self.inference.buffers, "B")
        rows = [(f"memory at batch {self.batch}", f"float32, of which weights {weights}, buffers {buffers}")]
        rows.append(("inference", self._words(self.inference)))
        for name, plan in self.training.items():
            rows.append((f"training, {WORDS[name]}", self._words(plan)))
            if name in self.checkpointed:
                rows.append((f"training, {WORDS[name]}, checkpointed", self._words(self.checkpointed[name])))
        lines = [f"{head}: {words}" for head, words in rows]
        if self.stages:
            some = self.stages if len(self.stages) <= 5 else (*self.stages[:2], "...", self.stages[-1])
            lines.append(f"checkpointed: {', '.join(some)} are computed again on the way back")
        return lines

    def _peak(self, plan: MemoryPlan) -> dict[str, Any]:
        peak = plan.peak(self.batch)
        found = {"peak_bytes": peak.bytes(self.batch), "at": peak.path, "phase": peak.phase}
        return found if self.available is None else found | {"largest_batch": plan.largest_batch(self.available)}

    def _words(self, plan: MemoryPlan) -> str:
        peak = plan.peak(self.batch)
        where = f"{peak.path}{PHASES[peak.phase]}" if plan.kept else peak.path
        words = f"{short(peak.bytes(self.batch), 'B')} at {where}"
        if self.available is None:
            return words
        most = plan.largest_batch(self.available)
        limit = short(self.available, "B")
        if not most:
            return f"{words}; does not fit in {limit}: one image takes {short(plan.peak_bytes(1), 'B')}"
        return f"{words}; a batch of up to {most:,} fits in {limit}"


def memory(graph: Graph, batch: int = 1, available: int | None = None) -> Memory:
    """Inference, and training with SGD with momentum and with Adam, at `batch`; `available` bytes say what fits.

    Raises SpecError for a batch or a number of bytes below 1, and as `inference_memory` does.
    >>> from convsmith import spec, trace
    >>> memory(trace(spec("resnet50")), 32, 8 * 10**9).lines()[1]
    'inference: 455.7 MB at layer1.0.downsample.1; a batch of up to 715 fits in 8 GB'
    """
    positive_size("batch", batch)
    if available is not None and available < 1:
        positive_size("available bytes", available)
    inside = stages(graph)
    training = {name: training_memory(graph, name) for name in WORDS}
    again = {name: training_memory(graph, name, checkpoint=inside) for name in WORDS} if inside else {}
    return Memory(batch, available, inference_memory(graph), training, again, inside)
