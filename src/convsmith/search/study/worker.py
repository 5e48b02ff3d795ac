"""What a worker does: claim a trial, train its member, say how it ended; until there is nothing left to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from convsmith.search.study.study import Propose, Study, Task

PAUSE = 1.0
"""Seconds between two looks at trials that others have, who may be killed."""

Train = Callable[[Task], dict[str, Any]]
"""Trains a member, and returns `accuracy` and whatever else is worth keeping."""


def work(
    study: Study, most: int, propose: Propose, train: Train, *,
    until: float = float("inf"), at_most: int | None = None,
    told: Callable[[Task, dict[str, Any]], None] = lambda task, outcome: None,
) -> int:  # fmt: skip
    """Work on a study until it has `most` finished trials, or until the clock (`time.time`) says so: then trials that
    are begun are finished and no new one begins. Returns how many this worker finished.

    Waits for trials that others work on, as they may be killed and their trials left to take up; one that is to do
    `at_most` so many does not wait.
    """
    done = 0
    while at_most is None or done < at_most:
        late = time.time() > until
        task = study.claim(0 if late else most, propose)
        if task is None:
            if late or at_most is not None or not study.running:
                return done
            time.sleep(PAUSE)
            continue
        with study.alive(task):
            outcome = train(task)
        if study.finish(task, outcome):
            done += 1
            told(task, outcome)
    return done
