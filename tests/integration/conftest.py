"""Whole processes, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "convsmith")


TOGETHER = ("test_processes", "test_fit", "test_kill_and_resume")
"""Their fixtures train, so that one process runs them all and trains once."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Everything in this folder trains, kills or serves."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if item.path.stem in TOGETHER:
                item.add_marker(pytest.mark.xdist_group(item.path.stem))


def start(*words: object) -> subprocess.Popen[str]:
    """`convsmith WORDS` in a process group of its own, output kept."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"COLUMNS": "160"},
    )  # fmt: skip


def finish(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    """Its output, once it has ended with this code."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out, err


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until something has happened, or the process has ended, which would be too early."""
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lines(path: Path) -> int:
    """Lines of a file that may not be there yet."""
    return len(path.read_text().splitlines()) if path.exists() else 0
