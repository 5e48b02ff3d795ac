"""`list` filters and sorts by what cards and traces say; `show` prints a card below its table."""

from __future__ import annotations

import json
from typing import Any

import pytest

import convsmith
from convsmith.cli.list import KEYS
from convsmith.zoo import PAPERS, family, names, variant
from convsmith.zoo.cards import card

from .conftest import Cli


def listed(cli: Cli, *words: object) -> list[dict[str, Any]]:
    result = cli("list", *words, "--json")
    assert result.code == 0, result.err
    found: list[dict[str, Any]] = json.loads(result.out)
    return found


def named(cli: Cli, *words: object) -> list[str]:
    return [row["name"] for row in listed(cli, *words)]


@pytest.fixture(scope="module")
def every(cli: Cli) -> list[dict[str, Any]]:
    return listed(cli)


def test_json_holds_the_card_and_the_counts(cli: Cli) -> None:
    (row,) = listed(cli, "resnet50")
    total = convsmith.cost(convsmith.trace("resnet50"))
    assert {"figures", "weights", "arxiv", "remarks", "channels", "classes", "best"} <= row.keys()
    assert (row["params"], row["macs"], row["receptive_field"]) == (total.params, total.macs, 619)
    assert (row["family"], row["arxiv"], row["year"]) == ("resnet", "1512.03385", 2015)
    assert "torchvision:IMAGENET1K_V2" in [weights["source"] for weights in row["weights"]]
    assert row["top1"] == row["best"]["top1"] == max(w["top1"] for w in row["weights"] if w["side"] == 224)


def test_several_patterns_are_listed_in_the_order_of_history_and_once(cli: Cli, every: list[dict[str, Any]]) -> None:
    found = named(cli, "vgg1?", "lenet*", "vgg11")
    assert found == ["lenet5", "lenet5_1998", "vgg11", "vgg13", "vgg16", "vgg19"]
    assert [row["name"] for row in every] == list(names())


@pytest.mark.parametrize(("words", "wanted"), [
    (("--family", "vgg"), lambda row: row["family"] == "vgg"),
    (("--year", 2015), lambda row: row["year"] == 2015),
    (("--year", "2012-2014"), lambda row: 2012 <= row["year"] <= 2014),
    (("--provenance", "timm"), lambda row: row["provenance"] == "timm"),
    (("--weights",), lambda row: row["weights"]),
    (("--max-params", "5M"), lambda row: row["params"] <= 5_000_000),
    (("--max-macs", "0.3G"), lambda row: row["macs"] <= 300_000_000),
    (("--max-receptive-field", 200), lambda row: row["receptive_field"] <= 200),
    (("--min-receptive-field", 1000), lambda row: row["receptive_field"] >= 1000),
    (("--min-top1", 80.5), lambda row: row["top1"] is not None and row["top1"] >= 0.805),
    (("--family", "resnet", "--max-params", "30M", "--weights"),
     lambda row: row["family"] == "resnet" and row["params"] <= 30_000_000 and row["weights"]),
])  # fmt: skip
def test_a_filter_keeps_what_it_says_and_all_of_it(
    cli: Cli, every: list[dict[str, Any]], words: tuple[object, ...], wanted: Any
) -> None:
    found = named(cli, *words)
    assert found == [row["name"] for row in every if wanted(row)]
    assert 0 < len(found) < len(every)


def test_a_limit_holds_to_the_unit_and_a_share_to_its_last_digit(cli: Cli) -> None:
    assert named(cli, "resnet50", "--max-params", "25557032", "--max-macs", "4,089,184,256") == ["resnet50"]
    assert cli("list", "resnet50", "--max-params", "25557031").code == 2
    assert named(cli, "alexnet", "--min-top1", "56.522") == ["alexnet"]
    assert cli("list", "alexnet", "--min-top1", "56.523").code == 2


@pytest.mark.parametrize("key", KEYS)
def test_sorting_is_ascending_with_the_unknown_first_and_can_be_turned_round(
    cli: Cli, every: list[dict[str, Any]], key: str
) -> None:
    found = listed(cli, "--sort", key)
    values = [row[key.replace("-", "_")] for row in found]
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert values[: len(values) - len(known)] == [None] * (len(values) - len(known))
    assert sorted(row["name"] for row in found) == sorted(row["name"] for row in every)
    assert listed(cli, "--sort", key, "--reverse") == listed(cli, "--sort", key, "-r") == found[::-1]


