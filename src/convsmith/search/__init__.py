"""Choosing a design: budgets, spaces and what their members cost, the designs that `fit` races, the race.

Names are imported when they are first used, so that spaces and budgets cost no import of torch. What is called as its
file is imported from there: `from convsmith.search.costs import costs`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convsmith.search.budget import Budget
    from convsmith.search.designs import Design, within
    from convsmith.search.fit import run_race, train_run
    from convsmith.search.plan import Plan, epochs_in, hurried, make_plan, stored_plan
    from convsmith.search.race import Entry
    from convsmith.search.spaces import Genome, Space, space
    from convsmith.search.start import start_from

__all__ = [
    "Budget",
    "Design",
    "Entry",
    "Genome",
    "Plan",
    "Space",
    "epochs_in",
    "hurried",
    "make_plan",
    "run_race",
    "space",
    "start_from",
    "stored_plan",
    "train_run",
    "within",
]

HOMES = {
    "budget": ("Budget",), "designs": ("Design", "within"),
    "fit": ("run_race", "train_run"), "plan": ("Plan", "epochs_in", "hurried", "make_plan", "stored_plan"),
    "race": ("Entry",), "start": ("start_from",),
    "spaces": ("Genome", "Space", "space"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    for home, names in HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
