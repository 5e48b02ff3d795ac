"""`convsmith search` on digits: whole, killed, joined; and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from convsmith import cost, trace
from convsmith.nn import Net
from convsmith.search.study.study import Study
from convsmith.spec.codec import read
from convsmith.train import Run
from convsmith.train.execution import Execution

from .conftest import Cli

pytest.importorskip("optuna", reason="searching needs Optuna")

WORDS = ("search", "digits", "--space", "cifar_mb", "--max-macs", "300k", "--set", "epochs=1", "--trials")


@pytest.mark.slow
def test_a_search_from_begin_to_report(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    result = cli(*WORDS, 6, "--out", folder, "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert json.loads((folder / "trials.json").read_text()) == report
    trials = report["trials"]
    assert sorted(trial["number"] for trial in trials) == list(range(6))
    assert [trial["accuracy"] for trial in trials] == sorted((t["accuracy"] for t in trials), reverse=True)
    assert all(trial["macs"] <= 300_000 for trial in trials)
    assert len({trial["sha256"] for trial in trials}) == 6
    assert [trial["searcher"] for trial in sorted(trials, key=lambda t: t["number"])] == ["evolution", "random"] * 3
    best = read(folder / "found.json")
    assert cost(trace(best)).macs == trials[0]["macs"]
    assert "best of chance at equal trials" in result.err
    assert (folder / "report.html").read_text().count("<svg") >= 2
    again = cli("search", "--join", folder, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["trials"] == trials  # all is there, nothing is trained
    more = cli("search", "--join", folder, "--trials", 7, "--json")
    assert more.code == 0, more.err
    assert len(json.loads(more.out)["trials"]) == 7
    shown = cli("show", folder / "found.json")
    assert shown.code == 0
    trained = cli("evaluate", folder / "trials" / "0000")
    assert trained.code == 0, trained.err  # a trial is a run like any other


@pytest.mark.slow
def test_two_workers_one_of_which_is_killed_lose_nothing(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    begun = subprocess.Popen(
        [sys.executable, "-m", "convsmith", *WORDS, "8", "--workers", "2", "--out", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    study = None
    while study is None or not any(entry.outcome for entry in study.entries()):
        assert begun.poll() is None, begun.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
        if study is None and (folder / "search.json").exists():
            study = Study.open(str(folder / "study.db"), "s")
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    result = cli("search", "--join", folder, "--json")
    assert result.code == 0, result.err
    trials = json.loads(result.out)["trials"]
    assert sorted(trial["number"] for trial in trials) == list(range(8))
    assert len({trial["sha256"] for trial in trials}) == 8
    assert len(list((folder / "trials").iterdir())) == 8


@pytest.mark.slow
@pytest.mark.parametrize("by", ["examples", "side"])
def test_halving_begins_with_less(by: str, cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    words = ("--halving", 2, "--by", by, "--no-baseline", "--out", folder, "--json")
    result = cli(*WORDS, 5, *words)
    assert result.code == 0, result.err
    trials = sorted(json.loads(result.out)["trials"], key=lambda trial: trial["number"])
    most = trials[2][by]
    assert [trial[by] for trial in trials] == [most // 2, most // 2, most, most // 2, most // 2][: len(trials)]
    again = next(trial for trial in trials[:2] if trial["sha256"] == trials[2]["sha256"])
    assert again["macs"] == trials[2]["macs"]  # the member's, whatever it was trained on
    assert json.loads((folder / "trials" / "0000" / "run.json").read_text())["fidelity"] == {"epochs": 1, by: most // 2}
    assert f">{by}</th>" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_a_longer_trial_is_carried_out_as_is_fastest_for_its_network(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def choose(net: Net, *_: object, **__: object) -> SimpleNamespace:
        measured.append(sum(weight.numel() for weight in net.parameters()))
        return SimpleNamespace(execution=Execution(channels_last=True))

    monkeypatch.setattr("convsmith.cli.carry.choose", choose)
    assert cli(*WORDS, 1, "--out", tmp_path / "light").code == 0
    assert not measured
    monkeypatch.setattr("convsmith.cli.search_hands.LIGHT", 0)
    assert cli(*WORDS, 2, "--out", tmp_path / "s").code == 0
    runs = [Run.open(tmp_path / "s" / "trials" / name) for name in ("0000", "0001")]
    assert [run.about["setup"]["execution"]["channels_last"] for run in runs] == [True, True]
    assert measured == [cost(trace(run.network)).params for run in runs]


@pytest.mark.slow
def test_one_supernet_serves_a_family_of_budgets(cli: Cli, tmp_path: Path) -> None:
    filtered = ("--filter", "supernet", "--supernet-epochs", "1", "--of", "2", "--no-baseline")
    first = cli(*WORDS, 1, *filtered, "--out", tmp_path / "a")
    assert first.code == 0, first.err
    weights = (tmp_path / "a" / "supernet.safetensors").read_bytes()
    other = ("search", "digits", "--space", "cifar_mb", "--max-macs", "200k", "--set", "epochs=1", "--trials", "1")
    second = cli(*other, *filtered, "--supernet", tmp_path / "a", "--out", tmp_path / "b", "--json")
    assert second.code == 0, second.err
    assert json.loads(second.out)["trials"][0]["macs"] <= 200_000
    assert (tmp_path / "a" / "supernet.safetensors").read_bytes() == weights
    assert not (tmp_path / "b" / "supernet.safetensors").exists()  # nothing was trained
    more = cli("search", "--join", tmp_path / "b", "--trials", 2)
    assert more.code == 0, more.err
    for words, error in (
        (("--seed", "5"), "has shared weights that learned from other images (or splits, by --seed)"),
        (("--space", "resnet"), "has shared weights of the space cifar_mb, and this is another, resnet"),
    ):
        refused = cli(*other, *filtered, *words, "--supernet", tmp_path / "a", "--out", tmp_path / "c")
        assert refused.code == 2
        assert error in refused.err
        assert not (tmp_path / "c").exists()
    assert cli(*other, "--out", tmp_path / "d").code == 0
    none = cli(*other, *filtered, "--supernet", tmp_path / "d", "--out", tmp_path / "c")
    assert none.code == 2
    assert "has no shared weights: they come of a search with --filter supernet" in none.err


@pytest.mark.slow
def test_no_time_is_no_result(cli: Cli, tmp_path: Path) -> None:
    result = cli(*WORDS, 2, "--time", "0.001s", "--out", tmp_path / "s")
    assert result.code == 2
    assert "error: no trial finished in the time; allow more by --time, and go on: convsmith search" in result.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--trials", "3"), "search wants images (convsmith search DATA), or a search that was begun (--join FOLDER)"),
        (("digits", "--join", "x"), "--join goes on with a search as it was begun"),
        (("--join", "nothing"), "nothing is no search: it has no search.json that can be read"),
        (("digits", "--searcher", "evolutoin", "--out", "s"), "no searcher is called 'evolutoin'; did you mean 'evol"),
        (("digits", "--space", "cifer_mb", "--out", "s"), "no space is called 'cifer_mb'; did you mean 'cifar_mb'?"),
        (("digits", "--max-macs", "10", "--out", "s"), "no member of cifar_mb was found within 10 MACs; the nearest:"),
        (("digits", "--max-latency", "1ms", "--out", "s"), "a search holds --max-latency by --latency-table, so that"),
        (("digits", "--supernet", "x", "--out", "s"), "--supernet has weights for --filter supernet: say both"),
        (("digits", "--supernet", "x", "--filter", "supernet", "--out", "s"), "x is no search: it has no search.json"),
        (("digits", "--halving", "2", "--by", "sides", "--out", "s"), "halving is by epochs, examples, side, got 'si"),
        (("digits", "--soft", "--out", "s"), "a soft reward is for the controller: --searcher ppo, got evolution"),
        (("digits", "--store", "nonsense://x", "--out", "s"), "nonsense://x is no store: give a file, or a URL"),
    ],
)
def test_refusals_leave_nothing(
    words: tuple[str, ...], error: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("convsmith.search.searchers.feasible.BLOCKS", 3)
    result = cli("search", *words)
    assert result.code == 2
    assert f"error: {error}" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_search_whose_ground_has_changed_is_refused(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    assert cli(*WORDS, 1, "--no-baseline", "--out", folder).code == 0
    study = Study.open(str(folder / "study.db"), "s")
    changed = study.about | {"space": study.about["space"] | {"sha256": "0"}}
    study._kept.set_study_user_attr(study._id, "convsmith", changed)
    result = cli("search", "--join", folder)
    assert result.code == 2
    assert "error: the space cifar_mb has changed since" in result.err
    study._kept.set_study_user_attr(study._id, "convsmith", study.about | {"version": 9})
    result = cli("search", "--join", folder)
    assert result.code == 2
    assert "is of version 9; this convsmith reads 2: begin another by --study NAME" in result.err
    taken = cli(*WORDS, 1, "--out", folder)
    assert taken.code == 2
    assert "already holds something" in taken.err
