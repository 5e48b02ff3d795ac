from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import convsmith
from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.spec.errors import RunError
from convsmith.train import Recipe, checkpoint
from convsmith.train.ema import Ema
from convsmith.train.optimiser import MAKERS, make_optimiser
from convsmith.train.position import Position
from convsmith.train.schedule import Schedule
from convsmith.train.state import State

CLASSES = tuple("0123456789")


def state(net: Net, recipe: Recipe, classes: tuple[str, ...] = CLASSES) -> State:
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return State(net, make_optimiser(net, recipe), Schedule(recipe, 4), scaler, Ema(net, 0.9), classes)


def step(state: State, images: Tensor) -> None:
    state.optimiser.zero_grad()
    state.net(images).square().mean().backward()
    state.optimiser.step()
    assert state.ema is not None
    state.ema.update(state.net)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_training_by_any_optimiser_goes_on_bit_for_bit(kind: str, net: Net, digits: Data, tmp_path: Path) -> None:
    recipe = Recipe(optimiser=kind, epochs=9, lr=0.01)
    images = digits.preprocess.normalise(digits.train.images[:16])
    first = state(net, recipe)
    for _ in range(2):
        step(first, images)
    at = Position(epoch=2, step=5, loss_sum=1.5, correct=7, seen=11, history=[{"epoch": 1}], best={"epoch": 1})
    checkpoint.write(tmp_path, *first.gather(at))
    second = state(build(net.network, seed=99), recipe)
    content = checkpoint.newest(tmp_path)
    assert content is not None
    assert second.restore(content) == at
    for each in (first, second):
        each.net.train()
        step(each, images)
    assert first.ema is not None
    assert second.ema is not None
    assert first.ema.step == second.ema.step == 3
    for a, b in zip(first.net.state_dict().values(), second.net.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    for name, average in first.ema.average.items():
        assert torch.equal(average, second.ema.average[name]), name


def test_the_schedule_comes_back(net: Net, tmp_path: Path) -> None:
    recipe = Recipe(schedule="plateau", patience=0, epochs=9)
    first = state(net, recipe)
    for top1 in (0.5, 0.4, 0.4):
        first.schedule.epoch_ended({"val_top1": top1})  # type: ignore[attr-defined]
    checkpoint.write(tmp_path, *first.gather(Position()))
    second = state(build(net.network, seed=1), recipe)
    second.restore(checkpoint.read(tmp_path / checkpoint.NAME))
    assert second.schedule.state() == first.schedule.state() == {"best": 0.5, "bad": 0, "falls": 2}


def test_names_are_the_networks_own(net: Net, digits: Data) -> None:
    one = state(net, Recipe(epochs=1))
    step(one, digits.preprocess.normalise(digits.train.images[:8]))
    tensors, meta = one.gather(Position())
    assert {"model.conv1.weight", "ema.conv1.weight", "optimiser.conv1.weight.momentum_buffer"} <= tensors.keys()
    assert meta["classes"] == list(CLASSES)


def test_a_checkpoint_of_another_network_or_class_map_is_refused(net: Net, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1)
    checkpoint.write(tmp_path, *state(net, recipe).gather(Position()))
    content = checkpoint.read(tmp_path / checkpoint.NAME)
    other = build(convsmith.spec("resnet20", depth=8, width=5), channels=1, side=8)
    with pytest.raises(RunError, match=r"belongs to another network than spec\.json"):
        state(other, recipe).restore(content)
    with pytest.raises(RunError, match=r"belongs to another class map than run\.json"):
        state(net, recipe, CLASSES[::-1]).restore(content)
