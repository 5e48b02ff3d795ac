"""Who works on a search: this process, further ones of this machine, or a Ray cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from convsmith.cli import carry, say, searched
from convsmith.cli.on_ray import on_ray
from convsmith.cli.searching import Session
from convsmith.search.costs import Costs, costs_of
from convsmith.search.fidelity import EPOCHS, FIDELITIES, reduced
from convsmith.search.study.plan import Proposer
from convsmith.search.study.study import Task
from convsmith.search.study.trial import train_trial
from convsmith.search.study.worker import work
from convsmith.train import Bar, Interrupted, Silent, Watch, machine
from convsmith.train.setup import Setup
from convsmith.views.units import seconds

LIGHT = 10**11
"""Forward MACs of a trial up to which it is carried out as usual: what is longer wins back a measurement of two
seconds."""


class Hands(NamedTuple):
    """So many processes with so many threads each (by default the cores shared out), or a Ray cluster's address, until
    the clock says so. A helper is a process that another one started."""

    workers: int = 1
    ray: str | None = None
    threads: int | None = None
    until: float = float("inf")
    helper: bool = False


def go_on(session: Session, hands: Hands, json_: bool) -> None:
    """Work until all trials are finished or the time is up, then tell what was found. Ctrl-C loses nothing."""
    screen, began = say.console(quiet=hands.helper), time.perf_counter()

    def told(line: str) -> None:
        screen.print(line, markup=False)

    try:
        if session.plan.score is not None and not hands.helper:
            session.plan.score(session.plan.feasible.any())  # a supernet is trained once, before others come
        if hands.ray is not None:
            on_ray(session, hands.ray, hands.threads or 1, hands.until, told)
        else:
            _here(session, hands, Silent() if hands.helper else Bar(screen, every_epoch=False), told)
    except (Interrupted, KeyboardInterrupt):
        told(f"stopped; nothing is lost: convsmith search --join {session.folder}")
        raise SystemExit(130) from None
    if not hands.helper:
        searched.tell(session, screen, began, json_)


def trainer(session: Session, watch: Watch) -> Callable[[Task], dict[str, Any]]:
    """Trains a trial of the session in its run folder."""

    def train(task: Task) -> dict[str, Any]:
        genome = session.plan.space.genome(task.member["choices"])
        fidelity = {name: task.member[name] for name in FIDELITIES if name in task.member}
        network, data = reduced(genome.network, session.data, fidelity)
        recipe, record = replace(session.recipe, epochs=fidelity[EPOCHS]), session.record | {"fidelity": fidelity}
        folder = session.folder / "trials" / task.folder
        if not (folder / "run.json").is_file():  # each in its own way: members differ in what is fastest
            execution = carry.alone(network, data, recipe, say.console(quiet=True), LIGHT)
            record["setup"] = Setup(execution).to_json()
        outcome = train_trial(
            folder, network, data, recipe, record,
            seed=session.plan.seed, watch=watch, title=f"trial {task.number + 1} of {session.trials}",
        )  # fmt: skip
        # of the member, also where it was trained at a smaller side
        return outcome | dict(zip(Costs._fields, costs_of(genome.graph), strict=True))

    return train


def line(session: Session, task: Task, outcome: dict[str, Any]) -> str:
    """How a trial ended."""
    by, fidelity = session.plan.lane(task.number), session.plan.by
    return (
        f"trial {task.number + 1} of {session.trials} · {by} · {outcome['accuracy']:.2%} · {fidelity} "
        f"{task.member[fidelity]:,} · {outcome['macs']:,} MACs · {outcome['params']:,} parameters · "
        f"{seconds(outcome['seconds'])}"
    )


def _here(session: Session, hands: Hands, watch: Watch, told: Callable[[str], None]) -> None:
    import torch

    threads = hands.threads or max(1, machine.cores() // hands.workers)
    others = _others(session, hands.workers - 1, hands.until, threads)
    if hands.threads is not None or hands.workers > 1:
        torch.set_num_threads(threads)
    work(
        session.study, session.trials, Proposer(session.plan), trainer(session, watch), until=hands.until,
        told=lambda task, outcome: told(line(session, task, outcome)),
    )  # fmt: skip
    for process, log in others:
        if process.wait():
            told(f"a worker ended with an error, and the others went on: {log}")


def _others(session: Session, count: int, until: float, threads: int) -> list[tuple[subprocess.Popen[bytes], Path]]:
    """Further processes of this machine, which join the folder."""
    words = [sys.executable, "-m", "convsmith", "search", "--join", str(session.folder), "--helper", str(until),
             "--threads", str(threads), "--trials", str(session.trials)]  # fmt: skip
    begun = []
    for number in range(1, count + 1):
        log = session.folder / f"worker-{number}.log"
        with log.open("ab") as file:
            environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
            begun.append((subprocess.Popen(words, stdout=file, stderr=file, env=environment), log))
    return begun
