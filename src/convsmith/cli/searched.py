"""The end of a search: what was found, as files, a page, and some lines."""

from __future__ import annotations

import json
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from convsmith.cli.searching import Session, scorer, write_json
from convsmith.search.study import found
from convsmith.spec.codec import write as write_spec
from convsmith.spec.errors import MissingExtra, StudyError
from convsmith.views.units import seconds

BEST = 5
"""Trials that are shown."""
FEWEST, MOST = 10, 100
"""Trials that rank correlations are told from."""


def tell(session: Session, screen: Console, began: float, json_: bool) -> None:
    """Write what was found and print it. Raises StudyError where nothing was."""
    plan, folder = session.plan, session.folder
    rows = found.rows(plan, session.study.entries())
    if not rows:
        raise StudyError(
            f"no trial finished in the time; allow more by --time, and go on: convsmith search --join {folder}"
        )
    best = found.ranked(rows)
    write_spec(best[0].genome.network, folder / "found.json")
    report = {
        "search": str(folder), "plan": plan.to_json(), "recipe": session.recipe.to_json(),
        "verdict": found.verdict(rows, plan), "trials": [row.to_json() for row in best],
        "front": [row.number for row in found.front(rows)], "trajectory": found.trajectory(rows),
        "proxies": _correlations(session, rows),
    }  # fmt: skip
    write_json(folder / "trials.json", report)
    _print(report, screen)
    _page(session, report, screen)
    screen.print(
        f"{len(rows)} trials, {seconds(time.perf_counter() - began)}; train the best by the whole recipe:\n"
        f"  convsmith train {session.record['data']['source']} --network {folder / 'found.json'}", markup=False,
    )  # fmt: skip
    if json_:
        print(json.dumps(report, ensure_ascii=False))


def _print(report: dict[str, Any], screen: Console) -> None:
    table = Table("trial", "by", box=None, pad_edge=False, header_style="bold")
    for word in ("validation", "epochs", "MACs", "parameters"):
        table.add_column(word, justify="right")
    for row in report["trials"][:BEST]:
        sizes = (str(row["epochs"]), f"{row['macs']:,}", f"{row['params']:,}")
        table.add_row(str(row["number"] + 1), row["searcher"], f"{row['accuracy']:.2%}", *sizes)
    screen.print(table)
    if report["verdict"]:
        screen.print(report["verdict"], markup=False)
    if proxies := report["proxies"]:
        said = ", ".join(f"{name} {value:.2f}" for name, value in proxies.items())
        screen.print(f"rank correlation with accuracy: {said}", markup=False)


def _page(session: Session, report: dict[str, Any], screen: Console) -> None:
    try:
        from convsmith.report.search import write_search

        path = session.folder / "report.html"
        write_search(path, report, session.record, str(session.plan.budget), session.plan.cost_words)
        screen.print(f"report {path}", markup=False)
    except (MissingExtra, ModuleNotFoundError) as error:
        screen.print(f"no report: {error}", style="yellow", markup=False)


def _correlations(session: Session, rows: list[found.Row]) -> dict[str, float]:
    """How the ranks of proxies follow accuracy over the trials that were trained for the longest; for few none."""
    from convsmith.search.proxies import PROXIES
    from convsmith.search.ranks import spearman

    some = [row for row in rows if row.epochs == session.plan.epochs][:MOST]
    if len(some) < FEWEST:
        return {}
    accuracy = [row.accuracy for row in some]
    scorers = {name: scorer(name, session.data, session.plan.seed) for name in PROXIES}
    scores = {name: [score(row.genome) for row in some] for name, score in scorers.items()}
    return {name: spearman(values, accuracy) for name, values in scores.items()}
