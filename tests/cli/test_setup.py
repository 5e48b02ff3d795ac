"""`scripts/setup`, on which `make` stands: one line says what is missing, and nothing is done twice."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "dirname", "cat", "cksum", "cut", "awk", "df", "mkdir", "touch")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout on a machine that has nothing but the tools every Unix has."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"no {missing[0]} on this machine, which the script takes for granted")
    for name in ("pyproject.toml", "constraints.txt", "scripts/setup"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def give(checkout: Path, name: str, script: str) -> None:
    """Put a program on the machine."""
    path = checkout / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def setup(checkout: Path) -> tuple[int, str]:
    done = subprocess.run(
        [checkout / "scripts" / "setup", "all"], env={"PATH": str(checkout / "bin")}, capture_output=True, text=True
    )
    return done.returncode, done.stderr


PYTHON = """case "$*" in
  *version_info*) exit 0 ;;
  *ensurepip*) exit {ensurepip} ;;
  "-m venv"*) mkdir -p "$3/bin"; cat "$0" > "$3/bin/python"; chmod +x "$3/bin/python" 2>/dev/null ;;
  *pip*) echo "$*" >> "{log}" ;;
esac"""


def test_no_python(checkout: Path) -> None:
    give(checkout, "python3", "exit 1")  # an old one, or a shim for a version that is not there
    assert setup(checkout) == (
        1, "setup: no Python 3.11 or newer found: install one, or name it with PYTHON=/path/to/python3\n"
    )  # fmt: skip


def test_no_venv_module(checkout: Path) -> None:
    give(checkout, "python3", PYTHON.format(ensurepip=1, log=checkout / "log"))
    code, said = setup(checkout)
    assert code == 1
    assert (
        said == "setup: this Python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)\n"
    )
    assert not (checkout / ".venv").exists()


def test_no_disk(checkout: Path) -> None:
    give(checkout, "python3", PYTHON.format(ensurepip=0, log=checkout / "log"))
    give(
        checkout, "df", "echo 'Filesystem 1024-blocks Used Available Capacity Mounted'; echo '/dev/x 9 9 2097152 9% /'"
    )
    code, said = setup(checkout)
    assert code == 1
    assert said == "setup: only 2 GiB of disk are free here and 8 GiB are needed: free some space\n"


def test_the_second_time_nothing_is_installed_and_a_changed_project_is(checkout: Path) -> None:
    log = checkout / "log"
    give(checkout, "python3", PYTHON.format(ensurepip=0, log=log))
    (checkout / "bin" / "chmod").symlink_to(str(shutil.which("chmod")))
    assert setup(checkout)[0] == 0
    assert setup(checkout) == (0, "")
    assert len(log.read_text().splitlines()) == 1
    assert "-c constraints.txt -e .[all]" in log.read_text()
    (checkout / "constraints.txt").write_text("torch==1\n")
    assert setup(checkout)[0] == 0
    assert len(log.read_text().splitlines()) == 2
