from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.cli.words import settings as words
from convsmith.spec.errors import SpecError, UnknownName
from convsmith.train import RECIPES, override, recipe
from convsmith.train.fields import FIELDS
from convsmith.train.settings import settle


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_alone_a_name_is_the_recipe_and_every_field_is_from_it() -> None:
    for name in RECIPES:
        found = settle(name, None, {})
        assert (found.recipe, found.base, found.said) == (recipe(name), name, name)
        assert found.origins == dict.fromkeys(FIELDS, f"recipe {name}")
    assert settle(None, None, {}).recipe == recipe("default")


def test_the_command_line_wins_over_the_file_and_the_file_over_the_recipe(tmp_path: Path) -> None:
    file = toml(tmp_path, 'recipe = "resnet_2015"\nepochs = 30\nbatch = 64\nlr = 0.025\n')
    found = settle(None, file, {"lr": 0.05, "clip": 1})
    assert found.recipe == override(recipe("resnet_2015"), {"epochs": 30, "batch": 64, "lr": 0.05, "clip": 1.0})
    assert found.changed == {
        "epochs": f"file {file}", "batch": f"file {file}", "lr": "command line", "clip": "command line",
    }  # fmt: skip
    assert found.origins["weight_decay"] == "recipe resnet_2015"
    assert found.said == (
        f"resnet_2015, but epochs 30 (file {file}), batch 64 (file {file}), "
        "lr 0.05 (command line), clip 1 (command line)"
    )


def test_a_recipe_named_on_the_command_line_wins_over_the_file_s(tmp_path: Path) -> None:
    file = toml(tmp_path, 'recipe = "resnet_2015"\nepochs = 30\n')
    found = settle("fast", file, {})
    assert found.recipe == override(recipe("fast"), {"epochs": 30})
    assert found.base == "fast"


