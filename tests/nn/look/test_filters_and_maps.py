"""First-layer filters as pictures, and what a layer puts out."""

from __future__ import annotations

import pytest
import torch

from convsmith.nn import build
from convsmith.nn.look import feature_maps, first_filters, liveliest
from convsmith.spec import Conv, Flatten, Linear, Network, Relu, Seq

from .nets import FLAT, blobs, net_of

pytestmark = pytest.mark.usefixtures("one_thread")


def test_colour_filters_keep_zero_at_mid_grey_and_the_largest_weight_at_an_end() -> None:
    net = build("resnet20", side=16, seed=0)
    found = first_filters(net)
    assert found is not None
    assert (found.layer, tuple(found.pictures.shape), found.pictures.dtype) == ("conv1", (16, 3, 3, 3), torch.uint8)
    for picture, weight in zip(found.pictures, net.conv1.weight.detach(), strict=True):
        exact = 128 + 127 * weight / weight.abs().max()
        assert (picture.float() - exact).abs().max() <= 0.5
    with torch.no_grad():
        net.conv1.weight[3] = 0
    assert first_filters(net).pictures[3].unique().tolist() == [128]  # type: ignore[union-attr]


def test_other_channels_are_shown_one_by_one_and_one_pixel_has_nothing_to_show() -> None:
    def made(kernel: int, channels: int) -> torch.Tensor | None:
        network = Network(Seq(Conv(4, kernel), Relu, Conv(4), Flatten, Linear(2)), side=6, classes=2, channels=channels)
        found = first_filters(build(network, seed=0))
        return None if found is None else found.pictures

    assert made(3, 2).shape == (8, 1, 3, 3)  # type: ignore[union-attr]
    assert made(5, 1).shape == (4, 1, 5, 5)  # type: ignore[union-attr]
    assert made(1, 3) is None  # also where a larger one follows
    assert first_filters(build(FLAT)) is None


def test_maps_are_what_the_layer_puts_out_and_the_modes_stay() -> None:
    net = net_of("resnet").train()
    net.bn1.eval()
    modes = [m.training for m in net.modules()]
    x = blobs(net, 2)
    found = feature_maps(net, x, "layer1.0.conv1")
    assert [m.training for m in net.modules()] == modes
    net.eval()
    with torch.no_grad():
        assert torch.equal(found, net.layer1[0].conv1(net.relu(net.bn1(net.conv1(x)))))
    assert feature_maps(net, x).shape == (2, 64, 8, 8)


def test_the_liveliest_maps_are_those_that_vary_most() -> None:
    maps = torch.zeros(5, 4, 4)
    maps[1], maps[2, 0, 0], maps[4, 0, 0], maps[0, 1] = 9.0, 5.0, 7.0, 0.1
    assert liveliest(maps, 2).tolist() == [2, 4]
    assert liveliest(maps, 99).tolist() == [0, 1, 2, 3, 4]
