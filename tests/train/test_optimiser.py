"""Optimisers against torch's and against the formulae in float64, and their states through state_dict."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.train import RECIPES, Recipe
from convsmith.train.muon import Muon, orthogonal
from convsmith.train.optimiser import make_optimiser
from convsmith.train.rmsprop import RMSPropTF

NAMES = ("sgd", "rmsprop", "rmsprop_tf", "adamw", "muon")


def small() -> nn.Sequential:
    """A convolution, a depthwise one, a norm, a linear layer; float64.

    No bias before the norm: its gradient is rounding alone, which Adam makes large.
    """
    torch.manual_seed(0)
    layers = (nn.Conv2d(2, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(54, 4)).double()


def gradients(net: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    images = torch.randn(5, 2, 7, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (5,), generator=generator)
    net.zero_grad()
    F.cross_entropy(net(images), labels).backward()


def trained(net: nn.Module, optimiser: torch.optim.Optimizer, steps: range) -> list[Tensor]:
    for step in steps:
        for group in optimiser.param_groups:
            group["lr"] = 0.05 / (step + 1)
        gradients(net, step)
        optimiser.step()
    return [weight.detach().clone() for weight in net.parameters()]


def same(one: list[Tensor], other: list[Tensor], **tolerance: float) -> None:
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, **(tolerance or {"rtol": 0, "atol": 0}))


def of_torch(net: nn.Module, kind: Any, decay: float, spare: bool, **settings: Any) -> torch.optim.Optimizer:
    weights = [w for w in net.parameters() if not spare or w.ndim > 1]
    others = [w for w in net.parameters() if spare and w.ndim <= 1]
    groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    found: torch.optim.Optimizer = kind([g for g in groups if g["params"]], **settings)
    return found


@pytest.mark.parametrize("decay", ["weights", "all"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_is_torch_s(decay: str, nesterov: bool) -> None:
    one, other = small(), small()
    recipe = Recipe(lr=0.05, weight_decay=0.1, decay=decay, nesterov=nesterov)
    settings = {"lr": 0.05, "momentum": 0.9, "nesterov": nesterov}
    theirs = of_torch(other, torch.optim.SGD, 0.1, decay == "weights", **settings)
    same(trained(one, make_optimiser(one, recipe), range(4)), trained(other, theirs, range(4)))


def test_without_momentum_there_is_no_look_ahead() -> None:
    assert not make_optimiser(small(), Recipe(momentum=0.0)).param_groups[0]["nesterov"]


def test_rmsprop_and_adamw_are_torch_s() -> None:
    one, other = small(), small()
    theirs = of_torch(other, torch.optim.RMSprop, 0.1, True, lr=0.05, alpha=0.8, eps=1e-3, momentum=0.7)
    recipe = Recipe(optimiser="rmsprop", lr=0.05, alpha=0.8, eps=1e-3, momentum=0.7, weight_decay=0.1)
    same(trained(one, make_optimiser(one, recipe), range(4)), trained(other, theirs, range(4)))
    one, other = small(), small()
    theirs = of_torch(other, torch.optim.AdamW, 0.1, False, lr=0.05, betas=(0.7, 0.95), eps=1e-6)
    recipe = Recipe(optimiser="adamw", lr=0.05, momentum=0.7, alpha=0.95, eps=1e-6, weight_decay=0.1, decay="all")
    same(trained(one, make_optimiser(one, recipe), range(4)), trained(other, theirs, range(4)))


def test_tensorflow_s_rmsprop_is_its_formula() -> None:
    net, decay, alpha, momentum, eps = small(), 0.1, 0.8, 0.7, 1e-3
    recipe = Recipe(optimiser="rmsprop_tf", lr=0.05, alpha=alpha, momentum=momentum, eps=eps, weight_decay=decay)
    optimiser = make_optimiser(net, recipe)
    weights = [w.detach().numpy().copy() for w in net.parameters()]
    squares, velocities = [0 * w + 1 for w in weights], [0 * w for w in weights]
    for step in range(4):
        lr = 0.05 / (step + 1)
        gradients(net, step)
        for k, parameter in enumerate(net.parameters()):
            assert parameter.grad is not None
            g = parameter.grad.numpy() + (decay if weights[k].ndim > 1 else 0) * weights[k]
            squares[k] = alpha * squares[k] + (1 - alpha) * g * g
            velocities[k] = momentum * velocities[k] + lr * g / (squares[k] + eps) ** 0.5
            weights[k] = weights[k] - velocities[k]
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.step()
        same([w.detach() for w in net.parameters()], [torch.from_numpy(w) for w in weights], rtol=1e-12, atol=1e-14)


def test_tensorflow_s_first_step_is_the_shorter_one() -> None:
    """The mean square begins at 1: with gradients of 1 torch's first step is 1 / sqrt(1 - alpha) times as long."""
    lengths = {}
    for name in ("rmsprop", "rmsprop_tf"):
        net = nn.Linear(1, 1, bias=False).double()
        start = float(net.weight.detach())
        optimiser = make_optimiser(net, Recipe(optimiser=name, lr=0.1, alpha=0.9, eps=1e-12, weight_decay=0.0))
        net.weight.grad = torch.ones_like(net.weight)
        optimiser.step()
        lengths[name] = start - float(net.weight.detach())
    assert lengths["rmsprop_tf"] == pytest.approx(0.1)
    assert lengths["rmsprop"] == pytest.approx(0.1 / 0.1**0.5)


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (5, 2, 3, 3)])
def test_muon_is_torch_s_on_flattened_weights(shape: tuple[int, ...], nesterov: bool) -> None:
    torch.manual_seed(1)
    one = torch.randn(shape)
    other = one.flatten(1).clone().requires_grad_()
    one.requires_grad_()
    groups = [{"params": [one], "orthogonal": True}]
    ours = Muon(groups, lr=0.05, momentum=0.8, nesterov=nesterov, weight_decay=0.1)
    theirs = torch.optim.Muon([other], lr=0.05, momentum=0.8, nesterov=nesterov, weight_decay=0.1)
    for _ in range(4):
        one.grad = torch.randn(shape)
        other.grad = one.grad.flatten(1).clone()
        ours.step()
        theirs.step()
        torch.testing.assert_close(one.detach().flatten(1), other.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (20, 20)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2)) * 7
    found = orthogonal(matrix)
    assert found.dtype == matrix.dtype
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = (u.T @ found @ v.T).diagonal()
    torch.testing.assert_close(inner, values.sort(descending=True).values, rtol=0, atol=0.6)
    assert (u.T @ found @ v.T - inner.diag()).abs().max() < 0.05


