"""A network beside another library's: the reference without memory, and both on the same random tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import regnet as tv
from torchvision.ops import StochasticDepth

from convsmith import build, cost, spec
from convsmith.nn import Net
from convsmith.nn.layers import DropPath
from convsmith.zoo import family, variant

State = dict[str, Tensor]
Published = list[dict[str, str]]
"""Rows of a table of published figures (fixture `published`)."""

Rename = Callable[[str], str]
"""Our key for one of the reference's."""

NOISE = torch.randn(1_000_003, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
"""What all weights are cut from. A prime number, so that no two filters of a large one are the same."""

# our name -> the library's own and its options; every other variant has the library's name
ELSEWHERE: dict[str, tuple[str, dict[str, object]]] = {
    "mobilenet_v2_140": ("mobilenet_v2", {"width_mult": 1.4}),
    "mobilenet_v2_075": ("mobilenet_v2", {"width_mult": 0.75}),
    "mobilenet_v2_050": ("mobilenet_v2", {"width_mult": 0.5}),
    "mobilenet_v2_035": ("mobilenet_v2", {"width_mult": 0.35}),
    # their own initialisation takes seconds, and warns
    "googlenet": ("googlenet", {"init_weights": False}),
    "inception_v3": ("inception_v3", {"init_weights": False}),
}


@contextmanager
def on_meta() -> Iterator[None]:
    """Modules made here take no memory, and no weights are drawn: even for no memory that takes half of the time."""
    undrawn = lambda weight, *_, **__: weight
    with torch.device("meta"), patch.multiple(Tensor, normal_=undrawn, uniform_=undrawn):
        yield


def built(name: str, **options: Any) -> Net:
    """Our net, for evaluation; on the meta device."""
    with on_meta():
        return build(spec(name, **options), device="meta").eval()


def reference(name: str, classes: int = 1000, **options: object) -> nn.Module:
    """The library's own net for a variant of torchvision or timm, for evaluation; on the meta device."""
    called, more = ELSEWHERE.get(name, (name, {}))
    if variant(name).provenance == "timm":
        return in_timm(called, num_classes=classes, **more, **options)
    if family(name) == "regnet":
        params = regnet_params(name, **options)
        with on_meta():
            net: nn.Module = tv.RegNet(params, num_classes=classes)
    else:
        with on_meta():
            net = models.get_model(called, num_classes=classes, **more, **options)
    return net.eval()


def in_timm(name: str, **options: object) -> nn.Module:
    """timm's net of its own name, for evaluation; on the meta device."""
    timm = pytest.importorskip("timm", reason="timm is the reference of this network")
    with on_meta():
        net: nn.Module = timm.create_model(name, **options)
    return net.eval()


@cache
def regnet_params(name: str, **options: object) -> tv.BlockParams:
    """torchvision's depths, widths and groups of a RegNet, which it computes with tensors, and not on meta."""
    whole = tv.BlockParams.from_init_params
    with (
        patch.object(tv.BlockParams, "from_init_params", lambda **given: whole(**(given | options))),
        patch.object(tv, "_regnet", lambda params, *_, **__: params),
    ):
        return models.get_model(name)


def shapes(net: nn.Module, renamed: Rename = str) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a state dict, in its order."""
    return {renamed(key): tuple(tensor.shape) for key, tensor in net.state_dict().items()}


def lively(net: nn.Module, gain: float = 1.5) -> State:
    """Tensors in double precision that keep signals alive: `gain` is 2 behind ReLU alone, less where skips add up."""
    state: State = net.state_dict()  # with its metadata: torchvision's MnasNet refuses a state without a version
    for i, (key, old) in enumerate(state.items()):
        if old.dim() == 0:  # num_batches_tracked
            state[key] = torch.tensor(0)
        elif old.dim() == 1:
            state[key] = cut(997 * i, len(old), 0.1).add_(1.0 if key.endswith((".weight", "running_var")) else 0.0)
        else:
            state[key] = cut(997 * i, old.numel(), (gain / old[0].numel()) ** 0.5).view(old.shape)
    return state


def cut(start: int, many: int, scale: float) -> Tensor:
    """So many numbers of the noise from a place on, beginning anew where it ends."""
    start %= len(NOISE)
    inside = start + many <= len(NOISE)
    source = NOISE if inside else NOISE.repeat(-(-(start + many) // len(NOISE)))
    part = source[start : start + many]
    return (part.clone() if inside else part).mul_(scale)


def alike(ours: nn.Module, theirs: nn.Module, renamed: Rename = str, gain: float = 1.5) -> None:
    """The same tensors in both, loaded strictly, reshaped where ours differ in axes of 1. Running statistics, which
    training changes, are copies."""
    state, wanted = lively(theirs, gain), shapes(ours)
    copies = {renamed(key): tensor if tensor.dim() > 1 else tensor.clone() for key, tensor in state.items()}
    theirs.load_state_dict(state, strict=True, assign=True)
    ours.load_state_dict({key: tensor.view(wanted[key]) for key, tensor in copies.items()}, strict=True, assign=True)


def image(rows: int, cols: int, many: int = 1) -> Tensor:
    return torch.randn(many, 3, rows, cols, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def gap(found: Tensor, wanted: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    assert found.shape == wanted.shape
    assert wanted.abs().max() > 0.01
    return float((found - wanted).detach().abs().max() / wanted.detach().abs().max())


def logits_differ(ours: nn.Module, theirs: nn.Module, *sizes: tuple[int, int]) -> float:
    """The largest gap between both nets' logits for an image of each size and two of the last, in evaluation.

    Those two images' logits must differ by far more, or the tensors do not let through what is compared: nets whose
    gates are all shut would compare well.
    """
    gaps = []
    with torch.no_grad():
        for size in sizes:
            x = image(*size, many=2 if size == sizes[-1] else 1)
            wanted = theirs.eval()(x)
            gaps.append(gap(ours.eval()(x), wanted))
    assert gap(wanted[0], wanted[1]) > 1e-4
    return max(gaps)


def still(net: nn.Module) -> nn.Module:
    """The net for training, nothing in it random."""
    for part in net.train().modules():
        if isinstance(part, nn.Dropout | StochasticDepth):
            part.p = 0.0
        elif isinstance(part, DropPath):
            part.rate = 0.0
    return net


def mean_square(logits: Tensor) -> Tensor:
    return logits.square().mean()


def trained_tensors(
    ours: nn.Module, theirs: nn.Module, x: Tensor, renamed: Rename = str, loss: Callable[[Any], Tensor] = mean_square
) -> int:
    """How many tensors have the same gradient in both, in training; all do, and the running statistics that it leaves
    are the same, too. Hidden layers of 10^7 weights (AlexNet's, VGG's) are passed over: gradients flow through them to
    all that stand before."""
    before = {key: buffer.clone() for key, buffer in theirs.named_buffers()}
    losses: list[float] = []
    gradients: list[State] = []
    for net in (ours, theirs):
        weights = {key: p for key, p in net.named_parameters() if p.numel() < 10**7}
        lost = loss(still(net)(x))
        losses.append(lost.item())
        gradients.append(dict(zip(weights, torch.autograd.grad(lost, list(weights.values())), strict=True)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    found, wanted = gradients
    assert set(found) == {renamed(key) for key in wanted}
    # a bias before batch normalisation has a gradient of nothing but rounding
    floor = 1e-12 * max(float(gradient.abs().max()) for gradient in wanted.values())
    for key, gradient in wanted.items():
        difference = found[renamed(key)].view_as(gradient) - gradient
        assert float(difference.abs().max()) <= 1e-9 * float(gradient.abs().max()) + floor, key
    buffers = dict(ours.named_buffers())
    for key, statistic in theirs.named_buffers():
        assert torch.allclose(buffers[renamed(key)], statistic, rtol=1e-9, atol=1e-12), key
        assert not torch.equal(statistic, before[key]), key
    return len(wanted)


def norms(net: nn.Module, renamed: Rename = str) -> dict[str, tuple[float, float | None]]:
    """eps and momentum of every batch or layer normalisation, by the key of its weight."""
    kinds = nn.BatchNorm2d | nn.LayerNorm
    found = {path: part for path, part in net.named_modules() if isinstance(part, kinds)}
    return {renamed(f"{path}.weight"): (part.eps, getattr(part, "momentum", None)) for path, part in found.items()}


def assert_costs(ours: Net, theirs: nn.Module, macs_of: Callable[..., int]) -> None:
    """As many parameters, buffers and, at the network's own side, multiply-adds."""
    total = cost(ours.graph)
    assert total.params == sum(p.numel() for p in theirs.parameters())
    assert total.buffers == sum(b.numel() for b in theirs.buffers())
    assert total.macs == macs_of(theirs, torch.empty(1, *ours.graph.input.shape, device="meta"))


def inverse(theirs: Rename, ours: nn.Module) -> Rename:
    """Our key for the reference's, where `theirs` gives the reference's for ours."""
    return {theirs(key): key for key in ours.state_dict()}.__getitem__
