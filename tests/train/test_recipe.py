from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.spec.errors import SpecError, UnknownName
from convsmith.train import RECIPES, Recipe, override, recipe
from convsmith.train.fields import FIELDS, said
from convsmith.train.kinds import Number, Rising
from convsmith.train.recipe import epochs_for

OLD = {  # as run.json had it before there were papers' recipes
    "name": "default", "epochs": 60, "batch": 64, "lr": 0.1, "warmup": 0.15, "momentum": 0.9, "weight_decay": 0.0005,
    "label_smoothing": 0.1, "shift": 0.125, "rotate": 10.0, "scale": 0.1, "flip": False,
}  # fmt: skip


def test_every_field_has_a_kind_and_a_meaning_of_its_own_in_the_same_order() -> None:
    assert [field.name for field in fields(Recipe)] == list(FIELDS)
    meanings = [field.meaning for field in FIELDS.values()]
    assert len(set(meanings)) == len(meanings)
    assert max(map(len, meanings)) < 90
    for field in FIELDS.values():
        assert bool(field.needs) == bool(field.among)
        assert not field.needs or all(FIELDS[field.needs].kind.holds(word) for word in field.among)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "recipe: epochs must be an integer of at least 1, got 0"),
        ({"epochs": True}, "recipe: epochs must be an integer of at least 1, got True"),
        ({"batch": -3}, "recipe: batch must be an integer of at least 1, got -3"),
        ({"batch": 2.5}, "recipe: batch must be an integer of at least 1, got 2.5"),
        ({"batch": None}, "recipe: batch must be an integer of at least 1, got None"),
        ({"lr": 0}, "recipe: lr must be above 0 and below 100, got 0"),
        ({"lr": -1}, "recipe: lr must be above 0 and below 100, got -1"),
        ({"lr": True}, "recipe: lr must be above 0 and below 100, got True"),
        ({"momentum": 1}, "recipe: momentum must be at least 0 and below 1, got 1"),
        ({"warmup": "soon"}, "recipe: warmup must be at least 0 and below 1, got 'soon'"),
        ({"label_smoothing": float("nan")}, "recipe: label_smoothing must be at least 0 and below 1, got nan"),
        ({"factor": 0}, "recipe: factor must be above 0 and at most 1, got 0"),
        ({"canvas": 0.9}, "recipe: canvas must be at least 1 and at most 8, got 0.9"),
        ({"name": ""}, "recipe: name must be a text, got ''"),
        ({"nesterov": 1}, "recipe: nesterov must be true or false, got 1"),
        ({"flip": "yes"}, "recipe: flip must be true or false, got 'yes'"),
        ({"decay": "biases"}, "recipe: decay must be weights or all, got 'biases'"),
        ({"policy": "rand"}, "recipe: policy must be none, trivial or auto, got 'rand'"),
        ({"milestones": [0.5, 0.2]},
         "recipe: milestones must be shares that do not fall, each above 0 and below 1, got [0.5, 0.2]"),
        ({"milestones": [0.5, "0.7"]},
         "recipe: milestones must be shares that do not fall, each above 0 and below 1, got [0.5, '0.7']"),
        ({"area": [0.5]}, "recipe: area must be two numbers that do not fall, each above 0 and at most 1, got [0.5]"),
        ({"area": "half"}, "recipe: area must be two numbers that do not fall, each above 0 and at most 1, got 'half'"),
        ({"schedule": "steps"},
         "recipe: schedule steps wants milestones, such as 0.5,0.75 (shares of the training)"),
    ],
)  # fmt: skip
def test_values_that_no_training_has_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        override(Recipe(), changes)
    assert str(refusal.value) == message


def test_the_class_itself_refuses_too_and_takes_no_list_for_a_tuple() -> None:
    with pytest.raises(SpecError, match=r"^recipe: lr must be above 0 and below 100, got 0\.0$"):
        Recipe(lr=0.0)
    with pytest.raises(SpecError, match=r"^recipe: area must be two numbers"):
        Recipe(area=[0.5, 1.0])  # type: ignore[arg-type]


def test_an_unknown_field_or_recipe_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="a recipe has no field 'momentun'; did you mean 'momentum'"):
        override(Recipe(), {"momentun": 0.8})
    with pytest.raises(UnknownName, match="no recipe is called 'defualt'; did you mean 'default'"):
        recipe("defualt")


def test_what_depends_on_the_data_is_settled_and_what_was_said_stays() -> None:
    settled = Recipe().settled(1257, flip=True)
    assert (settled.epochs, settled.flip) == (60, True)
    assert Recipe(epochs=7, flip=False).settled(1257, flip=True) == Recipe(epochs=7, flip=False)


