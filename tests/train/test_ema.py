from __future__ import annotations

import pytest
import torch
from torch import nn

from convsmith.train.ema import Ema


def test_the_average_follows_its_formula_with_a_warmed_up_decay() -> None:
    net = nn.Linear(3, 2).double()
    ema = Ema(net, 0.5)
    expected = net.weight.detach().clone()
    for step in range(1, 20):
        with torch.no_grad():
            net.weight += step
        ema.update(net)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * net.weight.detach()
    assert torch.allclose(ema.average["weight"], expected, rtol=1e-12)


def test_weights_are_put_back_after_an_evaluation_even_if_it_fails() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = Ema(net, 0.9)
    average = {name: tensor.clone() for name, tensor in ema.average.items()}
    with torch.no_grad():
        net[0].weight += 1
        net[1].running_mean += 3
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    def look() -> None:
        assert torch.equal(net[0].weight, average["0.weight"])
        assert torch.equal(net[1].running_mean, weights["1.running_mean"])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), ema.applied(net):
        look()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in net.state_dict().items())
    assert all(torch.equal(tensor, average[name]) for name, tensor in ema.average.items())
