"""A PostgreSQL server of the tests' own: on a socket in a folder, as somebody who is not root, gone with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest


def _binaries() -> Path | None:
    found = [Path(p) for p in [shutil.which("initdb")] if p] + sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database. Skips where PostgreSQL or its driver is not installed."""
    binaries = _binaries()
    if binaries is None or find_spec("psycopg") is None:
        pytest.skip("no PostgreSQL on this machine (Debian's package postgresql), or no psycopg")
    who = {"user": "nobody"} if os.getuid() == 0 else {}  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="convsmith-pg-"))
    try:
        if who:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)

        def run(*words: str) -> None:
            done = subprocess.run(
                [str(binaries / words[0]), *words[1:]], capture_output=True, text=True, cwd=folder, **who
            )  # type: ignore[call-overload]
            assert done.returncode == 0, done.stdout + done.stderr

        data = str(folder / "data")
        run("initdb", "-D", data, "-U", "convsmith", "-A", "trust", "--no-sync")
        settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield f"postgresql+psycopg://convsmith@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