def test_values_take_the_field_s_type(tmp_path: Path) -> None:
    text = 'lr = 1\narea = [0.5, 1]\nepochs = "none"\nflip = "none"\npolicy = "none"\nrotate = 0\n'
    found = settle("wrn_2016", toml(tmp_path, text), {}).recipe
    assert (found.lr, found.area, found.epochs, found.flip, found.policy) == (1.0, (0.5, 1.0), None, None, "none")
    assert [type(value) for value in (found.lr, found.rotate, *found.area)] == [float] * 4


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("lr=1", "lr", 1.0),
        ("epochs=none", "epochs", None),
        ("epochs=null", "epochs", None),
        ("policy=none", "policy", "none"),
        ("milestones=0.5,0.75", "milestones", (0.5, 0.75)),
        ("milestones=[0.5, 0.75]", "milestones", (0.5, 0.75)),
        ("milestones=0.5", "milestones", (0.5,)),
        ("area=0.08,1", "area", (0.08, 1.0)),
        ("flip=false", "flip", False),
        ("eps=1e-3", "eps", 0.001),
    ],
)
def test_the_command_line_s_words_do_too(word: str, name: str, value: object) -> None:
    base = {"milestones": "wrn_2016", "eps": "efficientnet_2019"}.get(name, "modern")
    found = getattr(settle(base, None, words([word])).recipe, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("momentun = 0.8", "{file}: a recipe has no field 'momentun'; did you mean 'momentum'? (it has name, epochs"),
        ("[xyz]\nlr = 1", "{file}: a recipe has no field 'xyz' (it has name, epochs"),
        ('lr = "fast"', "{file}: lr must be above 0 and below 100, got 'fast'"),
        ("batch = 64.0", "{file}: batch must be an integer of at least 1, got 64.0"),
        ("nesterov = 1", "{file}: nesterov must be true or false, got 1"),
        ("lr = 2026-01-01", "{file}: lr must be above 0 and below 100, got datetime.date(2026, 1, 1)"),
        ("[lr]\na = 1", "{file}: lr must be above 0 and below 100, got {{'a': 1}}"),
        ("recipe = 3", "{file}: recipe must be the name of a recipe, got 3"),
        ('recipe = "fsat"', "no recipe is called 'fsat'; did you mean 'fast'?"),
        ("lr = ", "{file} is not TOML: Invalid value (at line 1"),
        ("\nlr 0.5", "{file} is not TOML: Expected '=' after a key in a key/value pair (at line 2, column 4)"),
        ("lr = 1\nlr = 2", "{file} is not TOML: Cannot overwrite a value (at line 2"),
        ("lr = 1\narea = [1,", "{file} is not TOML: Invalid value (at line 2)"),
        ("factor = 0.5", "factor (file {file}) has no effect with schedule cosine: it is for steps or plateau or exp"),
        ('schedule = "steps"', "recipe: schedule steps wants milestones, such as 0.5,0.75"),
    ],
)
def test_what_a_file_cannot_say_is_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    file = toml(tmp_path, text)
    with pytest.raises(SpecError) as refusal:
        settle(None, file, {})
    assert str(refusal.value).startswith(message.format(file=file))
    assert "\n" not in str(refusal.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^cannot read the recipe file .*none\.toml: No such file or directory$"):
        settle(None, tmp_path / "none.toml", {})
    with pytest.raises(SpecError, match=r"^cannot read the recipe file .*: Is a directory$"):
        settle(None, tmp_path, {})
    (tmp_path / "image.toml").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(SpecError, match=r"image\.toml is not TOML: it is not text in UTF-8$"):
        settle(None, tmp_path / "image.toml", {})


def test_what_the_command_line_cannot_say_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"^a recipe has no field 'xyz' "):
        settle("default", None, {"xyz": 3})
    with pytest.raises(UnknownName, match=r"^no recipe is called 'quick'"):
        settle("quick", None, {})
    with pytest.raises(SpecError, match=r"^lr must be above 0 and below 100, got 'fast'$"):
        settle("default", None, {"lr": "fast"})
    message = r"^eps \(command line\) has no effect with optimiser sgd: it is for rmsprop or rmsprop_tf or adamw$"
    with pytest.raises(SpecError, match=message):
        settle("default", None, {"eps": 0.1})


def test_the_command_line_may_make_a_file_s_fields_idle(tmp_path: Path) -> None:
    file = toml(tmp_path, 'schedule = "steps"\nmilestones = [0.5]\nfactor = 0.2\n')
    assert settle(None, file, {"schedule": "cosine"}).recipe.schedule == "cosine"
    assert settle(None, toml(tmp_path, 'schedule = "steps"'), {"milestones": (0.5,)}).recipe.milestones == (0.5,)


values: dict[str, st.SearchStrategy[Any]] = {
    "lr": st.floats(0.001, 10), "batch": st.integers(1, 999), "nesterov": st.booleans(), "flip": st.booleans(),
    "label_smoothing": st.floats(0, 0.9), "decay": st.sampled_from(["weights", "all"]),
    "epochs": st.none() | st.integers(1, 99),
}  # fmt: skip
changes = st.fixed_dictionaries({}, optional=values)


@settings(deadline=None)
@given(st.sampled_from(["default", "wrn_2016", "fast"]), changes, changes)
def test_each_value_is_of_the_first_that_said_it(
    tmp_path_factory: pytest.TempPathFactory, name: str, written: dict[str, Any], said: dict[str, Any]
) -> None:
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in written.items())
    file = toml(tmp_path_factory.mktemp("toml"), text)
    found = settle(name, file, said)
    for field in FIELDS:
        value, origin = getattr(recipe(name), field), f"recipe {name}"
        if field in written:
            value, origin = written[field], f"file {file}"
        if field in said:
            value, origin = said[field], "command line"
        assert (getattr(found.recipe, field), found.origins[field]) == (value, origin)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value or "none"}"' if value is None or isinstance(value, str) else repr(value)
