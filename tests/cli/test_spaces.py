"""`spaces` lists, shows, counts and draws; what it prints is the spaces' own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convsmith.search.costs import Costs, costs_of
from convsmith.search.spaces import SPACES, space

from .conftest import Cli


def test_all_are_listed_with_their_size_and_source(cli: Cli) -> None:
    result = cli("spaces")
    assert result.code == 0, result.err
    lines = [line.split(maxsplit=3) for line in result.out.splitlines()]
    assert [line[0] for line in lines] == list(SPACES)
    assert lines[0][1:] == ["1.25e18", "members", space("mnas").about]
    assert [found["members"] for found in json.loads(cli("spaces", "--json").out)] == [
        make().size for make in SPACES.values()
    ]


def test_one_is_shown_choice_by_choice(cli: Cli) -> None:
    result = cli("spaces", "resnet", "--side", "32", "--classes", "10")
    assert result.code == 0, result.err
    assert result.out.startswith("resnet: 160,000 members\nafter the AnyNet space")
    assert "groups        1, 2, 4, 8  (when block is bottleneck)\n" in result.out
    assert "stage3.width  32, 64, 96, 128\n" in result.out


def test_members_are_drawn_with_their_costs(cli: Cli) -> None:
    result = cli("spaces", "cifar_mb", "--draw", "2", "--seed", "7")
    assert result.code == 0, result.err
    for genome in space("cifar_mb").draw(2, 7):
        assert f"\n{genome}\n  " in result.out
    shown = json.loads(cli("spaces", "cifar_mb", "--draw", "2", "--seed", "7", "--json").out)
    for member, genome in zip(shown["members"], space("cifar_mb").draw(2, 7), strict=True):
        assert space("cifar_mb").from_json(member) == genome
        assert tuple(member[name] for name in Costs._fields) == costs_of(genome.graph)


def test_a_budget_counts_members(cli: Cli) -> None:
    result = cli("spaces", "zoo", "--side", "32", "--max-params", "100k", "--max-memory", "1M")
    assert result.code == 0, result.err
    assert "within 100 k parameters and 1 MB of memory: " in result.out
    reach = json.loads(cli("spaces", "zoo", "--side", "32", "--max-params", "100k", "--json").out)["reach"]
    assert reach["exact"]
    assert 0 < reach["fitting"] < reach["seen"] == reach["size"] == space("zoo", side=32).size


def test_a_budget_that_nobody_meets_names_the_nearest(cli: Cli) -> None:
    result = cli("spaces", "cifar_mb", "--max-macs", "10k")
    assert result.code == 0, result.err
    assert (
        "within 10 k MACs: 0 of 100,000 that were drawn (0.00%); the nearest that was found:\n  block1.op="
        in result.out
    )


def test_a_file_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('network = "resnet20"\n[choices]\nwidth = [8, 16]\ndepth = [8, 14]\n')
    result = cli("spaces", file)
    assert result.out.startswith("mine: 4 members\nfrom mine.toml\n\nwidth  8, 16\ndepth  8, 14\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("mns",), "error: no space is called 'mns'; did you mean 'mnas'?"),
        (("mnas", "--side", "0"), "error: side must be an integer of at least 1, got 0"),
        (("mnas", "--max-macs", "x"), "error: 'x' is not a size"),
        (("--draw", "3"), "error: a budget and --draw are for one space: convsmith spaces NAME ..."),
        (("absent.toml",), "error: cannot read absent.toml: No such file or directory"),
    ],
)
def test_refusals(cli: Cli, words: tuple[str, ...], says: str) -> None:
    result = cli("spaces", *words)
    assert result.code == 2
    assert result.err.startswith(says)
