"""The instrument itself: blocks of known sizes, and a second instrument that follows storages."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from convsmith import build
from convsmith.nn.measure_memory import OPTIMISERS, inference_peak, peak_of, training_peak
from convsmith.spec import Flatten, Linear, Scale, Seq

pytestmark = pytest.mark.usefixtures("one_thread")

MB = 1 << 20


def tensor(mb: int) -> Tensor:
    return torch.empty(mb * MB // 4)


def test_what_lives_at_once_is_added_up_and_what_has_gone_is_not() -> None:
    def run() -> None:
        a = tensor(3)
        b = tensor(2)  # 5
        del a
        c = tensor(4)  # 6
        del b, c
        tensor(5)

    assert peak_of(run, 10 * MB) == (16 * MB, 16 * MB)
    assert peak_of(lambda: None, 7) == (7, 7)


def test_a_view_and_an_operation_in_place_take_nothing() -> None:
    assert peak_of(lambda: tensor(2).view(2, -1).mul_(2).t(), 0).tensors == pytest.approx(2 * MB, abs=64)


def test_a_block_that_one_operator_takes_and_gives_back_is_its_workspace() -> None:
    x = torch.randn(512, 1024).t()  # layer_norm lays it out anew, as it wants the last axis to be dense
    peak = peak_of(lambda: F.layer_norm(x, (512,)), 0)
    assert 2 * MB <= peak.tensors < 2.1 * MB
    assert 4 * MB <= peak.with_workspaces < 4.1 * MB


def test_autograd_sums_gradients_in_place_under_this_instrument() -> None:
    x = torch.randn(MB // 4, requires_grad=True)

    def run() -> None:
        y = x * 1.0
        (y.relu() + y.tanh()).sum().backward()

    # y is gone, relu and tanh keep their outputs; their gradients: what sum's expands to takes nothing
    assert peak_of(run, 0).tensors < 4.1 * MB


def test_a_forward_pass_holds_the_image_and_two_outputs() -> None:
    net = build(Seq(a=Scale(), b=Scale(), c=Scale()), side=32, init="torch")
    image, weights = 4 * 8 * 3 * 32 * 32, 4 * 9
    assert inference_peak(net, 8).tensors == pytest.approx(3 * image + weights, abs=64)


def test_the_optimisers_state_and_gradients_are_in_the_peak_of_a_step() -> None:
    net = build(Seq(flatten=Flatten, fc=Linear(64, bias=False)), side=64, init="torch")
    weights = 4 * 64 * 3 * 64 * 64
    found = {name: training_peak(net, 1, name).tensors / weights for name in OPTIMISERS}
    # weights, gradients, state, and what the update of the one weight needs
    assert found == pytest.approx({"sgd": 3, "momentum": 5, "adam": 7, "adamw": 6}, abs=0.05)


def test_measuring_leaves_the_network_as_it_was() -> None:
    net = build("resnet20", seed=0).train()
    before = {key: t.clone() for key, t in net.state_dict().items()}
    inference_peak(net, 2)
    training_peak(net, 2, "momentum", ("layer1",))
    assert net.training
    assert all(torch.equal(t, before[key]) for key, t in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert "forward" not in vars(net.layer1)


class Storages(TorchDispatchMode):
    """Follows every storage that an operator returns until nothing refers to it."""

    def __init__(self, *there: Tensor) -> None:
        super().__init__()
        self.alive: dict[int, weakref.ref[Any]] = {}
        self.now = self.peak = 0
        self.follow(there)

    def follow(self, tree: Any) -> None:
        for t in tree_iter(tree):
            if isinstance(t, Tensor) and (storage := t.untyped_storage())._cdata not in self.alive:
                key, size = storage._cdata, storage.nbytes()
                self.alive[key] = weakref.ref(storage, lambda _, key=key, size=size: self.gone(key, size))
                self.now += size
        self.peak = max(self.peak, self.now)

    def gone(self, key: int, size: int) -> None:
        del self.alive[key]
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.follow(out)
        return out


@pytest.mark.parametrize("name", ["resnet20", "densenet121", "shufflenet_v2_x1_0", "googlenet", "efficientnet_b0"])
def test_a_second_instrument_finds_the_same_tensors_in_a_forward_pass(name: str) -> None:
    net = build(name, side=64, init="torch", seed=0).eval()
    image = torch.zeros(4, 3, 64, 64)
    with torch.inference_mode(), Storages(*net.parameters(), *net.buffers(), image) as storages:
        net(image)
    assert inference_peak(net, 4).tensors == pytest.approx(storages.peak, rel=1e-3)
