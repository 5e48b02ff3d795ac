"""Searchers behind one contract, one file each: what to try next, given what was tried.

`SEARCHERS` has them by name; each imports what it needs when it is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from convsmith.search.searchers.feasible import Feasible
from convsmith.search.searchers.searcher import Searcher, Trial
from convsmith.spec.errors import UnknownName, nearest

SEARCHERS = {
    "random": ("chance", "Chance"),
    "evolution": ("evolution", "Evolution"),
    "ppo": ("controller", "Controller"),
    "tpe": ("through_optuna", "Tpe"),
    "nsga2": ("through_optuna", "Nsga2"),
}

__all__ = ["SEARCHERS", "Feasible", "Searcher", "Trial", "searcher"]


def searcher(name: str, feasible: Feasible, seed: int = 0, **options: Any) -> Searcher:
    """A searcher by name. Raises UnknownName, MissingExtra."""
    if name not in SEARCHERS:
        known = ", ".join(SEARCHERS)
        raise UnknownName(f"no searcher is called {name!r}{nearest(name, SEARCHERS)} (there are {known})")
    home, kind = SEARCHERS[name]
    found: Searcher = getattr(import_module(f"{__name__}.{home}"), kind)(feasible, seed, **options)
    return found
