"""AlexNet's towers on two devices: equal outputs, only the paper's layers communicate, and where every tensor lies."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import convsmith
from convsmith.nn import Net, build
from convsmith.nn.two_devices import Crossing, TwoDevices, crossings, two_devices
from convsmith.spec import Conv, Dropout, Flatten, Linear, LocalNorm, Network, Norm, Pool, Relu, Seq, Softmax
from convsmith.spec.errors import SpecError, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread")

CPUS = ("cpu", "cpu")
GPUS = ("cuda:0", "cuda:1")

FULL = convsmith.trace(convsmith.spec("alexnet_2012"))


def small(classes: int = 8, size: int = 5, hidden: int = 64) -> Net:
    """AlexNet's kind of net, small, with several groups a tower."""
    body = Seq(
        conv1=Conv(32, 5, 2), relu1=Relu, norm1=LocalNorm(size), pool1=Pool(3, 2),
        conv2=Conv(32, 3, groups=2), relu2=Relu, norm2=LocalNorm(size),
        conv3=Conv(64, 3), relu3=Relu, conv4=Conv(64, 3, groups=4), relu4=Relu, pool4=Pool(2), flatten=Flatten,
        fc6=Linear(hidden), relu6=Relu, drop6=Dropout(0.5), fc7=Linear(classes),
    )  # fmt: skip
    return build(Network(body, side=31, channels=3, classes=classes), seed=1).eval()


def images(n: int, side: int = 31) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(n))


def test_alexnet_has_the_outputs_of_one_device_to_the_bit() -> None:
    net = build("alexnet_2012", seed=0).eval()
    both = two_devices(net, CPUS)
    with torch.no_grad():
        for n in (1, 4):
            assert torch.equal(both(images(n, 227)), net(images(n, 227)))