def test_muon_turns_convolutions_and_leaves_the_rest_to_sgd() -> None:
    one, other = small(), small()
    recipe = Recipe(optimiser="muon", lr=0.05, weight_decay=0.1)
    ours = make_optimiser(one, recipe)
    assert [(g["orthogonal"], g["weight_decay"], g["param_names"]) for g in ours.param_groups] == [
        (True, 0.1, ["0.weight"]),
        (False, 0.1, ["3.weight", "5.weight"]),
        (False, 0.0, ["1.weight", "1.bias", "3.bias", "5.bias"]),
    ]
    theirs = make_optimiser(other, Recipe(lr=0.05, weight_decay=0.1))
    gradients(one, 0)
    gradients(other, 0)
    ours.step()
    theirs.step()
    for name, weight in one.named_parameters():
        equal = torch.allclose(weight, other.get_parameter(name), rtol=1e-12, atol=0)
        assert equal == (name != "0.weight"), name


def test_decay_spares_biases_and_norms_unless_told() -> None:
    spared = make_optimiser(small(), Recipe(weight_decay=0.01)).param_groups
    assert [(g["weight_decay"], g["param_names"]) for g in spared] == [
        (0.01, ["0.weight", "3.weight", "5.weight"]),
        (0.0, ["1.weight", "1.bias", "3.bias", "5.bias"]),
    ]
    (group,) = make_optimiser(small(), Recipe(weight_decay=0.01, decay="all")).param_groups
    assert (group["weight_decay"], len(group["params"])) == (0.01, 7)


