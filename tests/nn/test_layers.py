"""The layers that torch lacks, each against a reference written out here."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith import build
from convsmith.nn.layers import (
    ChannelScale,
    ChannelShuffle,
    ChannelSlice,
    DropPath,
    PaddedConv2d,
    Rbf,
    SameConv2d,
    ScaledTanh,
    TableConv2d,
    TiledConv2d,
    ZeroChannels,
)
from convsmith.spec import Conv, Network, Seq
from convsmith.zoo.lenet import TABLE1

pytestmark = pytest.mark.usefixtures("one_thread")


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_convolution_follows_tensorflows_rule(stride: int, kernel: int, dilation: int) -> None:
    layer = SameConv2d(2, 3, kernel, stride, dilation=dilation).double()
    for rows, cols in ((7, 8), (8, 7), (5, 12)):
        image, pads = draw(1, 2, rows, cols), []
        for size in (cols, rows):
            reach, rest = (kernel - 1) * dilation + 1, size % stride
            total = max(reach - (stride if rest == 0 else rest), 0)
            pads += [total // 2, total - total // 2]  # the odd pixel goes to the end
        wanted = F.conv2d(F.pad(image, pads), layer.weight, layer.bias, stride, dilation=dilation)
        made = layer(image)
        assert torch.equal(made, wanted)
        assert tuple(made.shape[2:]) == (math.ceil(rows / stride), math.ceil(cols / stride))


def test_a_network_with_same_padding_follows_the_rule_at_other_sizes_than_it_was_traced_for() -> None:
    net = build(Network(Seq(conv=Conv(2, 3, 2, pad="same", bias=False)), 8, 1, classes=1)).double()
    for side in (8, 7):  # 8 pads one pixel at the end, 7 one on each side
        image = draw(1, 1, side, side)
        pads = (0, 1, 0, 1) if side == 8 else (1, 1, 1, 1)
        assert torch.equal(net(image), F.conv2d(F.pad(image, pads), net.conv.weight, stride=2))


def test_padded_convolution_pads_each_side_by_itself() -> None:
    layer = PaddedConv2d(1, 1, 3, bias=False, pads=(0, 1, 2, 3)).double()
    image = draw(1, 1, 4, 5)
    grown = torch.zeros(1, 1, 5, 10, dtype=torch.float64)
    grown[:, :, :4, 2:7] = image  # top 0, bottom 1, left 2, right 3
    assert torch.equal(layer(image), F.conv2d(grown, layer.weight))


def test_a_table_convolution_is_a_dense_one_with_a_mask() -> None:
    layer = TableConv2d(6, TABLE1, (5, 5)).double()
    dense = torch.zeros(16, 6, 5, 5, dtype=torch.float64)
    kernel = 0
    for out, inputs in enumerate(TABLE1):
        for i in inputs:
            dense[out, i] = layer.weight[kernel].detach()
            kernel += 1
    assert kernel == 60
    image = draw(2, 6, 14, 14)
    assert torch.allclose(layer(image), F.conv2d(image, dense, layer.bias), rtol=1e-12)
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_a_table_convolutions_gradient_reaches_each_connection() -> None:
    layer = TableConv2d(3, ((0, 2), (1,)), (3, 3)).double()
    assert torch.autograd.gradcheck(
        lambda w: torch.func.functional_call(layer, {"weight": w}, (draw(1, 3, 4, 4),)),
        layer.weight.detach().requires_grad_(),
    )


@pytest.mark.parametrize("period", [1, 2, 3, 9])  # 9: beyond some images, and no kernel is shared
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 2, 1, 0)])
def test_a_tiled_convolutions_kernels_alternate(period: int, bias: bool, pads: tuple[int, int, int, int]) -> None:
    layer = TiledConv2d(3, 4, kernel_size=(3, 2), period=period, pads=pads, bias=bias).double()
    kernels = layer.weight.view(period * period, 4, 3, 3, 2)
    biases = layer.bias.view(-1, 4) if layer.bias is not None else torch.zeros(period * period, 4)
    top, bottom, left, right = pads
    for rows, cols in ((9, 8), (7, 7), (4, 11)):
        image = draw(2, 3, rows, cols)
        grown = torch.zeros(2, 3, rows + top + bottom, cols + left + right, dtype=torch.float64)
        grown[:, :, top : top + rows, left : left + cols] = image
        made = layer(image)
        assert tuple(made.shape) == (2, 4, rows + top + bottom - 2, cols + left + right - 1)
        for r in range(made.shape[2]):
            for c in range(made.shape[3]):
                p = r % period * period + c % period
                unit = torch.einsum("oihw,nihw->no", kernels[p], grown[:, :, r : r + 3, c : c + 2]) + biases[p]
                assert torch.allclose(made[:, :, r, c], unit, rtol=1e-12, atol=1e-12)


def test_a_tiled_convolutions_gradient_reaches_each_kernel_that_has_a_unit() -> None:
    layer = TiledConv2d(2, 2, kernel_size=(3, 3), period=3, pads=(0, 0, 0, 0), bias=True).double()
    image = draw(1, 2, 4, 7)  # units in 2 rows: the kernels of a third row have none
    assert torch.autograd.gradcheck(
        lambda x, w, b: torch.func.functional_call(layer, {"weight": w, "bias": b}, (x,)),
        (image.requires_grad_(), *(p.detach().requires_grad_() for p in layer.parameters())),
    )
    layer(image).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.view(9, -1).any(1).tolist() == [True] * 6 + [False] * 3


def test_scaled_tanh_is_the_squashing_function_of_1998() -> None:
    x = torch.linspace(-4, 4, 101, dtype=torch.float64)
    assert torch.allclose(
        ScaledTanh()(x), torch.tensor([1.7159 * math.tanh(2 / 3 * v) for v in x.tolist()], dtype=torch.float64)
    )
    assert torch.allclose(ScaledTanh()(torch.tensor([1.0, -1.0])), torch.tensor([1.0, -1.0]), atol=1e-4)


def test_drop_path_zeroes_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer = DropPath(0.25)
    x = torch.ones(20_000, 2, 3)
    made = layer(x)
    kept = made[:, 0, 0] != 0
    assert torch.equal(made, torch.where(kept[:, None, None], x / 0.75, torch.zeros(())))  # all of a sample or nothing
    assert abs(kept.double().mean() - 0.75) < 0.015  # standard deviation 0.003
    assert layer.eval()(x) is x
    still = DropPath(0.0).train()
    assert still(x) is x


def test_zero_channels_are_appended() -> None:
    image = draw(2, 3, 4, 5)
    made = ZeroChannels(2)(image)
    assert torch.equal(made[:, :3], image)
    assert made.shape == (2, 5, 4, 5)
    assert not made[:, 3:].any()
    assert ZeroChannels(4)(draw(2, 3)).shape == (2, 7)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_channel_shuffle_is_torchs(groups: int) -> None:
    image = draw(2, 6, 3, 4)
    assert torch.equal(ChannelShuffle(groups)(image), nn.ChannelShuffle(groups)(image))


def test_a_slice_and_a_scale_act_on_channels() -> None:
    image = draw(2, 4, 3, 3)
    assert torch.equal(ChannelSlice(1, 3)(image), image[:, 1:3])
    layer = ChannelScale(4, 0.25, bias=True).double()
    assert torch.equal(layer(image), image * 0.25)
    layer.bias.data = torch.arange(4.0, dtype=torch.float64)
    assert torch.allclose(layer(image), image * 0.25 + torch.arange(4.0).view(4, 1, 1))
    assert torch.allclose(layer(image[:, :, 0, 0]), (image * 0.25 + torch.arange(4.0).view(4, 1, 1))[:, :, 0, 0])


def test_radial_basis_outputs_are_minus_squared_distances_to_fixed_codes() -> None:
    layer = Rbf(84, 10)
    codes = layer.weight
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert len({tuple(code.tolist()) for code in codes}) == 10
    assert not list(layer.parameters())
    torch.manual_seed(5)
    assert torch.equal(Rbf(84, 10).weight, codes)  # whatever the seed
    x = torch.randn(3, 84)
    assert torch.allclose(layer(x), -torch.cdist(x, codes).square(), rtol=1e-4)
    assert torch.equal(layer(codes).argmax(1), torch.arange(10))


def test_the_net_of_1998_subsamples_as_its_paper_says() -> None:
    net = build("lenet5_1998", seed=0).double()
    image = draw(1, 6, 4, 4)
    total = image.view(1, 6, 2, 2, 2, 2).sum((3, 5))
    assert torch.allclose(net.s2(image), total / 4)  # the coefficient starts at the mean's
    net.s2.scale.weight.data[1] = 2.0
    net.s2.scale.bias.data[1] = -1.0
    assert torch.allclose(net.s2(image)[:, 1], 2 * total[:, 1] - 1)
