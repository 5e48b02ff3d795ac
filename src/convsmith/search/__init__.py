"""Choosing a design: budgets, the space of designs, the race."""

from convsmith.search.budget import Budget
from convsmith.search.designs import Design, designs, within
from convsmith.search.fit import Plan, make_plan, run_race, start_from, stored_plan, train_run
from convsmith.search.race import Entry

__all__ = [
    "Budget",
    "Design",
    "Entry",
    "Plan",
    "designs",
    "make_plan",
    "run_race",
    "start_from",
    "stored_plan",
    "train_run",
    "within",
]
