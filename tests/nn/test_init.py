"""Initial weights against the formulas of the papers, and what a seed fixes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt
from types import SimpleNamespace

import pytest
import timm
import torch
from timm.models._efficientnet_builder import efficientnet_init_weights
from timm.models.resnetv2 import ResNetV2
from torch import Tensor, nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig

from convsmith import build, spec
from convsmith.nn import INITS, Net, initialise
from convsmith.nn.init import ends_of_residuals
from convsmith.nn.layers import TableConv2d
from convsmith.spec import (
    BACK,
    HERE,
    Branches,
    Chain,
    Conv,
    ConvTranspose,
    Flatten,
    Gate,
    Linear,
    Network,
    Norm,
    PoolTo,
    Relu,
    Residual,
    Scale,
    Seq,
    Sigmoid,
    SpecError,
    TableConv,
    TiledConv,
    UnknownName,
    trace,
)

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


def uniform(layer: nn.Module | SimpleNamespace, bound: float) -> None:
    weight = layer.weight.detach().double()
    assert weight.numel() >= 4000
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


def googlenet(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR):
        normal(layer, 0.01)
        assert 0 < layer.bias.abs().max() <= 1 / sqrt(fans(layer)[0])


def inception_v3(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR):
        normal(layer, 0.1)
        assert 0 < layer.bias.abs().max() <= 1 / sqrt(fans(layer)[0])


def squeezenet(net: Net) -> None:
    for layer in layers(net, *CONVS):
        uniform(layer, sqrt(6 / fans(layer)[0]))
    for layer in layers(net, "fc6", "fc7"):  # torchvision's has no linear layer
        uniform(layer, 1 / sqrt(fans(layer)[0]))
    normal(net.fc8, 0.01)
    zero(*layers(net, *CONVS, *LINEAR))


def densenet(net: Net) -> None:
    for layer in layers(net, *CONVS):
        normal(layer, sqrt(2 / fans(layer)[0]))
    for layer in layers(net, *LINEAR):
        uniform(layer, 1 / sqrt(fans(layer)[0]))
    zero(*layers(net, *CONVS, *LINEAR))


def mnasnet(net: Net) -> None:
    for layer in layers(net, *CONVS):
        normal(layer, sqrt(2 / fans(layer)[1]))
    for layer in layers(net, *LINEAR):
        uniform(layer, sqrt(3 / layer.out_features))
    zero(*layers(net, *CONVS, *LINEAR))


def efficientnet(net: Net) -> None:
    for layer in layers(net, *CONVS):
        normal(layer, sqrt(2 / fans(layer)[1]))
    for layer in layers(net, *LINEAR):
        uniform(layer, 1 / sqrt(layer.out_features))
    zero(*layers(net, *CONVS, *LINEAR))


def efficientnet_timm(net: Net) -> None:
    fan_out = {"conv1": 64 * 49, "conv2": 32 * 25, "conv3": 96 * 9, "conv4": 96 * 9, "conv5": 16 * 9, "up": 32 * 16}
    for name, fan in fan_out.items():
        normal(net.get_submodule(name), sqrt(2 / fan))
    for layer in layers(net, *LINEAR):
        uniform(layer, 1 / sqrt(layer.out_features))
    zero(*layers(net, *CONVS, *LINEAR))


def resnet_timm(net: Net) -> None:
    for layer in layers(net, *CONVS):
        normal(layer, sqrt(2 / fans(layer)[1]))
    for layer in layers(net, *LINEAR):
        uniform(layer, 1 / sqrt(fans(layer)[0]))
    for layer in layers(net, *CONVS, *LINEAR):
        assert 0 < layer.bias.abs().max() <= 1 / sqrt(fans(layer)[0])


def regnet(net: Net) -> None:
    for layer in layers(net, *CONVS):
        normal(layer, sqrt(2 / fans(layer)[1]))
        assert 0 < layer.bias.abs().max() <= 1 / sqrt(fans(layer)[0])
    for layer in layers(net, *LINEAR):
        normal(layer, 0.01)
    zero(*layers(net, *LINEAR))


def deviation_of_002(net: Net) -> None:
    for layer in layers(net, *CONVS, *LINEAR):
        normal(layer, 0.02)
    zero(*layers(net, *CONVS, *LINEAR))


def airbench(net: Net) -> None:
    image = torch.randn(2, 96, 8, 8)
    assert torch.allclose(net.conv4(image), image)  # 96 maps of 96
    wider = net.conv3(image[:, :64])
    assert torch.allclose(wider[:, :64], image[:, :64])
    uniform(SimpleNamespace(weight=net.conv3.weight[64:]), 1 / sqrt(64 * 9))
    zero(*layers(net, *CONVS))
    for layer in layers(net, *LINEAR):
        uniform(layer, 1 / sqrt(fans(layer)[0]))


RULES: dict[str, Callable[[Net], None]] = {
    "torch": torch_default, "he_fan_out": he_fan_out, "he_fan_in": he_fan_in, "xavier": xavier,
    "lenet_1998": lenet_1998, "alexnet_2012": alexnet_2012, "vgg_2014": vgg_2014, "vgg_torchvision": vgg_torchvision,
    "googlenet": googlenet, "inception_v3": inception_v3, "squeezenet": squeezenet, "densenet": densenet,
    "mnasnet": mnasnet, "efficientnet": efficientnet, "efficientnet_timm": efficientnet_timm,
    "resnet_timm": resnet_timm, "resnetv2_timm": vgg_torchvision, "regnet": regnet, "dcgan": deviation_of_002,
    "airbench": airbench, "convnext": deviation_of_002,
}  # fmt: skip


def test_each_rule_has_its_check() -> None:
    assert list(RULES) == list(INITS)


@pytest.mark.parametrize("name", RULES)
def test_weights_are_drawn_as_the_formula_says(name: str, net: Net) -> None:
    initialise(net, name, seed=1)
    RULES[name](net)
    assert (net.bn.weight == 1).all() or name == "dcgan"
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
    handed = {"conv4", "conv5"} if name == "airbench" else set()  # as many inputs as outputs, or more: all are given
    assert {f"{layer}.weight" for layer in {*CONVS, *LINEAR, "table"} - handed} <= changed


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


def of_library(name: str, **options: object) -> nn.Module:
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = True  # the default, with a warning
    library = timm.create_model if spec(name).provenance == "timm" else models.get_model
    return library(name, **options)  # type: ignore[no-any-return,operator]


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "googlenet", "resnetv2_50", "seresnext50_32x4d"])
def test_a_librarys_nets_start_with_its_spread(name: str) -> None:
    options = {} if name == "vgg11_bn" else {"num_classes": 10}
    ours, theirs = build(name, classes=options.get("num_classes"), seed=0), of_library(name, **options)
    assert {key for key, _ in ours.named_parameters()} == {key for key, _ in theirs.named_parameters()}
    compared = 0
    for key, b in theirs.named_parameters():
        a = ours.get_parameter(key)
        if a.dim() > 1 and a.numel() > 4000:
            compared += 1
            assert abs(a.std() / b.std() - 1) < 0.08, key
        elif a.dim() == 1 and len(b.unique()) == 1:
            assert torch.equal(a, b), key
    assert compared >= 10


def differing(ours: nn.Module, theirs: nn.Module) -> set[str]:
    """Keys of the state dicts whose tensors are not the same to the bit."""
    a, b = ours.state_dict(), theirs.state_dict()
    assert set(a) == set(b)
    return {key for key in a if not torch.equal(a[key], b[key])}


@pytest.mark.parametrize(
    "name", ["squeezenet1_1", "mnasnet0_5", "densenet121", "inception_v3", "shufflenet_v2_x0_5", "seresnet18"]
)
def test_a_seed_has_the_librarys_numbers_after_that_seed(name: str) -> None:
    torch.manual_seed(7)
    theirs = of_library(name)
    # timm makes a projection before the block it belongs to, which changes whose turn it is in torch's own draws
    moved = {f"layer{i}.0.se.fc{j}.bias" for i in (2, 3, 4) for j in (1, 2)} if name == "seresnet18" else set()
    assert differing(build(name, seed=7), theirs) == moved


def small_convnext() -> nn.Module:
    return models.ConvNeXt([CNBlockConfig(24, 48, 2), CNBlockConfig(48, None, 1)], num_classes=10)


def small_resnet_v2() -> nn.Module:
    return ResNetV2([2, 1], channels=(64, 128), stem_chs=16, num_classes=10, norm_layer=nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        # our auxiliary heads stand where they branch off, torchvision's at the end
        ("googlenet", partial(models.googlenet, init_weights=True)),
        ("efficientnet", models.efficientnet_b0),
        ("regnet", models.regnet_y_400mf),
        ("convnext", small_convnext),
        ("resnetv2_timm", small_resnet_v2),
    ],
)
def test_a_rule_redraws_a_librarys_module_to_the_bit(name: str, make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(7)
    theirs, other = make(), make()
    assert differing(other, theirs)
    initialise(other, name, seed=7)
    assert differing(other, theirs) == set()


def drawn_over(make: Callable[[], nn.Module], draw: Callable[[nn.Module], object]) -> nn.Module:
    """A module that starts as torch's layers do with seed 7, and then is drawn."""
    module = make()
    torch.manual_seed(7)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.reset_parameters()
    draw(module)
    return module


