"""The exporter's twin computes what the network computes, on the same tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convsmith.deploy.twin import DividedPool, exporters_twin

from .conftest import small


@pytest.mark.parametrize("kernel", [2, (3, 2)])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("counted", [True, False])
def test_a_divided_pool_is_torchs(kernel: int | tuple[int, int], padding: int, counted: bool) -> None:
    pool = nn.AvgPool2d(kernel, 2, padding, count_include_pad=counted, divisor_override=3)
    x = torch.rand(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(DividedPool(pool, 3)(x), pool(x), atol=1e-6)


def test_the_twin_shares_its_tensors() -> None:
    net = small("lenet5_1998").eval()
    twin = exporters_twin(net)
    assert sum(isinstance(module, DividedPool) for module in twin.modules()) == 2
    assert not any(isinstance(module, DividedPool) for module in net.modules())
    mine = {name: tensor.data_ptr() for name, tensor in net.state_dict().items()}
    assert {name: tensor.data_ptr() for name, tensor in twin.state_dict().items()} == mine
    x = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(twin(x), net(x), atol=1e-5)
