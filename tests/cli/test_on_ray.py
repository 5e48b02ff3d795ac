"""A search whose trials are tasks of a Ray cluster of two workers on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from .conftest import Cli

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra `ray`)"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    ray = str(Path(sys.executable).parent / "ray")
    head = ("start", "--head", "--port=6399", "--num-cpus=1", "--include-dashboard=false", "--disable-usage-stats")
    more = ("start", "--address=127.0.0.1:6399", "--num-cpus=1", "--disable-usage-stats")
    for words in (head, more):
        done = subprocess.run([ray, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    yield "127.0.0.1:6399"
    subprocess.run([ray, "stop", "--force"], capture_output=True)


def test_trials_run_as_tasks(cluster: str, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    words = ("search", "digits", "--space", "cifar_mb", "--max-macs", "300k", "--set", "epochs=1", "--trials", "4")
    done = subprocess.run(
        [sys.executable, "-m", "convsmith", *words, "--ray", cluster, "--threads", "1", "--out", str(folder), "--json"],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)["trials"]
    assert sorted(trial["number"] for trial in trials) == [0, 1, 2, 3]
    assert all((folder / "trials" / f"{number:04}" / "outcome.json").is_file() for number in range(4))


def test_a_cluster_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    words = ("search", "digits", "--space", "cifar_mb", "--set", "epochs=1", "--trials", 1, "--out", tmp_path / "s")
    result = cli(*words, "--ray", "127.0.0.1:1")
    assert result.code == 2
    assert "error: no Ray cluster answers at 127.0.0.1:1" in result.err
