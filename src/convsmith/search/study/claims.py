"""Which worker has which trial, and which trial has which member. Two may want one; one gets it, in every database.

Optuna's storage cannot say so by itself: on SQLite it reads a trial's state and writes it in two steps. So tables of
ours stand beside its own: a claim is a row that is inserted once, and changes hands by one conditional UPDATE; a member
is a row that no other can be equal to.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import uuid
from typing import Any, NamedTuple

import psutil

BEAT, STALE = 5.0, 60.0
"""Seconds between a worker's signs of life, and after which a trial without one is taken up by another."""


class Claim(NamedTuple):
    """A worker has a trial; `beat` counts its signs of life."""

    trial: int
    worker: str
    beat: int


class Claims:
    """The table, for one worker. `engine` is SQLAlchemy's."""

    def __init__(self, engine: Any, worker: str | None = None) -> None:
        import sqlalchemy as sql

        self._sql, self._engine = sql, engine
        self.worker = worker or myself()
        columns = (
            sql.Column("trial", sql.Integer, primary_key=True, autoincrement=False),
            sql.Column("worker", sql.String(200), nullable=False),
            sql.Column("beat", sql.Integer, nullable=False),
        )
        self._table = sql.Table("convsmith_claims", sql.MetaData(), *columns)
        _made(self._table, engine)
        self._watched: dict[int, tuple[Claim, float]] = {}

    def take(self, trial: int) -> bool:
        """Claim a trial that nobody has; whether that was got."""
        try:
            with self._engine.begin() as connection:
                connection.execute(self._table.insert().values(trial=trial, worker=self.worker, beat=0))
        except self._sql.exc.IntegrityError:
            return False
        return True

    def take_over(self, claim: Claim) -> bool:
        """Claim what another has, if it is still as it was seen."""
        return self._change(claim, worker=self.worker, beat=claim.beat + 1)

    def beat(self, trial: int) -> bool:
        """A sign of life; False if another has taken the trial over."""
        mine = self.of(trial)
        return mine is not None and mine.worker == self.worker and self._change(mine, beat=mine.beat + 1)

    def of(self, trial: int) -> Claim | None:
        """Who has a trial."""
        with self._engine.connect() as connection:
            row = connection.execute(self._table.select().where(self._table.c.trial == trial)).one_or_none()
        return None if row is None else Claim(*row)

    def is_dead(self, claim: Claim) -> bool:
        """Whether a trial's worker will not finish it: its process on this machine is gone, or it has been watched
        from here for `STALE` seconds without a sign of life. No two machines' clocks are compared."""
        if self.is_gone(claim):
            return True
        seen, since = self._watched.get(claim.trial, (None, 0.0))
        if seen != claim:
            self._watched[claim.trial] = claim, time.monotonic()
            return False
        return time.monotonic() - since > STALE

    @staticmethod
    def is_gone(claim: Claim) -> bool:
        """Whether a trial's worker was a process of this machine that is no more."""
        host, process, started, _ = claim.worker.rsplit(" ", 3)
        return host == socket.gethostname() and not _lives(int(process), float(started))

    def _change(self, claim: Claim, **values: Any) -> bool:
        columns = self._table.c
        same = (columns.trial == claim.trial) & (columns.worker == claim.worker) & (columns.beat == claim.beat)
        with self._engine.begin() as connection:
            return bool(connection.execute(self._table.update().where(same).values(**values)).rowcount)


class Members:
    """The table of members of one study; no two trials have the same."""

    def __init__(self, engine: Any, study: int) -> None:
        import sqlalchemy as sql

        self._sql, self._engine, self._study = sql, engine, study
        columns = (
            sql.Column("study", sql.Integer, primary_key=True, autoincrement=False),
            sql.Column("sha256", sql.String(100), primary_key=True),
            sql.Column("trial", sql.Integer, nullable=False, unique=True),
            sql.Column("member", sql.Text, nullable=False),
        )
        self._table = sql.Table("convsmith_members", sql.MetaData(), *columns)
        _made(self._table, engine)

    def all(self) -> dict[int, dict[str, Any]]:
        """By trial."""
        columns = self._table.c
        rows = self._sql.select(columns.trial, columns.member).where(columns.study == self._study)
        with self._engine.connect() as connection:
            return {trial: json.loads(member) for trial, member in connection.execute(rows)}

    def take(self, trial: int, member: dict[str, Any], *, again: bool = False) -> bool:
        """Say what a trial is of; False if another has the same, unless it is to be tried `again`."""
        text = json.dumps(member, sort_keys=True)
        sha256 = hashlib.sha256(text.encode()).hexdigest() + (f" {trial}" if again else "")
        row = {"study": self._study, "sha256": sha256, "trial": trial, "member": text}
        try:
            with self._engine.begin() as connection:
                connection.execute(self._table.insert().values(**row))
        except self._sql.exc.IntegrityError:
            return False
        return True


def _made(table: Any, engine: Any) -> None:
    import sqlalchemy as sql

    try:
        table.create(engine, checkfirst=True)
    except sql.exc.SQLAlchemyError:  # another worker made it in the same moment
        if not sql.inspect(engine).has_table(table.name):
            raise


def myself() -> str:
    """A worker's name: machine, process, when it began, and something that no other has."""
    here = psutil.Process()
    return f"{socket.gethostname()} {os.getpid()} {here.create_time():.2f} {uuid.uuid4().hex[:8]}"


def _lives(process: int, started: float) -> bool:
    try:
        there = psutil.Process(process)
        return bool(there.status() != psutil.STATUS_ZOMBIE and abs(there.create_time() - started) < 1)
    except psutil.Error:
        return False
