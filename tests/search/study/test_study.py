"""Trials are claimed by one worker, finished once, taken up when it is gone; and a store is refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from convsmith.search.study import claims as claims_module
from convsmith.search.study import store
from convsmith.search.study.claims import Claims
from convsmith.search.study.store import masked
from convsmith.search.study.study import Entry, Study
from convsmith.search.study.worker import work
from convsmith.spec.errors import MissingExtra, StudyError

from .conftest import ABOUT

ELSEWHERE = "another-machine 17 12345.00 abcd"


def counting(number: int, entries: Sequence[Entry]) -> dict[str, Any]:
    taken = {entry.member["at"] for entry in entries}
    return {"at": next(at for at in range(1000) if at not in taken)}


def joined(where: str, worker: str) -> Study:
    """The study as another worker sees it."""
    found = Study.open(where, "s")
    found.claims.worker = worker
    return found


@pytest.fixture
def study(where: str) -> Study:
    return Study.create(where, "s", ABOUT)


def test_a_trial_goes_from_claimed_to_finished(study: Study) -> None:
    task = study.claim(2, counting)
    assert task is not None
    assert (task.number, task.member, task.folder) == (0, {"at": 0}, "0000")
    assert study.entries() == [Entry(0, {"at": 0})]
    assert study.running == 1
    assert study.finish(task, {"accuracy": 0.5, "seconds": 3})
    assert study.entries() == [Entry(0, {"at": 0}, {"accuracy": 0.5, "seconds": 3})]
    assert not study.finish(task, {"accuracy": 0.7})
    assert study.entries()[0].outcome == {"accuracy": 0.5, "seconds": 3}
    second = study.claim(2, counting)
    assert second is not None
    assert second.member == {"at": 1}
    assert study.claim(2, counting) is None


def test_a_living_workers_trial_is_left_to_it(where: str, study: Study) -> None:
    assert study.claim(1, counting) is not None
    assert joined(where, study.claims.worker + "x").claim(1, counting) is None


def test_the_trial_of_a_process_that_is_gone_is_taken_up_where_it_was(where: str, study: Study) -> None:
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    host = study.claims.worker.split()[0]
    first = joined(where, f"{host} {gone.pid} 1.00 abcd").claim(5, counting)
    assert first is not None
    assert study.claim(5, counting) == first  # in the same folder: nobody else writes there
    assert study.finish(first, {"accuracy": 0.1})


def test_a_reused_process_number_is_no_sign_of_life(where: str, study: Study) -> None:
    host = study.claims.worker.split()[0]
    first = joined(where, f"{host} {os.getpid()} 1.00 abcd").claim(5, counting)
    assert study.claim(5, counting) == first


def test_another_machines_trial_is_watched_before_it_is_taken_up(
    where: str, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(claims_module.time, "monotonic", lambda: clock[0])
    other = joined(where, ELSEWHERE)
    first = other.claim(1, counting)
    assert first is not None
    assert study.claim(1, counting) is None
    clock[0] = claims_module.STALE + 1
    assert other.claims.beat(first.id)  # it lives
    assert study.claim(1, counting) is None
    clock[0] *= 3
    taken = study.claim(1, counting)
    assert taken is not None
    assert (taken.number, taken.member) == (0, {"at": 0})
    assert taken.folder != first.folder  # it may yet be alive, and write
    assert not other.claims.beat(first.id)
    assert not other.finish(first, {"accuracy": 0.9})
    assert study.finish(taken, {"accuracy": 0.4})
    assert [entry.outcome for entry in study.entries()] == [{"accuracy": 0.4}]


def test_one_of_two_who_take_the_same_gets_it(where: str, study: Study) -> None:
    one, other = study.claims, joined(where, ELSEWHERE).claims
    assert [one.take(7), other.take(7)] == [True, False]
    seen = one.of(7)
    assert seen is not None
    assert [other.take_over(seen), one.take_over(seen)] == [True, False]


def test_a_trial_whose_worker_died_before_it_could_claim_it_is_done(study: Study) -> None:
    study._kept.create_new_trial(study._id)
    task = study.claim(1, counting)
    assert task is not None
    assert task.number == 0
    assert study.claim(1, counting) is None


def test_two_who_propose_the_same_at_a_time_do_not_both_do_it(where: str, study: Study) -> None:
    """The second asks, and says what it does, while the first has yet to say so."""
    other = joined(where, ELSEWHERE)
    second = []

    def slowly(number: int, entries: Sequence[Entry]) -> dict[str, Any]:
        proposed = counting(number, entries)
        if not second:
            second.append(other.claim(5, counting))
        return proposed

    first = study.claim(5, slowly)
    assert first is not None
    assert second[0].member == {"at": 0}
    assert first.member == {"at": 1}


def test_where_all_were_tried_one_is_tried_again(study: Study) -> None:
    same = lambda number, entries: {"at": 0}
    tasks = [study.claim(5, same) for _ in range(2)]
    assert [task.member for task in tasks if task] == [{"at": 0}, {"at": 0}]


def test_a_member_that_was_said_stays_when_its_worker_is_killed(where: str, study: Study) -> None:
    """Killed between saying what a trial is of, and beginning it."""
    task = study.claim(5, counting)
    assert task is not None
    assert study.entries()[0].member == {"at": 0}
    host = study.claims.worker.split()[0]
    claim = study.claims.of(task.id)
    assert claim is not None
    study.claims.worker = f"{host} 1 1.00 gone"  # no such process
    assert study.claims.take_over(claim)
    taken = joined(where, "here 1 1.00 x").claim(5, lambda number, entries: {"at": 99})
    assert taken is not None
    assert taken.member == {"at": 0}


def test_more_trials_can_be_asked_for_later(study: Study) -> None:
    train = lambda task: {"accuracy": 0.1 * task.number}
    assert work(study, 3, counting, train) == 3
    assert work(study, 3, counting, train) == 0
    assert work(study, 5, counting, train) == 2
    assert [entry.number for entry in study.entries()] == [0, 1, 2, 3, 4]


def test_when_the_time_is_up_nothing_new_begins(study: Study) -> None:
    assert work(study, 3, counting, lambda task: {"accuracy": 0.0}, until=0.0) == 0
    assert study.entries() == []


def test_a_surplus_trial_of_a_race_is_not_counted(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers begin the last trial at the same time: both have looked before either has begun."""
    real, looks = study._trials, []

    def trials() -> list[Any]:
        looks.append(None)
        if len(looks) == 2:
            before = real()
            study._kept.create_new_trial(study._id)  # the other's
            return before
        return real()

    monkeypatch.setattr(study, "_trials", trials)
    assert study.claim(1, counting) is None
    monkeypatch.undo()
    assert len(study._trials()) == 1


