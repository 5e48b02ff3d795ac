"""The page of a search: front, trajectory beside chance, what was chosen where, every trial; without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

from convsmith.report import search_charts
from convsmith.report.extras import need
from convsmith.report.numbers import percent
from convsmith.report.templates import fill
from convsmith.spec.files import write_whole

HALVED = {"epochs": "epochs", "examples": "training images", "side": "pixels of a side"}
"""What halving began with less of, in words."""


def write_search(path: Path, report: Mapping[str, Any], record: Mapping[str, Any], budget: str, cost: str) -> Path:
    """Write the page to `path`, and return that. Raises MissingExtra without the libraries for reports, RunError.

    report  plan, recipe, verdict, trials (the best first), front (numbers), trajectory: as in trials.json
    record  data, command and environment: as in a trial's run.json
    budget  the limits in words; `cost` names what the trials' cost is, with its unit
    """
    for library in ("jinja2", "altair", "vl_convert"):
        need(library)
    write_whole(path, render(report, record, budget, cost).encode())
    return path


def render(report: Mapping[str, Any], record: Mapping[str, Any], budget: str, cost: str) -> str:
    """The page's HTML. Every string is escaped."""
    trials = report["trials"]
    best, by = trials[0], (report["plan"]["halving"] or {}).get("by", "epochs")
    values = {
        **{name: report[name] for name in ("plan", "recipe", "verdict", "trials", "proxies")},
        **{name: record[name] for name in ("data", "command", "environment")},
        "budget": budget,
        "by": by,
        "halved": HALVED[by],
        "best": best,
        "noise": 1.96 * sqrt(2 * best["accuracy"] * (1 - best["accuracy"]) / best["images"]),
        "total": sum(trial["seconds"] for trial in trials),
        "front_chart": search_charts.accuracy_by_cost(trials, report["front"], cost),
        "trajectory_chart": search_charts.best_so_far(report["trajectory"]),
        "choice_chart": search_charts.choices(trials),
    }
    return fill("search.html", values, {"percent": percent})
