"""What people see while a verb works; it goes to standard error, so that standard output holds the result alone."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.table import Table

from convsmith.data import Finding
from convsmith.search import Plan
from convsmith.views.units import seconds, short


def console(quiet: bool = False) -> Console:
    """Where progress goes: standard error, so that standard output holds the result alone."""
    return Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)


def findings(findings: tuple[Finding, ...], out: Console) -> None:
    """What the doctor found, a line each."""
    for finding in findings:
        style = {"error": "red", "warning": "yellow"}.get(finding.level, "dim")
        out.print(f"  {finding.level}: {finding.message}", style=style, markup=False)


def plan(plan: Plan, screen: Console) -> None:
    """The dry-run table: candidates, cost, estimated memory and time."""
    table = Table("candidate", box=None, pad_edge=False, header_style="bold")
    timed = plan.budget.latency_ms is not None
    for word in ("parameters", "MACs", "memory", "training", *(["latency"] if timed else [])):
        table.add_column(word, justify="right")
    for entry in plan.entries:
        cost = entry.design.cost
        memory, took = short(entry.memory_bytes, "B"), "~" + seconds(entry.seconds)
        late = [] if entry.latency_ms is None else [f"{entry.latency_ms:.3g} ms"]
        table.add_row(entry.design.name, f"{cost.params:,}", f"{cost.macs:,}", memory, took, *late)
    over = f"{plan.considered} designs, no budget given"
    if plan.budget.to_json():
        over = f"{plan.over_budget} of {plan.considered} designs are over the budget of {plan.budget}"
    slow = f", {plan.over_latency} answered too slowly" if plan.over_latency else ""
    slow += f", {plan.over_time} would train too long" if plan.over_time else ""
    screen.print(f"{over}{slow}; these race:", markup=False)
    screen.print(table)
    screen.print(
        f"race and training: about {seconds(plan.seconds)} on this machine ({plan.recipe.epochs} epochs for the winner)"
    )


def training(plan: dict[str, Any], out: Console) -> None:
    """What a single training will be: cost, memory and time, and whatever is not the recipe's own."""
    out.print(
        f"{plan['network']} at {plan['channels']}×{plan['side']}×{plan['side']}: {plan['params']:,} parameters, "
        f"{plan['macs']:,} MACs; {plan['epochs']} epochs with batch {plan['batch']} hold about "
        f"{short(plan['memory_bytes'], 'B')} and take about {seconds(plan['seconds'])} on this machine",
        markup=False,
    )
    out.print(f"recipe {plan['said']}", markup=False)


def verdict(verdict: dict[str, Any], out: Console, begun: float) -> None:
    """The last lines of a run, for people."""
    out.print(
        f"[bold]{verdict['network']}[/bold]: test top-1 [bold]{verdict['test_top1']:.2%}[/bold] "
        f"on {verdict['test_images']} images, "
        f"{verdict['params']:,} parameters, {verdict['macs']:,} MACs, {verdict['latency_ms']:.2f} ms an image"
    )
    out.print(f"run {verdict['run']}, {seconds(time.perf_counter() - begun)}", markup=False)
    if "report" in verdict:
        out.print(f"report {verdict['report']}", markup=False)
