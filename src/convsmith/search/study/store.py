"""Where studies are kept: Optuna's relational storage, in an SQLite file or in a database by URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from convsmith.spec.errors import MissingExtra, StudyError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

WAIT = 60.0
"""Seconds that a writer waits for others to leave an SQLite file."""


def storage(where: str) -> RDBStorage:
    """Optuna's storage at an SQLite file or a database's URL (`postgresql+psycopg://USER:PASSWORD@HOST/NAME`).

    Raises StudyError where it cannot be reached, MissingExtra without Optuna or the database's driver.
    """
    try:
        import optuna
        from optuna.storages import RDBStorage
    except ModuleNotFoundError:
        raise MissingExtra("searching needs Optuna: pip install 'convsmith[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    embedded = "://" not in where
    if embedded and not Path(where).absolute().parent.is_dir():
        raise StudyError(f"the study's store {where} cannot be reached: there is no such folder")
    options = {"connect_args": {"timeout": WAIT}} if embedded else {"pool_pre_ping": True}
    with reaching(where):
        return RDBStorage(f"sqlite:///{where}" if embedded else where, engine_kwargs=options)


@contextmanager
def reaching(where: str) -> Iterator[None]:
    """Whatever a database refuses in here is a StudyError that names it, without its password."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except ImportError as error:
        driver = _first(error).name  # type: ignore[attr-defined]
        raise MissingExtra(f"the store {masked(where)} needs {driver}: pip install {driver}") from None
    except (ArgumentError, NoSuchModuleError):
        raise StudyError(f"{masked(where)} is no store: give a file, or a URL as sqlite:///FILE or "
                         "postgresql+psycopg://USER:PASSWORD@HOST/NAME") from None  # fmt: skip
    except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        raise StudyError(f"the study's store {masked(where)} cannot be used: {_said(error)}") from None


def masked(where: str) -> str:
    """A store's address without its password."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", where)


def _first(error: BaseException) -> BaseException:
    """What began it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _said(error: BaseException) -> str:
    """The first line of what the database itself said."""
    first = _first(error)
    return str(getattr(first, "orig", None) or first).strip().splitlines()[0]