def test_without_a_key_history_is_turned_round(cli: Cli) -> None:
    assert named(cli, "-r") == list(names())[::-1]


def test_the_table_has_a_line_for_each_and_cuts_what_is_long(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    head, *lines = cli("list", "resnet50", "resnetv2_50", "plain32").out.splitlines()
    assert head.split() == [
        "name", "form", "of", "year", "input", "parameters", "MACs", "sees", "top-1", "departs", "from", "the",
        "paper", "in",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines] == ["resnet50", "plain32", "resnetv2_50"]
    best = card("resnet50").best
    assert best is not None
    assert f"25.56 M   4.089 G     619 px  {best.top1:.1%}       stride in the 3x3" in lines[0]
    assert lines[1].endswith(" px")
    assert "  81.4% @288  stride" in lines[2]
    assert lines[2].endswith("…")
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(("words", "message"), [
    (("nets*",), "error: no network matches 'nets*'"),
    (("resnet*", "resnett50"), "error: no network matches 'resnett50'; did you mean 'resnet50'?"),
    (("--family", "resnets"), "error: no family is called 'resnets'; did you mean 'resnet'? (there are lenet, alexnet"),
    (("--provenance", "torch"), "error: no form is called 'torch'"),
    (("--sort", "-params"), "error: nothing is sorted by '-params'; did you mean 'params'? (there are name, year"),
    (("--year", "15"), "error: --year is a year like 2015 or years like 2012-2016, got '15'"),
    (("--year", "2012-16"), "error: --year is a year like 2015 or years like 2012-2016, got '2012-16'"),
    (("--year", "2012_2016"), "error: --year is a year like 2015 or years like 2012-2016, got '2012_2016'"),
    (("--min-top1", "0.8"), "error: --min-top1 is in per cent, above 1 and at most 100 like 75, got 0.8"),
    (("--min-top1", "nan"), "error: --min-top1 is in per cent, above 1 and at most 100 like 75, got nan"),
    (("--max-params", "few"), "error: 'few' is not a size"),
    (("lenet*", "--max-params", "5"), "error: none of the 2 networks that match is within all limits; loosen"),
    (("lenet*", "--weights"), "error: none of the 2 networks of these names is all of this; leave out"),
])  # fmt: skip
def test_what_cannot_be_listed_is_one_line_and_exit_code_2(cli: Cli, words: tuple[str, ...], message: str) -> None:
    result = cli("list", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)
    assert len(result.err.splitlines()) == 1


def test_a_variants_family_is_its_papers_file() -> None:
    assert list(dict.fromkeys(map(family, names()))) == list(PAPERS)
    assert {convsmith.zoo.family(name) for name in ("plain20", "resnet20")} == {"resnet_cifar"}
    assert variant("resnet20").paper == variant("resnet50").paper


def test_show_prints_the_card_below_the_table(cli: Cli) -> None:
    table, _, facts = cli("show", "resnet50_paper").out.rpartition("\n\n")
    assert table.splitlines()[0].startswith("resnet50_paper (paper) · input 3×224×224")
    assert facts.splitlines() == [
        "paper: He, Zhang, Ren & Sun 2015, Deep residual learning for image recognition (arXiv:1512.03385)",
        "published: top-1 error 22.85 %, top-5 error 6.71 % on ImageNet (10 crops; Table 3)",
        "printed otherwise: 3.8e9 MACs (Table 1): cut, not rounded",
    ]
    smaller = cli("show", "resnet50_paper", "--side", 64, "--classes", 10)
    assert smaller.out.rpartition("\n\n")[2] == facts


def test_show_has_the_card_in_its_json_for_networks_of_the_zoo(cli: Cli) -> None:
    found = json.loads(cli("show", "resnet50", "--json").out)["card"]
    assert found == json.loads(json.dumps(card("resnet50").plain()))
    changed = cli("show", "resnet34", "--set", "shortcut=C")
    assert "arXiv" not in changed.out
    assert json.loads(cli("show", "resnet34", "--set", "shortcut=C", "--json").out)["card"] is None
