"""Names moved along the structure: a module's tensors find their places by what the layers compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convsmith import build
from convsmith.nn import Net, fill
from convsmith.nn.weights import by_structure
from convsmith.spec import Conv, Flatten, Linear, Network, Norm, PoolTo, Relu, Residual, Seq, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGE = (3, 8, 8)


class Theirs(nn.Module):
    """A network whose names, order of parameters and form of the last layer are not ours."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.last = nn.Conv2d(6, 4, 1)
        self.norm = nn.BatchNorm2d(6)
        self.first = nn.Conv2d(3, 6, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        return self.last(x.mean((2, 3), keepdim=True)).flatten(1)


def ours(channels: int = 3, classes: int = 4) -> Net:
    body = Seq(conv1=Conv(6, 3), bn1=Norm(), act=Relu, pool=PoolTo(1), flatten=Flatten, fc=Linear(classes))
    return build(Network(body, 8, channels, classes, name="small"), seed=1)


def trained(module: nn.Module) -> nn.Module:
    """With statistics that are not where they begin."""
    module(torch.randn(16, *IMAGE))
    return module.eval()


def parts(module: nn.Module, net: Net) -> str:
    with pytest.raises(WeightsError) as caught:
        by_structure(module, IMAGE, net)
    return str(caught.value)


def test_a_convolution_on_one_pixel_fills_a_linear_layer() -> None:
    theirs, net, image = trained(Theirs()), ours(), torch.randn(2, *IMAGE)
    fill(net, by_structure(theirs, IMAGE, net), "theirs")
    assert torch.allclose(net.eval()(image), theirs(image), atol=1e-6)


def test_the_network_is_taken_in_the_form_of_the_module() -> None:
    theirs, net = trained(Theirs()), ours(channels=6, classes=9)
    fill(net, by_structure(theirs, IMAGE, net), "theirs", new_head=True, adapt=True)
    image = torch.randn(2, *IMAGE)
    response = net.eval().bn1(net.conv1(image.repeat(1, 2, 1, 1)))
    assert torch.allclose(response, theirs.norm(theirs.first(image)), atol=1e-5)


def test_another_stride_is_another_network() -> None:
    message = parts(trained(Theirs(stride=2)), ours())
    assert message.startswith("Theirs and small have not the same structure: first (conv")
    assert message.endswith("; choose the network of the same form, or give a file with its names")


def test_layers_that_could_be_exchanged_are_never_guessed() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.last = nn.Conv2d(3, 5, 3, 1, 1), nn.Conv2d(3, 5, 3, 1, 1), nn.Linear(5, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.last((self.left(x) + self.right(x)).mean((2, 3)))

    twice = Residual(Seq(a=Conv(5, 3)), shortcut=Seq(b=Conv(5, 3)))
    net = build(Network(Seq(stem=twice, pool=PoolTo(1), flatten=Flatten, fc=Linear(4)), 8, 3, 4, name="two"))
    assert "left of Two could be any of stem.a, stem.b: their places are alike" in parts(Two().eval(), net)


def test_a_head_that_cannot_be_replaced_is_said() -> None:
    body = Seq(fc=Seq(conv1=Conv(6, 3), pool=PoolTo(1), flatten=Flatten, fc=Linear(2)), again=Linear(5), act=Relu)
    net = build(Network(body, 8, 3, 3, name="odd"))
    assert parts(trained(Theirs()), net).startswith("odd does not end in a layer of 3 outputs")
