"""The folder of weights for machines without a network: the environment variable CONVSMITH_WEIGHTS names it."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from urllib.parse import urlparse

from convsmith.spec.errors import WeightsError

VARIABLE = "CONVSMITH_WEIGHTS"


def folder() -> Path | None:
    """The folder, or None if the variable is unset or empty. Raises WeightsError if it names no folder."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_dir():
        raise WeightsError(f"{VARIABLE} names {named}, which is no folder; make it, or unset the variable")
    return path


def look(*names: str) -> Path | None:
    """The first of these files that the folder holds."""
    where = folder()
    found = [where / name for name in names if name and (where / name).is_file()] if where else []
    return found[0].absolute() if found else None


def basename(url: str) -> str:
    """The file name that a download of this address gets in torch's own cache."""
    return PurePath(urlparse(url).path).name
