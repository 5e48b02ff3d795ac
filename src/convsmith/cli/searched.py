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
from convsmith.spec.errors import BusyError, MissingExtra, StudyError
from convsmith.views.units import seconds

BEST = 5
"""Trials that are shown."""
FINALISTS = 10
"""Of which the latency is measured at most."""
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
    best, at = _verified(session, found.ranked(rows, plan.by), screen)
    report = {
        "search": str(folder), "plan": plan.to_json(), "recipe": session.recipe.to_json(),
        "verdict": found.verdict(rows, plan), "trials": [row.to_json() for row in best],
        "front": [row.number for row in found.front(rows)], "trajectory": found.trajectory(rows),
        "proxies": _correlations(session, rows),
    }  # fmt: skip
    write_json(folder / "trials.json", report)
    if at < 0:
        raise StudyError(_all_too_slow(session, best))
    write_spec(best[at].genome.network, folder / "found.json")
    _print(report, screen)
    _page(session, report, screen)
    screen.print(
        f"{len(rows)} trials, {seconds(time.perf_counter() - began)}; train the best by the whole recipe:\n"
        f"  convsmith train {session.record['data']['source']} --network {folder / 'found.json'}", markup=False,
    )  # fmt: skip
    if json_:
        print(json.dumps(report, ensure_ascii=False))


def _verified(session: Session, best: list[found.Row], screen: Console) -> tuple[list[found.Row], int]:
    """A predicted latency is measured, of the best first, until one is within the limit; and which trial that is."""
    limit = session.plan.budget.latency_ms
    if limit is None or session.measure is None:
        return best, 0
    try:
        return found.measured(best, limit, session.measure, FINALISTS)
    except BusyError as error:
        again = f"convsmith search --join {session.folder}"
        screen.print(f"the latency of the best is as predicted and not measured: {error}: {again}", style="yellow",
                     markup=False)  # fmt: skip
        return best, 0


def _all_too_slow(session: Session, best: list[found.Row]) -> str:
    some = [row for row in best if row.measured_ms is not None]
    quickest = min(some, key=lambda row: row.measured_ms or 0.0)
    within, where = f"{session.plan.budget.latency_ms:g} ms", session.folder / "trials.json"
    return (
        f"the {len(some)} best were predicted within {within} and take longer; the quickest, trial "
        f"{quickest.number + 1}, takes {quickest.measured_ms:.3g} ms: measure a better table (profile-device), or "
        f"search within less; all trials are in {where}"
    )


def _print(report: dict[str, Any], screen: Console) -> None:
    table = Table("trial", "by", box=None, pad_edge=False, header_style="bold")
    timed = any("measured_ms" in row for row in report["trials"])
    by = (report["plan"]["halving"] or {}).get("by", "epochs")
    for word in ("validation", by, "MACs", "parameters", *(["measured"] if timed else [])):
        table.add_column(word, justify="right")
    for row in report["trials"][:BEST]:
        sizes = [f"{row[by]:,}", f"{row['macs']:,}", f"{row['params']:,}"]
        sizes += [f"{row['measured_ms']:.3g} ms" if "measured_ms" in row else ""] if timed else []
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
    """How the ranks of proxies follow accuracy over the trials that were trained to the full; for few none."""
    from convsmith.search.proxies import PROXIES
    from convsmith.search.ranks import spearman

    some = [row for row in rows if row.fidelity[session.plan.by] == session.plan.most][:MOST]
    if len(some) < FEWEST:
        return {}
    accuracy = [row.accuracy for row in some]
    scorers = {name: scorer(name, session.data, session.plan.seed) for name in PROXIES}
    scores = {name: [score(row.genome) for row in some] for name, score in scorers.items()}
    return {name: spearman(values, accuracy) for name, values in scores.items()}