def test_timms_own_draw_of_an_efficientnet_is_ours() -> None:
    def make() -> nn.Module:
        return timm.create_model("efficientnet_b0")

    theirs, other = drawn_over(make, efficientnet_init_weights), make()
    initialise(other, "efficientnet_timm", seed=7)
    assert differing(other, theirs) == set()


def test_the_draw_of_pytorchs_dcgan_example_is_ours() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.ConvTranspose2d(100, 64, 4, bias=False), nn.BatchNorm2d(64), nn.Conv2d(64, 128, 4))

    def example(m: nn.Module) -> None:  # pytorch/examples, dcgan/main.py, weights_init
        if "Conv" in type(m).__name__:
            nn.init.normal_(m.weight, 0.0, 0.02)
        elif "BatchNorm" in type(m).__name__:
            nn.init.normal_(m.weight, 1.0, 0.02)
            nn.init.zeros_(m.bias)

    theirs, other = drawn_over(make, lambda module: module.apply(example)), make()
    initialise(other, "dcgan", seed=7)
    assert differing(other, theirs) == {"2.bias"}  # the example has no biases; ours would be 0
    assert not other[2].bias.any()
    assert abs(other[1].weight.mean() - 1) < 0.02


def test_the_convolutions_of_resnet_are_torchvisions_to_the_bit_where_both_draw_from_one_stream() -> None:
    torch.manual_seed(7)
    theirs = models.resnet18()
    torch.manual_seed(7)
    assert differing(build("resnet18"), theirs) == {"fc.weight", "fc.bias"}  # which torchvision draws but once


