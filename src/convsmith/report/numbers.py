"""The arithmetic and the words of a report: intervals, budgets, verdicts."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

from convsmith.report.folder import RunFiles
from convsmith.views.cost import BYTES
from convsmith.views.memory import inference_memory
from convsmith.views.units import seconds, short

Z95 = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


SMALLEST = 0.005
"""A category's share below this is not put in words."""


class Limit(NamedTuple):
    """A row of the budget table: what was asked, what arithmetic says, what was measured; None where unknown."""

    what: str
    asked: float | None
    predicted: float | None
    measured: float | None
    unit: str
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the measured (else predicted) value is within what was asked; None if nothing was."""
        value = self.predicted if self.measured is None else self.measured
        return None if self.asked is None or value is None else value <= self.asked


def wilson(top1: float, n: int) -> tuple[float, float]:
    """95 % score interval (0..1) of a rate `top1` over `n` trials (Wilson 1927); (0, 1) without trials."""
    if n < 1:
        return 0.0, 1.0
    spread = Z95**2 / n
    centre, half = top1 + spread / 2, Z95 * sqrt(top1 * (1 - top1) / n + spread / (4 * n))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))


def limits(files: RunFiles) -> list[Limit]:
    """Budget asked, predicted and measured, row by row."""
    asked, measured, chosen = files.run.get("budget") or {}, files.measured or {}, winner(files) or {}
    latency = f"one image, {measured['threads']} threads" if "threads" in measured else "one image"
    if (tail := measured.get("latency_p95_ms")) is not None:
        latency += f"; 95th percentile {quantity(tail, 'ms')}"
    taken = None if "target" in asked else measured.get("latency_ms")  # that is of PyTorch, and of all threads
    if (there := measured.get("target")) is not None:
        taken = there["ms"]
        latency = f"{there['engine']}, {there['threads']} threads, batch {there['batch']}"
        latency += f"; 95th percentile {quantity(there['high_ms'], 'ms')}"
    weights = f"weights alone: {quantity(files.found['weight_bytes'], 'B')}"
    memory = f"while training; {weights}, all outputs of one image: {quantity(files.found['activations'] * BYTES, 'B')}"
    return [
        Limit("Parameters", asked.get("params"), files.found["params"], measured.get("params"), ""),
        Limit("MACs", asked.get("macs"), files.found["macs"], measured.get("macs"), "", "one image"),
        *_bytes(files, asked),
        Limit("Latency", asked.get("latency_ms"), chosen.get("latency_ms"), taken, "ms", latency),
        Limit(
            "Peak memory", None, chosen.get("memory_bytes"), measured.get("peak_memory_bytes"),
            "B", memory + "; measured for the whole process",
        ),
        Limit("Training time", asked.get("seconds"), chosen.get("seconds"), measured.get("train_seconds"), "s"),
    ]  # fmt: skip


def _bytes(files: RunFiles, asked: dict[str, Any]) -> list[Limit]:
    """Rows that are there only where their limit was set: arithmetic has the last word on them."""
    rows = []
    if (most := asked.get("weight_bytes")) is not None:
        rows.append(Limit("Weights", most, files.found["weight_bytes"], None, "B", "parameters and buffers, float32"))
    if (most := asked.get("memory_bytes")) is not None:
        peak = inference_memory(files.graph).peak()
        note = f"alive in a forward pass of one image, at {peak.path}"
        rows.append(Limit("Memory", most, peak.bytes(1), None, "B", note))
    return rows


def winner(files: RunFiles) -> dict[str, Any] | None:
    """The race's chosen candidate."""
    candidates = (files.race or {}).get("candidates", [])
    return next((candidate for candidate in candidates if candidate.get("chosen")), None)


def budget_verdict(rows: list[Limit]) -> tuple[str, str]:
    """("good" | "bad" | "none", sentence)."""
    asked = [row for row in rows if row.asked is not None]
    over = [row.what.lower() if row.what != "MACs" else row.what for row in asked if row.met is False]
    if over:
        return "bad", f"over the budget in {' and '.join(over)}"
    open_ = [row.what for row in asked if row.met is None]
    if not asked or open_:
        return "none", "no budget was set" if not asked else f"budget not measured: {', '.join(open_)}"
    return "good", "within the budget"


def quantity(value: float | None, unit: str = "") -> str:
    """`4089184256 -> "4.089 G"`; an en dash for None."""
    if value is None:
        return "–"
    if unit == "s":
        return seconds(value)
    if unit == "ms":
        return f"{value:.3g} ms" if value < 1000 else seconds(value / 1000)
    return short(value, unit)


def percent(rate: float | None, digits: int = 1) -> str:
    """`0.989 -> "98.9 %"`; an en dash for None."""
    return "–" if rate is None else f"{rate * 100:.{digits}f} %"


def concentration(found: dict[str, Any]) -> dict[str, str]:
    """A sentence for activations, parameters and MACs: which category holds most, and which layer."""
    return {column: _where(found["concentration"][column]) for column in ("activations", "params", "macs")}


def _where(where: dict[str, Any]) -> str:
    if not where["by_category"]:
        return "There are none."
    first, *rest = where["by_category"].items()
    shares = [first, *(item for item in rest if item[1] >= SMALLEST)][:2]
    words = " and ".join(f"{share:.0%} in {category} layers" for category, share in shares)
    return f"{words}; the largest single layer is {where['largest']} with {where['largest_share']:.0%}."