def test_epochs_fall_with_the_number_of_images_within_bounds() -> None:
    assert [epochs_for(n) for n in (1, 1257, 50_000, 10**9)] == [100, 60, 20, 10]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name: str) -> None:
    found = override(RECIPES[name], {"epochs": 5, "flip": False})
    again = Recipe.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert hash(again) == hash(found)
    assert again != replace(again, lr=0.123)
    assert again != found.to_json()


def test_a_recipe_of_an_older_run_means_what_it_meant() -> None:
    assert Recipe.from_json(OLD) == Recipe(epochs=60, flip=False)


def test_augmentation_scales_with_the_side() -> None:
    assert Recipe(shift=0.125).augment(16).shift == 2
    assert Recipe(shift=0.125).augment(32).shift == 4


def test_without_crops_images_keep_their_side() -> None:
    found = Recipe(flip=True).augment(32)
    assert (found.window, found.side, found.rotate, found.scale, found.flip) == (None, None, 10.0, 0.1, True)


@pytest.mark.parametrize(
    ("name", "side", "full", "window", "output"),
    [
        ("alexnet_2012", 224, None, 224, None),
        ("resnet_2015", 224, None, None, 224),
        ("modern", 128, 224, None, 128),
        ("wrn_2016", 32, None, None, None),
    ],
)
def test_crops_are_of_the_network_s_side(
    name: str, side: int, full: int | None, window: int | None, output: int | None
) -> None:
    found = RECIPES[name].augment(side, full)
    assert (found.window, found.side) == (window, output)
    assert (found.area, found.aspect) == (RECIPES[name].area, RECIPES[name].aspect)


def test_a_window_is_of_the_full_side_while_images_grow() -> None:
    found = override(RECIPES["alexnet_2012"], {"start_side": 0.5}).augment(112, 224)
    assert (found.window, found.side) == (224, 112)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_augments_stored_images_to_the_network_s_side(name: str) -> None:
    found = RECIPES[name].settled(1000, flip=True)
    stored = torch.randint(256, (3, 3, *[round(found.canvas * 32)] * 2), dtype=torch.uint8)
    images = found.augment(32)(stored, torch.arange(3), seed=0, epoch=0)
    assert images.shape == (3, 3, 32, 32)


def test_a_field_is_idle_where_its_schedule_or_optimiser_has_no_use_for_it() -> None:
    assert [name for name in FIELDS if Recipe().idle(name)] == [
        "eps", "alpha", "milestones", "factor", "patience", "every", "features",
    ]  # fmt: skip
    mobilenet = RECIPES["mobilenet_v2"]
    assert [name for name in FIELDS if mobilenet.idle(name)] == ["nesterov", "milestones", "patience", "features"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1e-8, "1e-08"), (None, "none"), (True, "true"), ((0.5, 1.0), "0.5,1"), ((), "none"), (7, "7")],
)
def test_values_are_said_as_they_are_written(value: object, text: str) -> None:
    assert said(value) == text


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_said_can_be_set(name: str) -> None:
    """From `convsmith recipes` to `--set`: the text of every value makes that value again, to six digits."""
    from convsmith.cli.words import settings as words

    for field in FIELDS:
        value = getattr(RECIPES[name], field)
        read = FIELDS[field].kind.read(words([f"{field}={said(value)}"])[field])
        assert FIELDS[field].kind.holds(read)
        if isinstance(value, float | tuple):
            assert read == pytest.approx(value, rel=1e-5)
        else:
            assert read == value


@settings(deadline=None)
@given(st.floats(0.01, 1), st.floats(0.01, 1), st.sampled_from(["[)", "(]", "()", "[]"]))
def test_numbers_hold_their_ends_as_brackets_say(low: float, high: float, closed: str) -> None:
    kind = Number(min(low, high), max(low, high) + 0.1, closed)
    assert kind.holds(kind.low) == (closed[0] == "[")
    assert kind.holds(kind.high) == (closed[1] == "]")
    assert kind.holds((kind.low + kind.high) / 2)
    assert not kind.holds(math.nextafter(kind.low, -1))
    assert not kind.holds(math.nextafter(kind.high, 9))


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 0.999), max_size=5))
def test_lists_texts_and_single_numbers_are_read_as_tuples(values: list[float]) -> None:
    kind = Rising(Number(0, 1, "()"))
    values.sort()
    assert kind.read(values) == kind.read(str(values)) == kind.read(",".join(map(repr, values))) == tuple(values)
    assert kind.holds(kind.read(values))
    assert kind.read(None) == ()
    assert all(kind.read(value) == (value,) for value in values)