def test_a_study_of_another_kind_is_refused(where: str, study: Study) -> None:
    assert Study.create(where, "s", ABOUT).about == study.about
    with pytest.raises(StudyError, match=r"study 's' in .* was begun with another space: made up, not larger; begin"):
        Study.create(where, "s", ABOUT | {"space": "larger"})
    with pytest.raises(StudyError, match=r"there is no study 'r' in .* \(there are: s\)"):
        Study.open(where, "r")
    study._kept.set_study_user_attr(study._id, "convsmith", {"format": "convsmith.study", "version": 9})
    with pytest.raises(StudyError, match="is of version 9; this convsmith reads 2"):
        Study.open(where, "s")


@pytest.mark.parametrize(
    ("where", "error", "words"),
    [
        ("no/folder/s.db", StudyError, "no/folder/s.db cannot be reached: there is no such folder"),
        ("postgresql+nonsense://h/d", StudyError, "is no store: give a file, or a URL"),
        ("://", StudyError, "is no store"),
        ("mysql+mysqldb://me:secret@h/d", MissingExtra, r"the store mysql\+mysqldb://me:\*\*\*@h/d needs MySQLdb"),
    ],
)
def test_stores_that_cannot_be(where: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Study.open(where, "s")


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n" * 100)
    with pytest.raises(StudyError, match=r"picture.png cannot be used: file is not a database"):
        Study.open(str(path), "s")
    assert path.read_bytes() == b"\x89PNG\r\n" * 100


def test_without_optuna_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"pip install 'convsmith\[search\]'"):
        store.storage(where)


def test_passwords_are_not_said() -> None:
    assert masked("postgresql+psycopg://me:secret@host/db") == "postgresql+psycopg://me:***@host/db"
    assert masked("study.db") == "study.db"


def test_the_table_is_made_once_whoever_comes_first(where: str, study: Study) -> None:
    assert isinstance(Claims(study._kept.engine), Claims)
