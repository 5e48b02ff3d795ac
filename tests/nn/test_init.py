"""Initial weights against the formulas of the papers, and what a seed fixes."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import pytest
import torch
from torch import nn
from torchvision import models

from convsmith import build
from convsmith.nn import INITS, Net, initialise
from convsmith.nn.layers import TableConv2d
from convsmith.spec import Conv, ConvTranspose, Flatten, Linear, Network, Norm, Relu, Scale, Seq, TableConv, UnknownName

pytestmark = pytest.mark.usefixtures("one_thread")

TABLE = tuple((i % 16, (i + 1) % 16, (i + 5) % 16) for i in range(64))


@pytest.fixture
def net() -> Net:
    """Layers large enough to measure a standard deviation to a few percent; names as in AlexNet."""
    body = Seq(
        conv1=Conv(64, 7), bn=Norm(), conv2=Conv(64, 5, groups=2), conv3=Conv(96, 3), conv4=Conv(96, 3),
        conv5=Conv(16, 3),
        table=TableConv(TABLE, 5), scale=Scale(0.25, bias=True), up=ConvTranspose(32, 4, 2), relu=Relu, flatten=Flatten,
        fc6=Linear(64), fc7=Linear(300), fc8=Linear(200),
    )  # fmt: skip
    return build(Network(body, 8, 4, 200), seed=0)


def fans(layer: nn.Module) -> tuple[int, int]:
    """Inputs of a unit, and outputs that one input goes to, ignoring the stride."""
    weight = layer.weight
    if isinstance(layer, nn.ConvTranspose2d):
        area = weight.shape[2] * weight.shape[3]
        return weight.shape[1] * area, weight.shape[0] * area  # torch's convention for [in, out, kh, kw]
    area = weight[0, 0].numel() if weight.dim() == 4 else 1
    return weight.shape[1] * area, weight.shape[0] * area


def normal(layer: nn.Module, deviation: float) -> None:
    weight = layer.weight.detach().double()
    assert weight.numel() >= 4000
    assert abs(weight.std() / deviation - 1) < 0.06  # four standard errors of a deviation from 4,000 draws
    assert abs(weight.mean()) < 5 * deviation / sqrt(weight.numel())
    assert weight.abs().max() > 2.5 * deviation  # a uniform draw of this deviation ends at 1.73


def uniform(layer: nn.Module, bound: float) -> None:
    weight = layer.weight.detach().double()
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.99 * bound
    assert abs(weight.std() / (bound / sqrt(3)) - 1) < 0.06


def zero(*layers: nn.Module) -> None:
    for layer in layers:
        assert not layer.bias.any()


CONVS = ("conv1", "conv2", "conv3", "conv4", "conv5", "up")
LINEAR = ("fc6", "fc7", "fc8")


def layers(net: Net, *names: str) -> list[nn.Module]:
    return [net.get_submodule(name) for name in names]


def torch_default(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR):  # U(-1/sqrt(fan_in), 1/sqrt(fan_in)), weights and biases
        bound = 1 / sqrt(fans(layer)[0])
        uniform(layer, bound)
        assert 0 < layer.bias.abs().max() <= bound
    uniform(net.table, 0.1)
    zero(net.table)


def he_fan_out(net: Net) -> None:
    for layer in layers(net, *CONVS):
        normal(layer, sqrt(2 / fans(layer)[1]))
    zero(*layers(net, *CONVS))
    for layer in layers(net, *LINEAR):
        uniform(layer, 1 / sqrt(fans(layer)[0]))
        assert layer.bias.any()


def he_fan_in(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR):
        normal(layer, sqrt(2 / fans(layer)[0]))
    zero(*layers(net, *CONVS, *LINEAR))


def xavier(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR):
        uniform(layer, sqrt(6 / sum(fans(layer))))
    zero(*layers(net, *CONVS, *LINEAR, "table"))


def lenet_1998(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR):
        uniform(layer, 2.4 / fans(layer)[0])
    uniform(net.table, 2.4 / (3 * 25))  # every map of this table sees three
    zero(*layers(net, *CONVS, *LINEAR, "table"))


def alexnet_2012(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR):
        normal(layer, 0.01)
    ones = layers(net, "conv2", "conv4", "conv5", "fc6", "fc7")
    assert all((layer.bias == 1).all() for layer in ones)
    zero(*layers(net, "conv1", "conv3", "fc8"))


def vgg_2014(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR, "table"):
        normal(layer, 0.01)
    zero(*layers(net, *CONVS, *LINEAR, "table"))


def vgg_torchvision(net: Net) -> None:
    for layer in layers(net, *CONVS):
        normal(layer, sqrt(2 / fans(layer)[1]))
    for layer in layers(net, *LINEAR):
        normal(layer, 0.01)
    zero(*layers(net, *CONVS, *LINEAR))


RULES: dict[str, Callable[[Net], None]] = {
    "torch": torch_default, "he_fan_out": he_fan_out, "he_fan_in": he_fan_in, "xavier": xavier,
    "lenet_1998": lenet_1998,
    "alexnet_2012": alexnet_2012, "vgg_2014": vgg_2014, "vgg_torchvision": vgg_torchvision,
}  # fmt: skip


def test_each_rule_has_its_check() -> None:
    assert list(RULES) == list(INITS)


@pytest.mark.parametrize("name", RULES)
def test_weights_are_drawn_as_the_formula_says(name: str, net: Net) -> None:
    initialise(net, name, seed=1)
    RULES[name](net)
    assert (net.bn.weight == 1).all()  # normalisation and coefficients keep their start
    assert not net.bn.bias.any()
    assert (net.scale.weight == 0.25).all()


@pytest.mark.parametrize("name", RULES)
def test_a_seed_repeats_and_leaves_the_global_stream_alone(name: str, net: Net) -> None:
    state = torch.get_rng_state()
    initialise(net, name, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    first = {key: t.clone() for key, t in net.state_dict().items()}
    torch.manual_seed(99)
    initialise(net, name, seed=5)
    assert all(torch.equal(t, first[key]) for key, t in net.state_dict().items())
    initialise(net, name, seed=6)
    changed = {key for key, t in net.state_dict().items() if not torch.equal(t, first[key])}
    assert {f"{layer}.weight" for layer in (*CONVS, *LINEAR, "table")} <= changed


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "resnet20", "resnet18"])
def test_building_with_a_seed_repeats_and_leaves_the_global_stream_alone(name: str) -> None:
    state = torch.get_rng_state()
    first = build(name, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    again, other = build(name, seed=3), build(name, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_without_a_seed_the_global_stream_decides() -> None:
    torch.manual_seed(0)
    first, second = build("lenet5"), build("lenet5")
    torch.manual_seed(0)
    again = build("lenet5")
    assert torch.equal(first.fc1.weight, again.fc1.weight)
    assert not torch.equal(first.fc1.weight, second.fc1.weight)


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn"])
def test_torchvisions_nets_start_with_torchvisions_spread(name: str) -> None:
    ours = build(name, classes=10, seed=0) if name == "resnet18" else build(name, seed=0)
    theirs = models.get_model(name, num_classes=10) if name == "resnet18" else models.get_model(name)
    compared = 0
    for (key, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        if a.dim() > 1 and a.numel() > 4000:
            compared += 1
            assert abs(a.std() / b.std() - 1) < 0.08, key
        elif key.endswith("bias") and not b.any():
            assert not a.any(), key
    assert compared >= 10


def test_a_networks_own_rule_is_used_unless_another_is_asked_for() -> None:
    alexnet = build("alexnet_single", classes=2, side=67, channels=1, seed=0)
    normal(alexnet.conv2, 0.01)
    assert (alexnet.conv2.bias == 1).all()
    assert not build("lenet5", seed=0).conv1.bias.any()
    assert build("lenet5", init="torch", seed=0).conv1.bias.any()


def test_an_unknown_rule_offers_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        build("lenet5", init="he_fanout")
    assert str(caught.value) == (
        "no initialisation 'he_fanout'; did you mean 'he_fan_out'? (there are torch, he_fan_out, he_fan_in, xavier, "
        "lenet_1998, alexnet_2012, vgg_2014, vgg_torchvision)"
    )


def test_tables_are_checked_as_drawn_when_they_are_made() -> None:
    torch.manual_seed(0)
    layer = TableConv2d(16, TABLE, (5, 5))
    uniform(layer, 0.1)
    zero(layer)
