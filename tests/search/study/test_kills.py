"""Workers are killed at any time; no trial is lost, none is done twice. On SQLite, and on a real PostgreSQL."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from convsmith.search.study.study import Study
from convsmith.spec.errors import StudyError

from .conftest import ABOUT, words
from .server import postgresql

KILLS, WORKERS, TRIALS, EVERY = 20, 4, 60, 2

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "study.db")
        return
    with postgresql() as url:
        yield url


@pytest.fixture
def study(store: str) -> Iterator[Study]:
    """Closed whatever happens: an open connection would be blamed on some later test."""
    with closing(Study.create(store, "s", ABOUT)) as found:
        yield found


def test_four_workers_killed_twenty_times(store: str, study: Study, tmp_path: Path) -> None:
    folder, draw = tmp_path / "trials", random.Random(0)
    folder.mkdir()

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(words(store, "s", TRIALS, folder, 1.0), stderr=subprocess.PIPE, text=True)

    workers, kills, deadline = [start() for _ in range(WORKERS)], 0, time.monotonic() + 300
    while kills < KILLS and study.finished < TRIALS and time.monotonic() < deadline:
        time.sleep(0.3 * draw.random())
        at = draw.randrange(WORKERS)
        # by the trials and not by the clock, so that a quick machine is not through before the last kill
        if study.finished >= EVERY * kills and workers[at].poll() is None:
            workers[at].kill()
            workers[at].communicate()
            workers[at] = start()
            kills += 1
    for worker in workers:
        _, err = worker.communicate(timeout=200)
        assert worker.returncode == 0, err
    assert kills == KILLS, "the trials were over before all kills were made"
    entries = study.entries()
    assert [entry.number for entry in entries] == list(range(TRIALS))
    assert all(entry.outcome == {"accuracy": 1 / (1 + entry.member["at"])} for entry in entries)
    assert len({entry.member["at"] for entry in entries}) == TRIALS
    assert sorted(path.name for path in folder.iterdir()) == [f"{number:04}" for number in range(TRIALS)]


def test_a_server_that_is_gone_is_named() -> None:
    with postgresql() as url:
        study = Study.create(url, "s", ABOUT)
        other = Study.open(url, "s")
        assert other.name == "s"
        other.close()
    with pytest.raises(StudyError, match="the study's store postgresql"):
        Study.open(url, "s")
    with pytest.raises(StudyError, match="the study's store postgresql"):
        study.entries()
    study.close()