@pytest.mark.parametrize("size", [1, 2, 4, 5, 9])
def test_any_window_of_normalisation_has_its_halo(size: int) -> None:
    net = small(size=size)
    with torch.no_grad():
        torch.testing.assert_close(two_devices(net, CPUS)(images(3)), net(images(3)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("classes", "hidden"), [(7, 64), (8, 33), (2, 3)])
def test_odd_widths_give_the_first_tower_one_more(classes: int, hidden: int) -> None:
    net = small(classes=classes, hidden=hidden)
    both = two_devices(net, CPUS)
    assert [len(tower[-1].bias) for tower in both.towers] == [(classes + 1) // 2, classes // 2]
    with torch.no_grad():
        torch.testing.assert_close(both(images(3)), net(images(3)), rtol=1e-5, atol=1e-7)


def test_gradients_are_those_of_one_device() -> None:
    net = small()
    both = two_devices(net, CPUS)
    for module in (net, both):
        F.cross_entropy(module(images(5)), torch.tensor([0, 3, 7, 2, 2])).backward()
    for name, parameter in net.named_parameters():
        path, _, part = name.rpartition(".")
        at = [row.path for row in net.graph.rows].index(path)
        halves = [getattr(tower[at], part).grad for tower in both.towers]
        assert parameter.grad is not None
        torch.testing.assert_close(torch.cat(halves), parameter.grad, rtol=1e-4, atol=1e-6)


def test_the_state_goes_to_one_device_and_back() -> None:
    net, other = small(), small()
    both = two_devices(net, CPUS)
    state = both.whole_state()
    assert list(state) == list(net.state_dict())
    assert all(torch.equal(tensor, state[key]) for key, tensor in net.state_dict().items())
    with torch.no_grad():
        for parameter in both.parameters():
            parameter.add_(0.01)
    other.load_state_dict(both.whole_state())
    with torch.no_grad():
        torch.testing.assert_close(other(images(2)), both(images(2)), rtol=1e-5, atol=1e-7)
    both.load_whole_state(net.state_dict())
    assert all(torch.equal(tensor, both.whole_state()[key]) for key, tensor in net.state_dict().items())


def test_it_is_a_copy_in_the_networks_mode_and_draws_nothing() -> None:
    net, before = small(), torch.get_rng_state()
    assert not two_devices(net, CPUS).training
    assert two_devices(net.train(), CPUS).training
    both = two_devices(net.eval(), CPUS)
    assert torch.equal(torch.get_rng_state(), before)
    kept = net(images(1))
    with torch.no_grad():
        next(both.parameters()).zero_()
    assert torch.equal(net(images(1)), kept)


def test_a_group_lies_on_one_device_and_half_of_all_else_on_each() -> None:
    both = TwoDevices(FULL, ("meta", "meta"))
    shapes = {
        row.path: [tuple(layer.weight.shape) for layer in (one, other)]
        for row, one, other in zip(FULL.rows, *both.towers, strict=True)
        if row.facts.weights
    }
    assert shapes == {  # the paper's section 3.5 has these sizes: 48 kernels of 5 x 5 x 48, 192 of 3 x 3 x 256, ...
        "conv1": [(48, 3, 11, 11)] * 2, "conv2": [(128, 48, 5, 5)] * 2, "conv3": [(192, 256, 3, 3)] * 2,
        "conv4": [(192, 192, 3, 3)] * 2, "conv5": [(128, 192, 3, 3)] * 2,
        "fc6": [(2048, 9216)] * 2, "fc7": [(2048, 4096)] * 2, "fc8": [(500, 4096)] * 2,
    }  # fmt: skip


def test_only_the_papers_layers_communicate_and_the_halo_of_the_zoos_normalisation() -> None:
    found = dict(crossings(FULL))
    assert found == {
        "norm1": 4 * 4 * 55 * 55, "norm2": 4 * 4 * 27 * 27,
        "conv3": 4 * 256 * 13 * 13, "fc6": 4 * 9216, "fc7": 4 * 4096, "fc8": 4 * 4096,
    }  # fmt: skip
    file = import_module("convsmith.nn.two_devices")

    for path, count in found.items():
        assert f"{path}  {count:,}" in file.__doc__ or f"{path} {count:,}" in file.__doc__  # type: ignore[operator]
    without = convsmith.trace(convsmith.spec("alexnet_2012", norm=False))
    assert [crossing.path for crossing in crossings(without)] == ["conv3", "fc6", "fc7", "fc8"]


class Moves(TorchDispatchMode):
    """Notes every copy from one device to another: (from, to, elements)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and args[0].device != made.device:
            self.seen.append((str(args[0].device), str(made.device), made.numel()))
        return made


@pytest.fixture
def fake() -> Iterator[None]:
    """Two pretended devices: torch refuses an operation whose tensors lie on both."""
    with FakeTensorMode():
        yield


@pytest.mark.usefixtures("fake")
def test_every_tensor_lies_on_its_device_and_nothing_else_moves() -> None:
    both = TwoDevices(FULL, GPUS).eval()
    for tower, device in zip(both.towers, GPUS, strict=True):
        assert {str(parameter.device) for parameter in tower.parameters()} == {device}
    image = torch.empty(2, 3, 227, 227, device="cuda:0")
    with Moves() as moves:
        logits = both(image)
    assert (str(logits.device), tuple(logits.shape)) == ("cuda:0", (2, 1000))
    to_second, to_first = (GPUS[0], GPUS[1]), (GPUS[1], GPUS[0])
    expected = [(*to_second, 2 * 3 * 227 * 227)]  # the image
    for _, count in crossings(FULL):
        expected += [(*way, 2 * count // 8) for way in (to_first, to_second)]
    expected.append((*to_first, 2 * 500))  # the second half of the logits
    assert moves.seen == expected


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_agree_with_the_cpu() -> None:
    net = small()
    both = two_devices(net, GPUS)
    with torch.no_grad():
        torch.testing.assert_close(both(images(3)).cpu(), net(images(3)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (Seq(conv=Conv(6, 3, groups=3), flatten=Flatten, fc=Linear(4)), r"^conv: 3 groups do not divide between two"),
        (Seq(conv=Conv(6, 3), bn=Norm(), flatten=Flatten, fc=Linear(4)), r"^bn: a layer of kind norm cannot be halved"),
        (Seq(conv=Conv(6, 3), flatten=Flatten, fc=Linear(1)), r"^fc: a single output cannot be halved; take a wider"),
        (Seq(conv=Conv(6, 3), out=Softmax, flatten=Flatten, fc=Linear(4)), r"^out: a layer of kind softmax cannot be"),
        (Seq(flatten=Flatten, fc=Linear(4)), r"^flatten: two towers begin with a convolution of the image, .* flatten"),
        (
            Seq(conv=Conv(8, 3), conv2=Conv(6, 3, groups=2), conv3=Conv(6, 3, groups=3), flatten=Flatten, fc=Linear(4)),
            r"^conv3: 3 groups do not divide",
        ),
    ],
)
def test_what_has_not_two_towers_is_refused(body: Seq, message: str) -> None:
    graph = convsmith.trace(body, 9)
    for use in (lambda: TwoDevices(graph, CPUS), lambda: crossings(graph)):
        with pytest.raises(SpecError, match=message):
            use()


def test_a_net_with_branches_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^resnet18 is no chain of layers, so it has not two towers; take alex"):
        crossings(convsmith.trace(convsmith.spec("resnet18")))


def test_another_networks_tensors_are_refused() -> None:
    both, state = two_devices(small(), CPUS), small(classes=9).state_dict()
    with pytest.raises(
        WeightsError, match=r"has not these tensors, or in other shapes: \['fc7\.weight', 'fc7\.bias'\]"
    ):
        both.load_whole_state(state)


def test_a_crossing_is_a_pair_of_plain_values() -> None:
    assert crossings(FULL)[0] == Crossing("norm1", 48400) == ("norm1", 48400)
