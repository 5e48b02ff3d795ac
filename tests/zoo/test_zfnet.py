"""ZFNet: Fig. 3's map sizes, plain torch, and pytorchcv's published counts."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from convsmith import build, cost, trace
from convsmith.spec import Network
from convsmith.zoo import zfnet

pytestmark = pytest.mark.usefixtures("one_thread")

# imgclsmob/zfnet and zfnetb in published.csv
COUNTS = {"zfnet": (62_357_608, 1_168_032_896), "zfnet_notes": (107_627_624, 2_476_704_896)}
MAPS = {"zfnet": (384, 384, 256), "zfnet_notes": (512, 1024, 512)}


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return zfnet.VARIANTS[name].network(name, classes, **options)


class Plain(nn.Module):
    """Fig. 3 in torch, with Krizhevsky's normalisation."""

    def __init__(self, name: str, hidden: int = 4096, classes: int = 1000) -> None:
        super().__init__()
        third, fourth, fifth = MAPS[name]
        self.conv1, self.conv2 = nn.Conv2d(3, 96, 7, 2, 1), nn.Conv2d(96, 256, 5, 2)
        self.conv3 = nn.Conv2d(256, third, 3, padding=1)
        self.conv4 = nn.Conv2d(third, fourth, 3, padding=1)
        self.conv5 = nn.Conv2d(fourth, fifth, 3, padding=1)
        self.fc6, self.fc7 = nn.Linear(fifth * 36, hidden), nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, classes)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in (self.conv1, self.conv2):
            x = self.norm(self.pool(conv(x).relu()))
        x = self.conv4(self.conv3(x).relu()).relu()
        x = self.pool(self.conv5(x).relu()).flatten(1)
        return self.fc8(self.fc7(self.fc6(x).relu()).relu())


@pytest.mark.parametrize("name", COUNTS)
def test_keys_shapes_and_counts_are_the_references(name: str, macs_of: Callable[..., int]) -> None:
    with torch.device("meta"):
        theirs, image = Plain(name), torch.empty(1, 3, 224, 224)
    assert dict(trace(network(name)).weights) == {k: tuple(t.shape) for k, t in theirs.state_dict().items()}
    total = cost(trace(network(name)))
    assert (total.params, total.macs) == COUNTS[name]
    assert (total.params, total.macs) == (sum(p.numel() for p in theirs.parameters()), macs_of(theirs, image))


@pytest.mark.parametrize("name", COUNTS)
def test_logits_and_gradients_are_equal(name: str) -> None:
    theirs = Plain(name, 32, 7).double()
    for tensor in theirs.state_dict().values():
        tensor.mul_(2)
    ours = build(network(name, 7, hidden=32, rate=0.0)).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 3, 224, 216, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found, wanted = ours(image), theirs(image)
    assert wanted.abs().max() > 0.01
    assert float((found - wanted).detach().abs().max() / wanted.detach().abs().max()) <= 1e-9
    pairs = zip(
        torch.autograd.grad(found.square().sum(), list(ours.parameters())),
        torch.autograd.grad(wanted.square().sum(), list(theirs.parameters())), strict=True,
    )  # fmt: skip
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in pairs)


@pytest.mark.parametrize("name", COUNTS)
def test_map_sizes_are_fig_3s(name: str) -> None:
    rows = {row.path: row.out for row in trace(network(name)).rows}
    sides = [rows[p].rows for p in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")]
    assert sides == [110, 55, 26, 13, 13, 13, 13, 6]
    assert tuple(rows[p].channels for p in ("conv3", "conv4", "conv5")) == MAPS[name]
    assert [rows[p].shape for p in ("fc6", "fc7", "fc8")] == [(4096,), (4096,), (1000,)]


def test_numbers_in_the_docstring_are_the_nets() -> None:
    words = inspect.getdoc(zfnet) or ""
    assert [params for params, _ in COUNTS.values() if f"{params:,}" not in words] == []


def test_without_normalisation_it_has_the_same_weights() -> None:
    bare = trace(network("zfnet", norm=False))
    assert bare.weights == trace(network("zfnet")).weights
    assert not any(row.kind == "local_norm" for row in bare.rows)
