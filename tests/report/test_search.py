"""The page of a search: whole, alone in its file, every word escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convsmith.report.search import render, write_search

from .test_page import Page

SECTIONS = ["front", "choices", "trials", "method"]
HOSTILE = '"><script>alert(1)</script>{{ 7919*7907 }}'


def report(count: int = 12, **changes: Any) -> dict[str, Any]:
    trials = [
        {
            "number": i, "searcher": ("evolution", "random")[i % 2], "cost": 1e5 * (1 + i % 5), "params": 1000 + i,
            "macs": 10**5 * (1 + i % 5), "accuracy": 0.9 - 0.01 * i, "seconds": 1.5, "epochs": 3, "images": 270,
            "choices": {"depth": 1 + i % 3, "kernel": 3 if i < count // 3 else 5, "skip": "none"},
        }
        for i in range(count)
    ]  # fmt: skip
    plan = {
        "space": {"name": "cifar_mb", "sha256": "abc"},
        "searcher": "evolution",
        "seed": 0,
        "baseline": True,
        "filter": None,
        "of": 1,
        "halving": None,
    }
    curves = {"evolution": [(1, 0.9), (2, 0.9)], "random": [(1, 0.89), (2, 0.89)]}
    return {
        "plan": plan, "recipe": {"epochs": 3}, "verdict": "no difference", "trials": trials, "front": [0],
        "trajectory": curves, "proxies": {"params": 0.5, "synflow": -0.25},
    } | changes  # fmt: skip


def record(**changes: Any) -> dict[str, Any]:
    data = {"name": "digits", "source": "digits", "counts": {"train": 1258, "val": 270}}
    return {"data": data, "command": "convsmith search digits", "environment": {"torch": "2.14"}} | changes


def page(made: dict[str, Any], about: dict[str, Any] | None = None) -> str:
    return render(made, about or record(), "1M MACs", "MACs of one image")


def test_one_file_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    path = write_search(tmp_path / "report.html", report(), record(), "1M MACs", "MACs of one image")
    found = Page(path.read_text("utf-8"))
    assert found.open == []
    assert [i for i in found.ids() if i in SECTIONS] == SECTIONS
    assert {"script", "link", "iframe", "object", "embed", "base", "form"}.isdisjoint(tag for tag, _ in found.tags)
    text = path.read_text("utf-8")
    assert text.count("<svg") == 3
    for word in (
        "cifar_mb on digits, within 1M MACs",
        "90.0",
        "No difference.",
        "params 0.50, synflow -0.25",
        "depth=1",
        "1,000",
    ):
        assert word in text


def test_few_trials_tell_nothing_of_choices() -> None:
    text = page(report(4))
    assert "Too few trials to tell." in text
    assert text.count("<svg") == 2


def test_a_halved_search_says_with_how_much_its_trials_were_trained() -> None:
    whole = report()["plan"]
    text = page(report(plan=whole | {"halving": {"by": "epochs", "least": 1, "most": 9, "eta": 3}}))
    assert "by a training with 3 epochs; it leads those that were trained alike" in text
    assert "whether with 1 or with 9 epochs." in " ".join(text.split())
    assert "whether with" not in page(report())


def test_every_word_is_escaped() -> None:
    made = report()
    for trial in made["trials"]:
        trial["choices"] = {HOSTILE: HOSTILE, "b": trial["number"] % 2}
        trial["searcher"] = HOSTILE
    made["verdict"] = HOSTILE
    made["trajectory"] = {HOSTILE: [(1, 0.5)]}
    data = record()["data"] | {"name": HOSTILE, "source": HOSTILE}
    text = page(made, record(data=data, command=HOSTILE, environment={HOSTILE: HOSTILE}))
    assert "<script" not in text
    assert str(7919 * 7907) not in text
