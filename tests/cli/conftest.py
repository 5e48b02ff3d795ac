"""Running the command line in this process, and one finished run to work on."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from convsmith.cli import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Cli = Callable[..., Result]


def call(*words: object) -> Result:
    """`convsmith WORDS` in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("sys.argv", ["convsmith", *map(str, words)])
        try:
            main.main()
        except SystemExit as leave:
            code = int(leave.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def cli() -> Cli:
    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of LeNet on digits, trained for two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "lenet"
    result = call("train", "digits", "-n", "lenet5", "--set", "epochs=2", "--out", folder)
    assert result.code == 0, result.err
    return folder
