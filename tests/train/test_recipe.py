from __future__ import annotations

import math

import pytest

from convsmith.spec.errors import SpecError, UnknownName
from convsmith.train import Recipe, override, recipe
from convsmith.train.recipe import epochs_for


def test_the_learning_rate_climbs_linearly_and_falls_by_half_a_cosine_to_zero() -> None:
    r = Recipe(lr=1.0, warmup=0.2)
    rates = [r.lr_at(step, 100) for step in range(100)]
    assert rates[:3] == pytest.approx([1 / 21, 2 / 21, 3 / 21])
    assert rates[20] == 1.0
    assert rates[60] == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))
    assert rates[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 79 / 80)))
    assert max(rates) == 1.0


def test_without_warmup_the_first_step_has_the_peak_rate() -> None:
    assert Recipe(lr=0.3, warmup=0).lr_at(0, 10) == 0.3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "recipe: epochs must be an integer of at least 1, got 0"),
        ({"batch": -3}, "recipe: batch must be an integer of at least 1, got -3"),
        ({"batch": 2.5}, "recipe: batch must be an integer of at least 1, got 2.5"),
        ({"lr": 0}, "recipe: lr must be above 0"),
        ({"lr": -1}, "recipe: lr must be at least 0 and below 100, got -1"),
        ({"momentum": 1}, "recipe: momentum must be at least 0 and below 1, got 1"),
        ({"warmup": "soon"}, "recipe: warmup must be at least 0 and below 1, got 'soon'"),
        ({"label_smoothing": float("nan")}, "recipe: label_smoothing must be at least 0 and below 1, got nan"),
    ],
)
def test_values_that_no_training_has_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=f"^{message}$"):
        override(Recipe(), changes)


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


def test_a_recipe_survives_json() -> None:
    r = Recipe(name="mine", epochs=5, flip=False)
    assert Recipe.from_json(r.to_json()) == r


def test_augmentation_scales_with_the_side() -> None:
    assert Recipe(shift=0.125).augment(16).shift == 2
    assert Recipe(shift=0.125).augment(32).shift == 4
