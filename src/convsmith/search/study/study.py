"""The trials of a search, shared by all its workers: each is claimed by one, and finished once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from convsmith.search.study.claims import BEAT, Claims, Members
from convsmith.search.study.store import masked, reaching, storage
from convsmith.spec.errors import StudyError

FORMAT, VERSION = "convsmith.study", 2
ABOUT, MEMBER, OUTCOME, FOLDERS = "convsmith", "member", "outcome", "folders"
"""Attributes of Optuna's studies and trials."""


class Entry(NamedTuple):
    """A trial: the member that it is of (its choices), and how it ended, if it has."""

    number: int
    member: dict[str, Any]
    outcome: dict[str, Any] | None = None


class Task(NamedTuple):
    """A trial that is this worker's to do, in a folder of this name: that of the worker before, if it is known to be
    gone, so that its training can be gone on with; else one that nobody writes to."""

    id: int
    number: int
    member: dict[str, Any]
    folder: str


Propose = Callable[[int, Sequence[Entry]], dict[str, Any]]
"""The choices of trial `number`, given all trials so far that have a member."""


class Study:
    """A study in a store. Use `Study.create` and `Study.open`. Methods raise StudyError when the store is gone."""

    def __init__(self, where: str, name: str, kept: Any, id: int, worker: str | None = None) -> None:
        self.where, self.name = where, name
        self._kept, self._id = kept, id
        with reaching(where):
            self.claims, self.members = Claims(kept.engine, worker), Members(kept.engine, id)
            self.about: dict[str, Any] = kept.get_study_user_attrs(id).get(ABOUT) or {}
        if (self.about.get("format"), self.about.get("version")) != (FORMAT, VERSION):
            raise StudyError(
                f"study {name!r} in {masked(where)} is of version {self.about.get('version')!r}; this convsmith "
                f"reads {VERSION}: begin another by --study NAME"
            )

    @staticmethod
    def create(where: str, name: str, about: Mapping[str, Any]) -> Study:
        """A new study, or the one of this name if it is about the same. Raises StudyError for another one."""
        from optuna.exceptions import DuplicatedStudyError
        from optuna.study import StudyDirection

        kept, about = storage(where), {"format": FORMAT, "version": VERSION, **about}
        with reaching(where):
            try:
                id = kept.create_new_study([StudyDirection.MAXIMIZE], name)
                kept.set_study_user_attr(id, ABOUT, about)
            except DuplicatedStudyError:
                id = kept.get_study_id_from_name(name)
                if not kept.get_study_user_attrs(id):  # who made it was killed before it could say what it is about
                    kept.set_study_user_attr(id, ABOUT, about)
        found = Study(where, name, kept, id)
        for key, value in about.items():
            if found.about.get(key) != value:
                raise StudyError(
                    f"study {name!r} in {masked(where)} was begun with another {key}: {_short(found.about.get(key))}, "
                    f"not {_short(value)}; begin another by --study NAME"
                )
        return found

    @staticmethod
    def open(where: str, name: str) -> Study:
        """An existing study. Raises StudyError where there is none, or it is of another version."""
        kept = storage(where)
        with reaching(where):
            try:
                id = kept.get_study_id_from_name(name)
            except KeyError:
                there = ", ".join(study.study_name for study in kept.get_all_studies()) or "none"
                raise StudyError(f"there is no study {name!r} in {masked(where)} (there are: {there})") from None
        return Study(where, name, kept, id)

    def close(self) -> None:
        """Leave the store."""
        self._kept.remove_session()
        self._kept.engine.dispose()

    def entries(self) -> list[Entry]:
        """All trials that have a member, by number."""
        trials, members = self._trials(), self._reached(self.members.all)
        return [
            Entry(trial.number, member, trial.user_attrs.get(OUTCOME) if trial.state.is_finished() else None)
            for trial in trials
            if (member := members.get(trial._trial_id)) is not None
        ]

    def claim(self, most: int, propose: Propose) -> Task | None:
        """A trial to do: one whose worker was killed, else a new one while there are fewer than `most`; else None."""
        with reaching(self.where):
            taken = self._taken_up() or self._begun(most)
            if taken is None:
                return None
            trial, folder = taken
            found = self._kept.get_trial(trial)
            member = self.members.all().get(trial) or self._proposed(trial, found.number, propose)
            if folder is None:
                before = found.user_attrs.get(FOLDERS, [])
                folder = f"{found.number:04}-{len(before) + 1}" if before else f"{found.number:04}"
                self._kept.set_trial_user_attr(trial, FOLDERS, [*before, folder])
            return Task(trial, found.number, member, folder)

    def finish(self, task: Task, outcome: dict[str, Any]) -> bool:
        """Keep how a trial ended, `accuracy` among it; False if another has finished it meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        claim = self._reached(lambda: self.claims.of(task.id))
        if claim is None or claim.worker != self.claims.worker:
            return False
        with reaching(self.where), suppress(UpdateFinishedTrialError):
            self._kept.set_trial_user_attr(task.id, OUTCOME, outcome)
            self._kept.set_trial_state_values(task.id, TrialState.COMPLETE, [outcome["accuracy"]])
            return True
        return False

    @property
    def running(self) -> int:
        """Trials that are begun and not finished."""
        return sum(not trial.state.is_finished() for trial in self._trials())

    @property
    def finished(self) -> int:
        """Trials that are."""
        return sum(trial.state.is_finished() for trial in self._trials())

    @contextmanager
    def alive(self, task: Task) -> Iterator[None]:
        """Signs of life while a trial is worked on."""
        over = threading.Event()

        def beat() -> None:
            with suppress(StudyError):  # whoever finishes the trial will see that the store is gone
                while not over.wait(BEAT) and self._reached(lambda: self.claims.beat(task.id)):
                    pass

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _trials(self) -> list[Any]:
        """Optuna's, but those that came when there were enough."""
        from optuna.trial import TrialState

        with reaching(self.where):
            return [t for t in self._kept.get_all_trials(self._id, deepcopy=False) if t.state != TrialState.FAIL]

    def _taken_up(self) -> tuple[int, str | None] | None:
        """A trial whose worker is dead, and the folder that it leaves, if it is sure to write no more."""
        for trial in self._trials():
            if trial.state.is_finished():
                continue
            id, claim = trial._trial_id, self.claims.of(trial._trial_id)
            if claim is None:
                if self.claims.take(id):  # its worker was killed before it could claim it, or has yet to
                    return id, None
            elif self.claims.is_dead(claim) and self.claims.take_over(claim):
                folders = trial.user_attrs.get(FOLDERS)
                return id, folders[-1] if folders and self.claims.is_gone(claim) else None
        return None

    def _begun(self, most: int) -> tuple[int, None] | None:
        from optuna.trial import TrialState

        while len(self._trials()) < most:
            id = self._kept.create_new_trial(self._id)
            number = self._kept.get_trial(id).number
            if sum(trial.number < number for trial in self._trials()) >= most:  # others began the last at the same time
                self._kept.set_trial_state_values(id, TrialState.FAIL)
                return None
            if self.claims.take(id):
                return id, None
        return None

    def _proposed(self, trial: int, number: int, propose: Propose) -> dict[str, Any]:
        """A member that no other trial has, unless there are no others: whoever says it first has it."""
        while True:
            others = [entry for entry in self.entries() if entry.number != number]
            member = propose(number, others)
            again = any(other.member == member for other in others)
            if self.members.take(trial, member, again=again):
                self._kept.set_trial_user_attr(trial, MEMBER, member)  # for those who look with Optuna's tools
                return member

    def _reached(self, call: Callable[[], Any]) -> Any:
        with reaching(self.where):
            return call()


def _short(value: Any) -> str:
    said = str(value)
    return said if len(said) <= 80 else f"{said[:77]}..."
