"""Fused norms and depthwise convolutions: torch's own functions and float64 are the measure."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith import build
from convsmith.nn import Net
from convsmith.nn.depthwise import input_gradient
from convsmith.nn.fused import INF, norm_act
from convsmith.nn.recompute import keep_all, recompute
from convsmith.nn.rewire import restore, rewire

pytestmark = pytest.mark.usefixtures("one_thread")


def arguments(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    x, other = (torch.randn(3, 5, 4, 6).add(2).to(dtype).contiguous(memory_format=torch.channels_last) for _ in "ab")
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    made = (x, other, torch.rand(5, dtype=wide) + 0.5, torch.randn(5, dtype=wide))
    return tuple(t.requires_grad_() for t in made)  # type: ignore[return-value]


def compare(dtype: torch.dtype, top: float, added: bool, compiled: bool, close: float) -> None:
    """Outputs, gradients and running statistics beside float64's."""
    x, other, weight, bias = arguments(dtype)
    running = (torch.zeros_like(weight), torch.ones_like(weight))
    y = norm_act(x, weight, bias, running, momentum=0.1, eps=1e-5, other=other if added else None, top=top,
                 compiled=compiled)  # fmt: skip
    inputs = [x, weight, bias, *([other] if added else [])]
    g = torch.randn(y.shape).to(dtype)
    grads = torch.autograd.grad(y, inputs, g)
    x64, weight64, bias64, *rest = (t.detach().double().requires_grad_() for t in inputs)
    running64 = (torch.zeros(5).double(), torch.ones(5).double())
    y64 = F.batch_norm(x64, *running64, weight64, bias64, True, 0.1, 1e-5)
    y64 = (y64 + rest[0] if rest else y64).clamp(0, top)
    wanted = torch.autograd.grad(y64, [x64, weight64, bias64, *rest], g.double())
    for got, want in [(y, y64), *zip(grads, wanted, strict=True), *zip(running, running64, strict=True)]:
        assert (got.double() - want).abs().max() < close * want.abs().max()


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("top", [INF, 1.0])
def test_float32_is_as_near_to_float64_as_rounding_lets_it_be(top: float, added: bool) -> None:
    compare(torch.float32, top, added, False, 2e-6)


def test_gradients_are_those_of_finite_differences() -> None:
    x, other, weight, bias = arguments(torch.float64)

    def run(x: Tensor, other: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        running = (torch.zeros(5).double(), torch.ones(5).double())
        return norm_act(x, weight, bias, running, momentum=0.1, eps=1e-5, other=other, top=6.0)

    assert torch.autograd.gradcheck(run, (x, other, weight, bias))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("added", [False, True])
def test_compiled_kernels_give_the_same_numbers(added: bool) -> None:
    compare(torch.float32, 1.0, added, True, 2e-6)


def step(net: Net, images: Tensor) -> list[Tensor]:
    """Loss, gradients and buffers of a training step."""
    torch.manual_seed(0)
    loss = F.cross_entropy(net.train()(images), torch.arange(len(images)))
    net.zero_grad()
    loss.backward()
    return [loss, *(p.grad for p in net.parameters() if p.grad is not None), *(b.clone() for b in net.buffers())]


@pytest.mark.parametrize(("name", "found"), [("resnet20", 19), ("mobilenet_v2", 39), ("densenet121", 120)])
def test_a_rewired_network_is_equal_to_the_bit_and_can_be_put_back(name: str, found: int) -> None:
    net = build(name, seed=0)
    images = torch.randn(4, 3, 32, 32)
    fast = copy.deepcopy(net)
    assert rewire(fast) == found
    twin = copy.deepcopy(fast)
    wanted = step(net, images)
    for other in (fast, twin):
        assert list(other.state_dict()) == list(net.state_dict())
        assert all(map(torch.equal, step(other, images), wanted))
    with torch.no_grad():
        assert torch.equal(fast.eval()(images), net.eval()(images))
    restore(fast)
    assert not any("forward" in vars(m) or "plain_program" in vars(m) for m in fast.modules())
    assert all(map(torch.equal, step(fast, images), step(net, images)))


def test_frozen_statistics_and_hooks_are_respected() -> None:
    net, images = build("resnet20", seed=0), torch.randn(4, 3, 32, 32)
    seen: list[Tensor] = []
    net.bn1.register_forward_hook(lambda module, args, out: seen.append(out))
    fast = copy.deepcopy(net)
    rewire(fast)
    assert "forward" not in vars(fast.bn1)
    for each in (net, fast):
        each.train().layer1.eval()
    with torch.no_grad():
        assert torch.equal(fast(images), net(images))
    assert seen[0].min() < 0


@pytest.mark.parametrize(("size", "kernel", "stride", "padding"), [(8, 3, 2, 1), (9, 5, 2, 2), (7, 3, 3, 0)])
def test_the_way_back_through_a_strided_depthwise_convolution(
    size: int, kernel: int, stride: int, padding: int
) -> None:
    x, weight = torch.randn(2, 4, size, size + 1).double().requires_grad_(), torch.randn(4, 1, kernel, kernel).double()
    y = F.conv2d(x, weight, stride=stride, padding=padding, groups=4)
    g = torch.randn_like(y)
    pairs = ((stride, stride), (padding, padding))
    torch.testing.assert_close(input_gradient(g, weight, x.shape[2:], *pairs), torch.autograd.grad(y, x, g)[0])


def test_bfloat16_depthwise_gradients_are_torchs() -> None:
    net = build("mobilenet_v2", seed=0).train().to(memory_format=torch.channels_last)
    layer = net.features[2].conv[1][0]
    x = torch.randn(2, 96, 16, 16).requires_grad_()
    found = []
    for fast in (False, True):
        if fast:
            rewire(net)
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        found.append(torch.autograd.grad(y.float().square().sum(), [x, layer.weight]))
    assert "forward" in vars(layer)
    for plain, ours in zip(*found, strict=True):
        assert (plain - ours).abs().max() <= 0.01 * plain.abs().max()


def test_recomputed_blocks_are_equal_to_the_bit_and_counted_once() -> None:
    net, images = build("resnet20", seed=0), torch.randn(4, 3, 32, 32)
    less = copy.deepcopy(net)
    assert recompute(less) == 9
    assert all(map(torch.equal, step(less, images), step(net, images)))
    keep_all(less)
    assert not any("forward" in vars(m) for m in less.modules())
