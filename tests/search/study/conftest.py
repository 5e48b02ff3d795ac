"""A study in an SQLite file, and workers whose training is made up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="searching needs Optuna")

ABOUT = {"space": "made up", "budget": {"macs": 10}}

WORKER = """
import sys, time, random
from pathlib import Path
from convsmith.search.study.study import Study
from convsmith.search.study.worker import work

where, name, most, folder, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), float(sys.argv[5])

def propose(number, entries):
    taken = {entry.member["at"] for entry in entries}
    return {"at": next(at for at in range(10 ** 6) if at not in taken)}

def train(task):
    done = folder / task.folder
    if not done.exists():
        time.sleep(seconds * random.random())
        with done.open("x") as file:  # trained twice would fail here
            file.write("trained")
    return {"accuracy": 1 / (1 + task.member["at"])}

print(work(Study.open(where, name), most, propose, train))
"""


@pytest.fixture
def where(tmp_path: Path) -> str:
    return str(tmp_path / "study.db")


def words(where: str, name: str, most: int, folder: Path, seconds: float) -> list[str]:
    """A worker's command."""
    return [sys.executable, "-c", WORKER, where, name, str(most), str(folder), str(seconds)]
