"""The papers' figures once more, typed apart from the recipes; and the page that shows them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from convsmith.spec.errors import UnknownName
from convsmith.train import RECIPES, Recipe
from convsmith.train.fields import FIELDS
from convsmith.train.recipes import source
from convsmith.train.recipes.page import page

FILE = Path(__file__).parents[2] / "docs/recipes.md"

NOTHING = {
    "optimiser": "sgd", "momentum": 0.9, "nesterov": False, "warmup": 0, "label_smoothing": 0, "ema": 0, "clip": 0,
    "canvas": 1, "shift": 0, "reflect": False, "flip": True, "alternate": False, "rotate": 0, "scale": 0,
    "area": (1, 1), "aspect": (1, 1), "colour_noise": 0, "jitter": 0, "policy": "none", "cutout": 0, "erase": 0,
    "mixup": 0, "cutmix": 0, "start_side": 1, "whiten": False, "class_weights": "none",
    "sampling": "natural", "trains": "all", "gradual": 0, "lr_decay": 1, "l2_sp": 0, "aux": 0.3, "decay": "all",
}  # fmt: skip
"""What a paper did not do, but for momentum 0.9 and the mirror, which all had."""

INCEPTION = {"aspect": (0.75, 4 / 3), "decay": "weights"}

PAPERS: dict[str, dict[str, Any]] = {
    "alexnet_2012": {"epochs": 90, "batch": 128, "lr": 0.01, "weight_decay": 0.0005, "schedule": "plateau",
                     "factor": 0.1, "canvas": 256 / 224, "colour_noise": 0.1},
    "vgg_2014": {"epochs": 74, "batch": 256, "lr": 0.01, "weight_decay": 0.0005, "schedule": "plateau",
                 "factor": 0.1, "canvas": 256 / 224, "colour_noise": 0.1},
    "googlenet_2014": {"epochs": 250, "batch": 32, "lr": 0.01, "weight_decay": 0.0002, "schedule": "exponential",
                       "factor": 0.96, "every": 8, "ema": 0.9999, "area": (0.08, 1), "jitter": 0.4} | INCEPTION,
    "resnet_2015": {"epochs": 120, "batch": 256, "lr": 0.1, "weight_decay": 0.0001, "schedule": "plateau",
                    "factor": 0.1, "canvas": 256 / 224, "area": (49 / 225, 49 / 64), "colour_noise": 0.1},
    "resnet_cifar": {"epochs": 182, "batch": 128, "lr": 0.1, "weight_decay": 0.0001, "schedule": "steps",
                     "factor": 0.1, "milestones": (0.5, 0.75), "shift": 0.125},
    "densenet_2016": {"epochs": 90, "batch": 256, "lr": 0.1, "weight_decay": 0.0001, "schedule": "steps",
                      "factor": 0.1, "milestones": (30 / 90, 60 / 90), "nesterov": True, "area": (0.08, 1),
                      "aspect": (0.75, 4 / 3), "colour_noise": 0.1, "jitter": 0.4},
    "wrn_2016": {"epochs": 200, "batch": 128, "lr": 0.1, "weight_decay": 0.0005, "schedule": "steps", "factor": 0.2,
                 "milestones": (0.3, 0.6, 0.8), "nesterov": True, "shift": 0.125, "reflect": True},
    "mobilenet_v2": {"epochs": 412, "batch": 96, "lr": 0.045, "weight_decay": 0.00004, "schedule": "exponential",
                     "factor": 0.98, "every": 1, "optimiser": "rmsprop_tf", "alpha": 0.9, "eps": 1.0,
                     "label_smoothing": 0.1, "ema": 0.9999, "area": (0.05, 1), "jitter": 0.2} | INCEPTION,
    "efficientnet_2019": {"epochs": 350, "batch": 4096, "lr": 0.256, "weight_decay": 0.00001, "warmup": 5 / 350,
                          "schedule": "exponential", "factor": 0.97, "every": 2.4, "optimiser": "rmsprop_tf",
                          "alpha": 0.9, "eps": 0.001, "label_smoothing": 0.1, "ema": 0.9999, "policy": "auto",
                          "area": (0.08, 1)} | INCEPTION,
}  # fmt: skip


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_s_recipe_is_what_the_paper_says_and_nothing_else(name: str) -> None:
    found, wanted = RECIPES[name], NOTHING | PAPERS[name]
    for field in FIELDS:
        if field in wanted:
            value, paper = getattr(found, field), wanted[field]
            assert value == (paper if isinstance(paper, str) else pytest.approx(paper, rel=1e-9)), field
        else:
            assert field in ("name", "patience") or found.idle(field), field


@pytest.mark.parametrize("name", ["default", "plain", "modern", "fast", "finetune"])
def test_ours_take_their_epochs_from_the_images(name: str) -> None:
    assert RECIPES[name].epochs is None
    assert RECIPES[name].settled(50_000, flip=True).epochs == 20


def test_the_default_is_what_it_was() -> None:
    assert RECIPES["default"] == Recipe(
        name="default", epochs=None, batch=64, optimiser="sgd", lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4,
        decay="weights", schedule="cosine", warmup=0.15, label_smoothing=0.1, aux=0.3, ema=0.0, clip=0.0, canvas=1.0,
        shift=0.125, reflect=False, flip=None, alternate=False, rotate=10.0, scale=0.1, area=(1.0, 1.0), jitter=0.0,
        policy="none", cutout=0.0, erase=0.0, mixup=0.0, cutmix=0.0, start_side=1.0,
    )  # fmt: skip
    plain = Recipe(name="plain", lr=0.05, label_smoothing=0.0, rotate=0.0, scale=0.0, shift=0.0, flip=False)
    assert RECIPES["plain"] == plain


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_frozen_defaults_with_their_name_and_a_source(name: str) -> None:
    found = RECIPES[name]
    assert found.name == name
    assert type(found)() == found
    assert type(found) is Recipe or type(found).__mro__[1] is Recipe
    first, *rest = source(name).splitlines()
    assert first
    if type(found) is not Recipe:
        added = {key for key in vars(type(found)) if not key.startswith("__")} - {f.name for f in fields(Recipe)}
        assert not added
    if name in PAPERS:
        assert rest[0] == ""
        assert first.endswith(".")
        assert "Section" in source(name) or "section" in source(name)


def test_the_notes_weight_decay_for_resnet_is_named_beside_the_paper_s() -> None:
    assert "notes print a weight decay of 1e-5" in " ".join(source("resnet_2015").split())
    assert RECIPES["resnet_2015"].weight_decay == 1e-4


def test_a_source_of_no_recipe_is_refused() -> None:
    with pytest.raises(UnknownName, match="no recipe is called 'fsat'; did you mean 'fast'"):
        source("fsat")


def test_the_page_in_docs_is_that_of_the_code() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), "make docs"


def test_the_page_s_table_has_every_recipe_and_field() -> None:
    lines = page().splitlines()
    head = next(line for line in lines if line.startswith("| field | default"))
    assert head.strip("| ").split(" | ")[1:] == list(RECIPES)
    for field in FIELDS:
        assert sum(line.startswith(f"| `{field}` |") for line in lines) == (1 if field == "name" else 2)
