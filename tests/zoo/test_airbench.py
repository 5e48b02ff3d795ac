"""Airbench: the nets of its three records against plain torch, and the counts of the authors' own code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convsmith import build, cost, trace
from convsmith.spec import Network, SpecError
from convsmith.zoo import airbench

pytestmark = pytest.mark.usefixtures("one_thread")

# parameters and multiply-adds of legacy/airbench9*.py in KellerJordan/cifar10-airbench, counted from their modules
COUNTS = {
    "airbench94": (1_972_792, 118_147_360),
    "airbench95": (4_606_520, 301_560_864),
    "airbench96": (9_918_776, 451_967_264),
}


def network(name: str = "airbench94", classes: int | None = None, **options: Any) -> Network:
    return airbench.VARIANTS[name].network(name, classes, **options)


def conv(into: int, out: int) -> nn.Conv2d:
    layer = nn.Conv2d(into, out, 3, padding="same", bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[:into])
    return layer


class Group(nn.Module):
    """A group as the authors write it."""

    def __init__(self, into: int, out: int, depth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(into if i == 0 else out, out) for i in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm2d(out, eps=1e-12, momentum=1 - 0.6) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        gelu = nn.functional.gelu
        first = x = gelu(self.norms[0](nn.functional.max_pool2d(self.convs[0](x), 2)))
        x = self.norms[1](self.convs[1](x))
        return gelu(self.norms[2](self.convs[2](gelu(x))) + first) if len(self.convs) == 3 else gelu(x)


def plain(name: str, classes: int = 10) -> nn.Module:
    """The authors' net in torch."""
    maps, depth = airbench.NETS[name]
    whiten = nn.Conv2d(3, 24, 2)
    nn.init.zeros_(whiten.bias)  # type: ignore[arg-type]
    nn.init.dirac_(whiten.weight.data[:3])
    groups = [Group(into, out, depth) for into, out in zip((24, *maps), maps, strict=False)]
    head = nn.Linear(maps[-1], classes, bias=False)
    return nn.Sequential(whiten, nn.GELU(), *groups, nn.MaxPool2d(3), nn.Flatten(), head)


def carried(theirs: nn.Module, ours: nn.Module) -> dict[str, Tensor]:
    """Their tensors under our names: those of each kind come in the same order."""
    found: dict[str, Tensor] = {}
    for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        for dims in (0, 1, 2, 4):
            mine = [k for k, v in ours.state_dict().items() if k.endswith(kind) and v.ndim == dims]
            other = [v for k, v in theirs.state_dict().items() if k.endswith(kind) and v.ndim == dims]
            found |= dict(zip(mine, other, strict=True))
    return found


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_of_the_authors_code(name: str, macs_of: Callable[..., int]) -> None:
    total = cost(trace(network(name)))
    with torch.device("meta"):
        theirs, image = plain(name), torch.empty(1, 3, 32, 32)
    assert (total.params, total.macs) == COUNTS[name]
    assert (sum(p.numel() for p in theirs.parameters()), macs_of(theirs, image)) == COUNTS[name]


@pytest.mark.parametrize("name", ["airbench94", "airbench96"])
@pytest.mark.parametrize("training", [True, False])
def test_logits_and_gradients_are_equal(name: str, training: bool) -> None:
    theirs = plain(name, 7).double().train(training)
    ours = build(network(name, 7), seed=0).double().train(training)
    ours.load_state_dict(carried(theirs, ours))
    image = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found, wanted = ours(image), theirs(image) / 9
    assert wanted.abs().max() > 0.01
    assert torch.allclose(found, wanted, rtol=1e-9, atol=1e-12)
    found.square().sum().backward()
    wanted.square().sum().backward()
    twins = carried(theirs, ours)
    for path, parameter in ours.named_parameters():
        twin = next(p for p in theirs.parameters() if p.data_ptr() == twins[path].data_ptr())
        assert parameter.grad is not None
        assert twin.grad is not None
        assert torch.allclose(parameter.grad, twin.grad, rtol=1e-8, atol=1e-9), path


def test_it_begins_with_the_authors_numbers() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        theirs = plain("airbench94")
    ours = build(network(), seed=5)
    for path, tensor in carried(theirs, ours).items():
        assert torch.equal(ours.state_dict()[path], tensor), path


def test_a_convolution_hands_through_what_comes_in() -> None:
    net = build(network(width=0.25), seed=1)
    image = torch.randn(2, 64, 7, 7, generator=torch.Generator().manual_seed(2))
    assert torch.equal(net.get_submodule("group3.conv2")(image), image)
    assert torch.equal(net.get_submodule("group2.conv1")(image[:, :16])[:, :16], image[:, :16])


def test_options_change_what_they_say() -> None:
    assert cost(trace(network(width=0.5))).params == 498_104
    assert network(width=0.5).provenance == "own"
    sides = [trace(network(), side).rows[-1].out.shape for side in (9, 24, 32, 64)]
    assert sides == [(10,)] * 4
    for wrong in ({"depth": 4}, {"width": 0.0}, {"scale": -1.0}):
        with pytest.raises(SpecError, match="depth must be 2 or 3, width and scale above 0"):
            network(**wrong)
