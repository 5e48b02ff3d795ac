"""Network in network: the CIFAR net against plain torch and pytorchcv's published counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from convsmith import build, cost, trace
from convsmith.spec import Conv, Dropout, Linear, Network, SpecError
from convsmith.zoo import nin

pytestmark = pytest.mark.usefixtures("one_thread")


def network(classes: int | None = None, **options: Any) -> Network:
    return nin.VARIANTS["nin_cifar"].network("nin_cifar", classes, **options)


def mlpconv(into: int, kernel: int, *maps: int) -> nn.Module:
    first, second, third = maps
    return nn.Sequential(
        nn.Conv2d(into, first, kernel, padding=kernel // 2), nn.ReLU(), nn.Conv2d(first, second, 1), nn.ReLU(),
        nn.Conv2d(second, third, 1), nn.ReLU(),
    )  # fmt: skip


def plain(classes: int = 10, second: str = "max") -> nn.Module:
    """The authors' definition in torch."""
    net = nn.Sequential()
    net.add_module("mlp1", mlpconv(3, 5, 192, 160, 96))
    net.add_module("pool1", nn.MaxPool2d(3, 2, ceil_mode=True))
    net.add_module("mlp2", mlpconv(96, 5, 192, 192, 192))
    kind = nn.MaxPool2d if second == "max" else nn.AvgPool2d
    net.add_module("pool2", kind(3, 2, ceil_mode=True))
    net.add_module("mlp3", mlpconv(192, 3, 192, 192, classes))
    net.add_module("mean", nn.AdaptiveAvgPool2d(1))
    net.add_module("flatten", nn.Flatten())
    return net


@pytest.mark.parametrize(("classes", "params", "macs"), [(10, 966_986, 222_486_528), (100, 984_356, 223_592_448)])
def test_counts_are_pytorchcvs(classes: int, params: int, macs: int, macs_of: Callable[..., int]) -> None:
    """imgclsmob/nin_cifar10 and nin_cifar100 in published.csv."""
    total = cost(trace(network(classes)))
    with torch.device("meta"):
        theirs, image = plain(classes), torch.empty(1, 3, 32, 32)
    assert total.params == params == sum(p.numel() for p in theirs.parameters())
    assert total.macs == macs == macs_of(theirs, image)


@pytest.mark.parametrize("second", ["max", "avg"])
def test_logits_and_gradients_are_equal(second: str) -> None:
    theirs = plain(7, second).double()
    ours = build(network(7, second=second, rate=0.0)).double()
    for tensor in theirs.state_dict().values():
        tensor.mul_(2)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    for side in ((32, 32), (21, 38)):
        image = torch.randn(2, 3, *side, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        found, wanted = ours(image), theirs(image)
        assert wanted.abs().max() > 0.01
        assert float((found - wanted).detach().abs().max() / wanted.detach().abs().max()) <= 1e-9
        pairs = zip(
            torch.autograd.grad(found.square().sum(), list(ours.parameters())),
            torch.autograd.grad(wanted.square().sum(), list(theirs.parameters())), strict=True,
        )  # fmt: skip
        assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in pairs)


def test_there_is_no_linear_layer_and_a_map_for_each_class() -> None:
    rows = trace(network()).rows
    assert not any(isinstance(row.node, Linear) for row in rows)
    convs = [row for row in rows if isinstance(row.node, Conv)]
    assert len(convs) == 9
    assert [row.out.rows for row in convs] == [32] * 3 + [16] * 3 + [8] * 3
    assert convs[-1].out.shape == (10, 8, 8)
    # section 4.1: dropout on the outputs of all mlpconv layers but the last
    assert [row.path for row in rows if isinstance(row.node, Dropout)] == ["drop1", "drop2"]


def test_options_change_what_they_say() -> None:
    assert cost(trace(network(width=0.5))).layers[0].out.shape == (96, 32, 32)
    with pytest.raises(SpecError, match="second 'max' or 'avg'"):
        network(second="mean")
    with pytest.raises(SpecError, match="width must be above 0"):
        network(width=-1)
