"""Every AlexNet, VGG and ResNet of torchvision: the same keys, weights, outputs, statistics and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from convsmith import build, spec
from convsmith.nn import Net
from convsmith.zoo import alexnet, resnet, vgg

NAMES = [
    name
    for paper in (alexnet, vgg, resnet)
    for name, variant in paper.VARIANTS.items()
    if variant.provenance == "torchvision"
]
SIDE = 64
pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


class Twins(NamedTuple):
    name: str
    ours: Net
    theirs: nn.Module
    state: dict[str, Tensor]


@cache
def noise() -> Tensor:
    return torch.randn(1 << 20, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


@cache
def large(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """A large weight: the eight VGGs share theirs, of 120 million numbers."""
    many, fan_in = shape.numel(), shape[1:].numel()
    return (noise() * (1.5 / fan_in) ** 0.5).repeat(-(-many // len(noise())))[:many].view(shape).to(dtype)


@pytest.fixture(scope="module", autouse=True)
def forget_the_large_weights() -> Iterator[None]:
    yield
    large.cache_clear()


def state_for(module: nn.Module, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Weights that keep signals of order one, all cut from one stretch of noise."""
    state: dict[str, Tensor] = {}
    for i, (key, tensor) in enumerate(module.state_dict().items()):
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
            continue
        many = tensor.numel()
        if many > 2**22:
            state[key] = large(tensor.shape, dtype)
            continue
        cut = noise().repeat(-(-(many + 997 * i) // len(noise())))[997 * i :][:many].view(tensor.shape)
        scale, shift = (1.5 / tensor[0].numel()) ** 0.5 if tensor.dim() > 1 else 0.1, 0.0
        if tensor.dim() == 1 and key.endswith(("running_var", ".weight")):
            shift = 1.0
        state[key] = (cut * scale + shift).to(dtype)
    return state


def twins_of(name: str) -> Twins:
    """Both nets on the same tensors, without dropout."""
    dropout = {} if name.startswith("resnet") else {"dropout": 0.0}
    with torch.device("meta"):
        theirs = models.get_model(name, **dropout)
    ours = build(spec(name, **({"rate": 0.0} if dropout else {})), device="meta")
    state = state_for(theirs)
    theirs.load_state_dict(state, assign=True)
    ours.load_state_dict(state, assign=True)
    return Twins(name, ours, theirs, state)


@pytest.fixture(scope="module", params=NAMES)
def twins(request: pytest.FixtureRequest) -> Twins:
    return twins_of(request.param)


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def gap(a: Tensor, b: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    assert b.abs().max() > 0.01
    return float((a - b).abs().max() / b.abs().max())


def test_keys_and_shapes_are_torchvisions_in_the_same_order(twins: Twins) -> None:
    ours, theirs = twins.ours.state_dict(), twins.theirs.state_dict()
    assert list(ours) == list(theirs)
    assert [t.shape for t in ours.values()] == [t.shape for t in theirs.values()]
    assert [n for n, _ in twins.ours.named_parameters()] == [n for n, _ in twins.theirs.named_parameters()]


def test_weights_load_strictly_in_both_directions(twins: Twins) -> None:
    with torch.device("meta"):
        theirs = models.get_model(twins.name)
    fresh = build(twins.name, device="meta")
    assert (
        str(fresh.load_state_dict(twins.theirs.state_dict(), strict=True, assign=True))
        == "<All keys matched successfully>"
    )
    assert (
        str(theirs.load_state_dict(twins.ours.state_dict(), strict=True, assign=True))
        == "<All keys matched successfully>"
    )


def test_logits_are_equal_in_evaluation_and_in_training(twins: Twins, image: Tensor) -> None:
    ours, theirs = twins.ours, twins.theirs
    with torch.no_grad():
        for training in (False, True):
            assert gap(ours.train(training)(image), theirs.train(training)(image)) <= 1e-9


def test_logits_are_equal_in_single_precision(twins: Twins, image: Tensor) -> None:
    single = state_for(twins.theirs, torch.float32)
    with torch.device("meta"):
        theirs = models.get_model(twins.name)
    ours = build(twins.name, device="meta")
    for net in (ours, theirs):
        net.load_state_dict(single, assign=True)
        net.eval()
    with torch.no_grad():
        assert gap(ours(image.float()), theirs(image.float())) <= 1e-4


@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn", "resnet18", "resnet50"])
def test_gradients_and_running_statistics_are_equal(name: str, image: Tensor) -> None:
    twins = twins_of(name)
    found = []
    for net in (twins.ours, twins.theirs):
        net.load_state_dict(
            {k: v.clone() if "running" in k or "num_b" in k else v for k, v in twins.state.items()}, assign=True
        )
        net.train()
        loss = nn.functional.cross_entropy(net(image), torch.tensor([1, 2]))
        # VGG's two hidden layers have 120 million weights; gradients flow through them to all that stand before
        wanted = {k: p for k, p in net.named_parameters() if p.numel() < 10**7}
        gradients = dict(zip(wanted, torch.autograd.grad(loss, list(wanted.values())), strict=True))
        found.append((gradients, {k: b for k, b in net.named_buffers() if "running" in k}))
    (ours, our_buffers), (theirs, their_buffers) = found
    assert list(ours) == list(theirs)
    assert len(ours) >= 14
    for key, gradient in theirs.items():
        # a bias before batch normalisation has a gradient of nothing but rounding
        floor = 1e-12 * max(float(g.abs().max()) for g in theirs.values())
        assert float((ours[key] - gradient).abs().max()) <= 1e-9 * float(gradient.abs().max()) + floor, key
    for key, buffer in their_buffers.items():
        assert torch.allclose(our_buffers[key], buffer, rtol=1e-9)
        assert not torch.equal(buffer, twins.state[key])
