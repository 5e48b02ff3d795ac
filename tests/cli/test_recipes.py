"""`recipes` lists, shows and compares; what it prints is the recipes' own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convsmith.train import RECIPES, Recipe
from convsmith.train.fields import FIELDS, said
from convsmith.train.recipes import source

from .conftest import Cli


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which nothing is cut, also below a long temporary folder."""
    monkeypatch.setenv("COLUMNS", "300")


def test_all_are_listed_with_what_is_typical_and_their_source(cli: Cli) -> None:
    result = cli("recipes")
    assert result.code == 0, result.err
    head, *lines = result.out.splitlines()
    assert head.split() == ["recipe", "optimiser", "lr", "batch", "epochs", "schedule", "source"]
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert "alexnet_2012       sgd         0.01    128    90         plateau      Krizhevsky" in result.out
    assert "fast               muon        0.12    500    by images  linear       Ours" in result.out


def test_one_is_shown_field_by_field_under_its_source(cli: Cli) -> None:
    result = cli("recipes", "resnet_2015")
    assert result.code == 0, result.err
    top, fields = result.out.split("\nfield ")
    assert top == f"resnet_2015\n\n{source('resnet_2015')}\n"
    rows = [line.split(maxsplit=2) for line in fields.splitlines()[1:]]
    assert [row[0] for row in rows] == list(FIELDS)
    for name, value, meaning in rows:
        idle = name in ("eps", "alpha", "milestones", "every", "features")
        assert value == ("-" if idle else said(getattr(RECIPES["resnet_2015"], name)))
        assert meaning == FIELDS[name].meaning


def test_changes_are_shown_with_their_origin(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('recipe = "wrn_2016"\nbatch = 64\n')
    result = cli("recipes", "--config", file, "--set", "lr=0.05")
    assert result.code == 0, result.err
    assert result.out.startswith(f"wrn_2016, but batch 64 (file {file}), lr 0.05 (command line)\n\nZagoruyko")
    assert f"  64 [file {file}]  " in result.out
    assert "  0.05 [command line]" in result.out
    shown = json.loads(cli("recipes", "--config", file, "--json").out)
    assert shown["fields"]["batch"] == {"value": 64, "meaning": FIELDS["batch"].meaning, "origin": f"file {file}"}
    assert shown["fields"]["lr"]["origin"] == "recipe wrn_2016"


def test_only_what_differs_is_compared(cli: Cli) -> None:
    result = cli("recipes", "vgg_2014", "--diff", "alexnet_2012")
    assert [line.split()[:3] for line in result.out.splitlines()] == [
        ["field", "vgg_2014", "alexnet_2012"], ["epochs", "74", "90"], ["batch", "256", "128"],
    ]  # fmt: skip
    assert cli("recipes", "fast", "--diff", "fast").out == "fast and fast do not differ\n"
    assert json.loads(cli("recipes", "vgg_2014", "--diff", "alexnet_2012", "--json").out) == {
        "epochs": [74, 90], "batch": [256, 128],
    }  # fmt: skip
    assert json.loads(cli("recipes", "fast", "--set", "lr=0.3", "--diff", "fast", "--json").out) == {"lr": [0.3, 0.12]}


def test_json_makes_the_recipes_again(cli: Cli) -> None:
    for row in json.loads(cli("recipes", "--json").out):
        name = row["name"]
        assert row.pop("source") == source(name)
        assert Recipe.from_json(row) == RECIPES[name]
    shown = json.loads(cli("recipes", "fast", "--json").out)
    assert shown["source"] == source("fast")
    values = {name: field["value"] for name, field in shown["fields"].items()}
    assert Recipe.from_json(values) == RECIPES["fast"]


def test_narrow_terminals_cut_the_last_column(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = cli("recipes").out.splitlines()
    assert max(map(len, lines)) == 100
    assert any(line.endswith("…") for line in lines)


@pytest.mark.parametrize(("words", "said"), [
    (("resnet_2016",), "error: no recipe is called 'resnet_2016'; did you mean 'resnet_2015'? (there are default, "),
    (("fast", "--diff", "plane"), "error: no recipe is called 'plane'; did you mean 'plain'? "),
    (("--diff", "fast"), "error: --diff fast compares a recipe with that one: convsmith recipes NAME --diff fast"),
    (("fast", "--set", "lr=soon"), "error: lr must be above 0 and below 100, got 'soon'"),
    (("fast", "--set", "lrr=1"), "error: a recipe has no field 'lrr'; did you mean 'lr'? "),
    (("fast", "--set", "lr"), "error: --set wants NAME=VALUE, got 'lr'"),
    (("fast", "--config", "none.toml"), "error: cannot read the recipe file none.toml: No such file or directory"),
])  # fmt: skip
def test_what_there_is_not_is_refused(cli: Cli, words: tuple[str, ...], said: str) -> None:
    result = cli("recipes", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(said)
    assert len(result.err.splitlines()) == 1


def test_names_are_completed() -> None:
    from convsmith.cli.words import complete_recipe

    assert complete_recipe("resnet") == ["resnet_2015", "resnet_cifar"]