def test_inception_draws_its_auxiliary_classifier_narrower() -> None:
    net = build("inception_v3", seed=0)
    spreads = [
        float(layer.weight.detach().double().std()) for layer in (net.AuxLogits.fc, net.AuxLogits.conv1.conv, net.fc)
    ]
    # torchvision means 0.01 for conv1, and sets it on a module that draws nothing
    assert spreads == pytest.approx([0.001, 0.1, 0.1], rel=0.03)


def test_each_block_of_timms_residual_nets_starts_as_its_shortcut() -> None:
    net = build("seresnet18", seed=0)
    x = torch.randn(2, 64, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(net.layer1[1](x), x.relu())
        assert torch.equal(net.layer2[0](x), net.layer2[0].downsample(x).relu())
    norms = {f"layer{i}.{j}.bn2" for i in (1, 2, 3, 4) for j in (0, 1)}
    zeros = {
        name for name, layer in net.named_modules() if isinstance(layer, nn.BatchNorm2d) and not layer.weight.any()
    }
    assert zeros == norms


def test_the_ends_of_residuals_are_read_off_the_graph() -> None:
    gate = Gate(Seq(pool=PoolTo(1), squeeze=Conv(2), back=Conv(BACK), gate=Sigmoid))
    plain = Seq(conv=Conv(HERE, 3), norm=Norm())
    net = Seq(
        gated=Residual(Chain(plain, gate), drop=0.1),
        projected=Residual(Seq(conv=Conv(8, 3), norm=Norm()), Seq(project=Seq(conv=Conv(8), norm=Norm()))),
        before=Residual(Seq(norm=Norm(), conv=Conv(HERE, 3))),  # ends with a convolution
        widened=Residual(Seq(conv=Conv(16, 3), norm=Norm())),  # has no skip
        beside=Branches(Seq(a=plain), Seq(b=plain)),
        bare=Residual(Seq(gate=gate)),  # has nothing but the input
    )
    assert list(ends_of_residuals(trace(net, side=8, channels=4))) == ["gated.norm", "projected.norm"]


def test_a_rule_that_reads_the_graph_wants_a_built_network() -> None:
    with pytest.raises(SpecError) as caught:
        initialise(nn.Sequential(nn.Conv2d(3, 8, 3)), "resnet_timm")
    assert str(caught.value) == (
        "Sequential has no graph that shows where its residuals end; take a network that `build` made, or another "
        "initialisation"
    )


def test_normalisations_begin_anew_whatever_they_had(net: Net) -> None:
    fresh: dict[str, Tensor] = {key: t.clone() for key, t in net.state_dict().items() if key.startswith("bn.")}
    initialise(net, "dcgan", seed=0)
    assert abs(net.bn.weight.detach().std() - 0.02) < 0.008
    net.train()(torch.randn(4, 4, 8, 8))
    initialise(net, "torch", seed=0)
    assert all(torch.equal(net.state_dict()[key], t) for key, t in fresh.items())


def test_a_networks_own_rule_is_used_unless_another_is_asked_for() -> None:
    alexnet = build("alexnet_single", classes=2, side=67, channels=1, seed=0)
    normal(alexnet.conv2, 0.01)
    assert (alexnet.conv2.bias == 1).all()
    assert not build("lenet5", seed=0).conv1.bias.any()
    assert build("lenet5", init="torch", seed=0).conv1.bias.any()


@pytest.mark.parametrize("name", INITS)
def test_each_kernel_of_a_tiled_convolution_starts_as_a_convolutions_would(name: str) -> None:
    def spread(layer: TiledConv | Conv) -> float:
        net = build(Network(Seq(conv=layer, last=Conv(2)), 8, 32, classes=2), init=name, seed=0)
        return float(net.conv.weight.detach().double().std())

    assert spread(TiledConv(64, 3, period=2)) == pytest.approx(spread(Conv(64, 3)), rel=0.03)


def test_an_unknown_rule_offers_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        build("lenet5", init="he_fanout")
    assert str(caught.value) == (
        "no initialisation 'he_fanout'; did you mean 'he_fan_out'? (there are torch, he_fan_out, he_fan_in, xavier, "
        "lenet_1998, alexnet_2012, vgg_2014, vgg_torchvision, googlenet, inception_v3, squeezenet, densenet, mnasnet, "
        "efficientnet, efficientnet_timm, resnet_timm, resnetv2_timm, regnet, dcgan, airbench, convnext)"
    )


def test_tables_are_checked_as_drawn_when_they_are_made() -> None:
    torch.manual_seed(0)
    layer = TableConv2d(16, TABLE, (5, 5))
    uniform(layer, 0.1)
    zero(layer)
