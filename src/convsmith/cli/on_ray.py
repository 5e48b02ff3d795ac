"""The trials of a search as tasks of a Ray cluster that is there already: each claims one, trains it and ends.

Every node must see the search's folder under the same path, and its store. A task that dies with its node leaves a
trial that another takes up.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsmith.spec.errors import MissingExtra, StudyError

if TYPE_CHECKING:
    from convsmith.cli.searching import Session

REACH = 5.0
"""Seconds that a cluster has to answer."""
PAUSE = 1.0
"""Seconds between two looks at what is running."""


def on_ray(session: Session, address: str, threads: int, until: float, say: Callable[[str], None]) -> None:
    """Run all trials on the cluster at `address`, each with so many CPUs. Raises StudyError where there is none."""
    try:
        import ray
    except ModuleNotFoundError:
        raise MissingExtra("--ray needs Ray: pip install 'convsmith[ray]'") from None
    _check(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise StudyError(f"no Ray cluster answers at {address}: {str(error).splitlines()[0]}") from None
    try:
        _spread(ray, session, threads, until, say)
    finally:
        ray.shutdown()


def _check(address: str) -> None:
    """Refuse at once what Ray itself tries to reach for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=REACH).close()
    except OSError as error:
        raise StudyError(f"no Ray cluster answers at {address}: {error.strerror or error}") from None


def _spread(ray: Any, session: Session, threads: int, until: float, say: Callable[[str], None]) -> None:
    """Keep as many tasks going as the cluster has CPUs for, until nothing is left to do."""
    one = ray.remote(num_cpus=threads, max_retries=0)(one_trial)
    slots = max(1, int(ray.cluster_resources().get("CPU", 1) // threads))
    words = str(session.folder.resolve()), session.trials, until, threads
    going: list[Any] = []
    idle = False  # the last task found nothing to do: others may be at it, and may die
    while True:
        finished = session.study.finished
        if finished >= session.trials or (idle and not going and not session.study.running):
            return
        while len(going) < min(slots, session.trials - finished) and not (idle and going):
            going.append(one.remote(*words))
        ended, going = ray.wait(going, timeout=PAUSE)
        for task in ended:
            try:
                line = ray.get(task)
            except ray.exceptions.RayError as error:
                say(f"a task died, and its trial is taken up again: {str(error).splitlines()[0]}")
                continue
            idle = line is None
            if line is not None:
                say(line)
        if idle:
            time.sleep(PAUSE)


def one_trial(folder: str, trials: int, until: float, threads: int) -> str | None:
    """Claim a trial of the search in this folder, train it, and say how it ended; None where there was none to do."""
    import torch

    from convsmith.cli import search_hands
    from convsmith.search.study.plan import Proposer
    from convsmith.search.study.worker import work
    from convsmith.train import Silent

    torch.set_num_threads(threads)
    session, said = _session(folder)._replace(trials=trials), []
    work(
        session.study, trials, Proposer(session.plan), search_hands.trainer(session, Silent()), until=until, at_most=1,
        told=lambda task, outcome: said.append(search_hands.line(session, task, outcome)),
    )  # fmt: skip
    return said[0] if said else None


@cache
def _session(folder: str) -> Session:
    """Once a process, as Ray uses its processes again."""
    from convsmith.cli import searching

    return searching.joined(Path(folder), None)
