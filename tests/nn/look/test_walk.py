"""A network run by its rows gives what it gives by itself."""

from __future__ import annotations

import pytest
import torch

from convsmith.nn import build
from convsmith.nn.look.walk import walk
from convsmith.nn.modes import evaluating

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize(("name", "side"), [("resnet20", 16), ("mobilenet_v3_small", 32), ("googlenet", 64)])
def test_the_answer_is_the_networks_own_to_the_bit(name: str, side: int, mode: bool) -> None:
    net = build(name, side=side, seed=1).train(mode)
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.manual_seed(3)
        wanted = net(x)
        torch.manual_seed(3)
        found = walk(net, x, lambda _, value: value)
    if isinstance(wanted, torch.Tensor):
        assert isinstance(found, torch.Tensor)
        assert torch.equal(found, wanted)
    else:
        assert isinstance(found, dict)
        assert list(found) == list(wanted)
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_every_row_is_seen_once_in_order_and_what_is_answered_goes_on() -> None:
    net = build("lenet5", seed=1).eval()
    x, rows = torch.randn(1, 1, 32, 32), []

    def see(i: int, value: torch.Tensor) -> torch.Tensor:
        rows.append(i)
        assert tuple(value.shape[1:]) == net.graph.rows[i].out.shape
        return value * 0 if net.graph.rows[i].path == "flatten" else value

    with torch.no_grad():
        assert torch.equal(walk(net, x, see), net.fc3(net.act4(net.fc2(net.act3(net.fc1(torch.zeros(1, 400)))))))
    assert rows == list(range(len(net.graph.rows)))


def test_modes_come_back_module_by_module_also_after_an_error() -> None:
    net = build("resnet20", side=16).train()
    net.bn1.eval()  # as a frozen norm is
    before = [module.training for module in net.modules()]
    with evaluating(net):
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net.modules()] == before
    with pytest.raises(RuntimeError), evaluating(net):
        net(torch.zeros(1, 2, 16, 16))
    assert [module.training for module in net.modules()] == before
