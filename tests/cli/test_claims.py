"""`claims` lists what others say in numbers, filters it and exits with 0 unless something cannot be computed."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convsmith.views import claims
from convsmith.views.claims import CLAIMS, TOPICS, VERDICTS, check

from .conftest import Cli

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def listed(cli: Cli, *words: object) -> list[dict[str, Any]]:
    result = cli("claims", *words, "--json")
    assert result.code == 0, result.err
    found: list[dict[str, Any]] = json.loads(result.out)
    return found


def test_all_are_listed_with_their_verdicts_and_counted(cli: Cli) -> None:
    result = cli("claims")
    assert result.code == 0
    heads = [line.split(":")[0].split() for line in result.out.splitlines() if line[:1].strip()]
    assert heads[:-1] == [[check(claim).verdict, claim.id] for claim in CLAIMS]
    assert result.out.splitlines()[-1].startswith(f"claims: {len(CLAIMS)}, holds: ")
    assert max(map(len, result.out.splitlines())) <= 120


def test_narrow_terminals_get_narrow_lines(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = cli("claims", "vgg16-memory-rows", "efficientnet-*")
    assert max(map(len, result.out.splitlines())) <= 80


def test_patterns_choose_in_the_order_of_all(cli: Cli) -> None:
    assert [row["id"] for row in listed(cli, "vgg16-memory-9?", "pair-of-3x3")] == [
        "pair-of-3x3", "vgg16-memory-93", "vgg16-memory-96",
    ]  # fmt: skip
    assert [row["id"] for row in listed(cli)] == [claim.id for claim in CLAIMS]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_all_of_its_claims(cli: Cli, topic: str) -> None:
    found = [row["id"] for row in listed(cli, "--topic", topic)]
    assert found == [claim.id for claim in CLAIMS if claim.topic == topic]
    assert found


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_is_all_of_its_claims(cli: Cli, verdict: str) -> None:
    found = listed(cli, "--verdict", verdict)
    assert [row["id"] for row in found] == [claim.id for claim in CLAIMS if check(claim).verdict == verdict]
    assert len(found) > 10
    assert all(bool(row["why"]) == (verdict == "wrong") for row in found)


def test_json_has_the_numbers_and_how_they_are_computed(cli: Cli) -> None:
    (row,) = listed(cli, "inception-reduced")
    assert (row["printed"], row["ours"], row["unit"]) == (["358M"], [271_351_808], "MACs")
    assert row["computation"] == "macs('inception_reduced')"
    assert "twice" in row["why"]


def test_filters_that_leave_nothing_are_no_error(cli: Cli) -> None:
    result = cli("claims", "pair-of-3x3", "--verdict", "wrong")
    assert (result.code, result.out) == (0, "claims: 0, holds: 0, rounded: 0, wrong: 0\n")
    assert listed(cli, "pair-of-3x3", "--verdict", "wrong") == []


@pytest.mark.parametrize(("words", "said"), [
    (("pair-of-3x4",), "error: no claim matches 'pair-of-3x4'; did you mean 'pair-of-3x3'? (`convsmith claims` "),
    (("--topic", "memmory"), "error: no topic is called 'memmory'; did you mean 'memory'? (there are architecture, "),
    (("--verdict", "false"), "error: no verdict is called 'false' (there are holds, rounded, wrong)"),
])  # fmt: skip
def test_what_there_is_not_is_refused(cli: Cli, words: tuple[str, ...], said: str) -> None:
    result = cli("claims", *words)
    assert result.code == 2
    assert result.err.startswith(said)


def test_a_claim_that_cannot_be_computed_exits_with_2(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    vgg = next(claim for claim in CLAIMS if claim.id == "vgg16-params")
    monkeypatch.setattr(claims, "CLAIMS", (replace(vgg, of=("vgg_z",)),))
    result = cli("claims")
    assert result.code == 2
    assert result.err.startswith(
        "error: vgg16-params: params('vgg_z') cannot be computed: no network is called 'vgg_z'"
    )


def test_the_readme_s_commands_find_something(cli: Cli) -> None:
    commands = [line.partition("#")[0] for line in README.splitlines() if line.startswith("    convsmith claims")]
    assert len(commands) == 2
    for command in commands:
        result = cli(*shlex.split(command)[1:])
        assert result.code == 0, result.err
        assert result.out.count("printed: ") > 5