def test_frozen_weights_are_left_out() -> None:
    net = small()
    net[0].requires_grad_(False)
    names = [name for group in make_optimiser(net, Recipe()).param_groups for name in group["param_names"]]
    assert "0.weight" not in names
    assert len(names) == 6


@pytest.mark.parametrize("name", NAMES)
def test_an_optimiser_that_goes_on_from_its_state_is_the_one_that_never_stopped(name: str) -> None:
    recipe = Recipe(optimiser=name, lr=0.05, weight_decay=0.1)
    whole = small()
    wanted = trained(whole, make_optimiser(whole, recipe), range(6))
    net = small()
    optimiser = make_optimiser(net, recipe)
    trained(net, optimiser, range(3))
    stored, weights = copy.deepcopy(optimiser.state_dict()), copy.deepcopy(net.state_dict())
    again = small()
    again.load_state_dict(weights)
    fresh = make_optimiser(again, recipe)
    fresh.load_state_dict(stored)
    same(trained(again, fresh, range(3, 6)), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_lowers_a_loss_and_takes_a_closure(name: str) -> None:
    net = small()
    optimiser = make_optimiser(net, Recipe(optimiser=name, lr=0.01))

    def closure() -> float:
        gradients(net, 0)
        return measured()

    def measured() -> float:
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(5, 2, 7, 7, generator=generator, dtype=torch.float64)
        return F.cross_entropy(net(images), torch.randint(4, (5,), generator=generator)).item()

    start = measured()
    assert optimiser.step(closure) == pytest.approx(start)
    for _ in range(10):
        optimiser.step(closure)
    assert measured() < start * 0.9


@pytest.mark.parametrize("name", NAMES)
def test_weights_without_a_gradient_stay(name: str) -> None:
    net = small()
    optimiser = make_optimiser(net, Recipe(optimiser=name))
    start = [weight.detach().clone() for weight in net.parameters()]
    optimiser.step()
    same([weight.detach() for weight in net.parameters()], start)


@pytest.mark.parametrize("name", NAMES)
def test_fused_is_taken_where_there_is_one_and_agrees(name: str) -> None:
    recipe = Recipe(optimiser=name, lr=0.05, weight_decay=0.1)
    one, other = small(), small()
    fused = make_optimiser(one, recipe, fused=True)
    assert bool(fused.defaults.get("fused")) == (name in ("sgd", "adamw"))
    same(trained(one, fused, range(3)), trained(other, make_optimiser(other, recipe), range(3)), rtol=1e-9, atol=1e-12)


def test_fused_is_left_where_the_device_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without(torch.optim.SGD):
        def __init__(self, params: Any, fused: bool = False, **settings: Any) -> None:
            super().__init__(params, **settings)
            if fused:
                raise RuntimeError("not on this device")

    monkeypatch.setattr(torch.optim, "SGD", Without)
    optimiser = make_optimiser(small(), Recipe(), fused=True)
    assert not optimiser.defaults["fused"]
    assert [len(group["params"]) for group in optimiser.param_groups] == [3, 4]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_its_optimiser(name: str) -> None:
    optimiser = make_optimiser(small(), RECIPES[name])
    kinds = {"mobilenet_v2": RMSPropTF, "efficientnet_2019": RMSPropTF, "fast": Muon}
    assert type(optimiser) is kinds.get(name, torch.optim.SGD)
    assert {group["lr"] for group in optimiser.param_groups} == {RECIPES[name].lr}
