"""Zero-cost proxies beside what they are by definition, and that they leave no trace."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from convsmith import build, spec
from convsmith.search.proxies import PROXIES, proxy, score
from convsmith.search.ranks import spearman
from convsmith.spec import Conv, Flatten, Linear, Network, Norm, PoolTo, Relu, Seq
from convsmith.spec.errors import UnknownName
from convsmith.spec.scaling import scaled

BODY = Seq(conv=Conv(4, 3), bn=Norm(), relu=Relu, pool=PoolTo(1), flat=Flatten, fc=Linear(3))
NET = Network(BODY, side=6, channels=2, classes=3, name="small")


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(8, 2, 6, 6, generator=draw), torch.randint(0, 3, (8,), generator=draw)


def test_synflow_is_the_flow_through_positive_weights(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    """By hand: with positive weights and no non-linearity in the way, outputs are linear in each layer's weights, so
    the sum of weight x gradient over a layer is the sum of outputs; biases count by themselves."""
    net = build(NET, seed=1)
    conv, fc = net.conv.weight.detach().double().abs(), net.fc.weight.detach().double().abs()
    bias, scale = net.fc.bias.detach().double().abs(), 1 / (1 + net.bn.eps) ** 0.5
    ones = torch.ones(1, 2, 6, 6, dtype=torch.float64)
    shift = None if net.conv.bias is None else net.conv.bias.detach().double().abs()
    maps = nn.functional.conv2d(ones, conv, shift, padding=1) * scale
    outputs = (maps.mean((2, 3)) @ fc.T).sum()
    wanted = (
        3 * outputs + bias.sum()
    )  # of the convolution (with its bias), the norm's weight, the linear layer; its bias
    assert PROXIES["synflow"](net, *batch) == pytest.approx(float(wanted.log()), rel=1e-9)


def test_naswot_counts_where_patterns_agree(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    net = build(NET, seed=1)
    with torch.no_grad():
        codes = (net.bn.train()(net.conv(batch[0])) > 0).flatten(1).numpy()
    net.bn.reset_running_stats()
    same = np.array([[float((a == b).sum()) for b in codes] for a in codes])
    assert PROXIES["naswot"](net, *batch) == pytest.approx(np.linalg.slogdet(same)[1], rel=1e-9)


def test_the_gradients_norm(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    net = build(NET, seed=1)
    wanted = PROXIES["grad-norm"](net, *batch)
    nn.functional.cross_entropy(net.train()(batch[0]), batch[1]).backward()
    assert wanted == pytest.approx(sum(float(w.grad.norm()) for w in net.parameters()), rel=1e-5)


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_leaves_no_trace(name: str, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    net = build(NET, seed=1).eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    torch.manual_seed(5)
    drawn = torch.get_rng_state()
    first = PROXIES[name](net, *batch)
    assert PROXIES[name](net, *batch) == first
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(weight.grad is None for weight in net.parameters())
    assert not net.training


@pytest.mark.parametrize("name", PROXIES)
def test_of_networks_that_differ_in_width_the_wider_is_preferred(name: str) -> None:
    draw = torch.Generator().manual_seed(0)
    images, labels = torch.randn(16, 3, 32, 32, generator=draw), torch.randint(0, 10, (16,), generator=draw)
    widths = (0.25, 0.5, 1.0, 2.0)
    scores = [score(scaled(spec("resnet20"), width=w), proxy(name), images, labels) for w in widths]
    assert spearman(scores, widths) > 0.7


def test_ranks() -> None:
    assert spearman([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert np.isnan(spearman([1], [2]))


def test_a_name_that_is_none() -> None:
    with pytest.raises(UnknownName, match="no proxy is called 'sinflow'; did you mean 'synflow'"):
        proxy("sinflow")
