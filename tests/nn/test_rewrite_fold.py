"""Batch norms folded into the layers before them: exact in double precision, or refused with the reason."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

import convsmith
from convsmith.nn import build, fold, unfoldable
from convsmith.spec import (
    HERE,
    AvgPool,
    Branches,
    Cell,
    Conv,
    ConvTranspose,
    Dropout,
    Flatten,
    Linear,
    Network,
    Node,
    Norm,
    PoolTo,
    Relu,
    Residual,
    Seq,
    SpecError,
    Step,
    TableConv,
    Tap,
    TiledConv,
    dumps,
    loads,
    trace,
)
from tests.spec.test_laws import networks

from .rewrites import apart, apart_in_memory, images, lively, snapshot

pytestmark = pytest.mark.usefixtures("one_thread")

END: dict[str, Node] = {"pool": PoolTo(1), "flat": Flatten, "fc": Linear(3)}
LAYERS: dict[str, Node] = {
    "conv": Conv(6, 3),
    "conv with a bias": Conv(6, 3, bias=True),
    "conv without": Conv(6, 3, bias=False),
    "grouped": Conv(6, 3, groups=2, bias=False),
    "depthwise": Conv(HERE, 3, groups=HERE, bias=False),
    "dilated, uneven padding": Conv(6, 3, 2, pad=(0, 2, 1, 1), dilation=1),
    "same": Conv(6, 2, 2, pad="same", bias=False),
    "transposed": ConvTranspose(6, 3, 2, pad=1, bias=False),
    "transposed in groups": ConvTranspose(6, 3, 2, pad=1, groups=2),
    "along a table": TableConv(((0,), (0, 1), (1, 2, 3)), 3),
    "tiled": TiledConv(5, 3),
    "tiled with a bias": TiledConv(5, 3, 3, bias=True),
}

# family: (a variant, its norms, those that cannot be folded)
FAMILIES = {
    "vgg": ("vgg11_bn", 8, 0),
    "googlenet": ("googlenet", 59, 0),
    "dcgan": ("dcgan_discriminator", 3, 0),
    "resnet": ("resnet18", 20, 0),
    "resnet_cifar": ("resnet20", 19, 0),
    "inception_v3": ("inception_v3", 96, 0),
    "inception_v4": ("inception_v4", 149, 0),
    "inception_resnet_v2": ("inception_resnet_v2", 204, 0),
    "resnet_v2": ("resnetv2_50", 49, 17),
    "wide_resnet": ("wide_resnet50_2", 53, 0),
    "resnext": ("resnext50_32x4d", 53, 0),
    "densenet": ("densenet121", 121, 62),
    "mobilenet_v1": ("mobilenet_v1", 27, 0),
    "nasnet": ("nasnet_a_mobile", 192, 4),
    "senet": ("seresnet18", 20, 0),
    "shufflenet": ("shufflenet_g1", 49, 0),
    "mobilenet_v2": ("mobilenet_v2", 52, 0),
    "shufflenet_v2": ("shufflenet_v2_x0_5", 56, 0),
    "mnasnet": ("mnasnet0_5", 52, 0),
    "efficientnet": ("efficientnet_b0", 49, 0),
    "mobilenet_v3": ("mobilenet_v3_large", 46, 0),
    "efficientnet_lite": ("tf_efficientnet_lite0", 49, 0),
    "regnet": ("regnet_x_200mf", 44, 0),
    "efficientnet_v2": ("efficientnet_v2_s", 110, 0),
    "airbench": ("airbench94", 6, 3),
}
NOTHING = ("lenet", "alexnet", "zfnet", "nin", "squeezenet", "convnext", "layers")
UNEVEN = ("vgg", "googlenet", "dcgan")  # with and without batch norm
SIDES = {
    "dcgan": 64,
    "resnet_cifar": 32,
    "airbench": 32,
    "inception_v3": 299,
    "inception_v4": 107,
    "inception_resnet_v2": 107,
}


def network(**layers: Node) -> Network:
    return Network(Seq(**layers), 8, 4, 3, name="mine")


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_each_kind_of_layer_takes_in_the_norms_behind_it(layer: Node) -> None:
    net = lively(network(layer=layer, bn=Norm(1e-3), again=Norm(affine=False), act=Relu, **END))
    before = snapshot(net)
    folded = fold(net)
    assert apart(folded(images(net)), net(images(net))) < 1e-12
    assert [row.kind for row in folded.graph.rows] == [row.kind for row in net.graph.rows if row.kind != "norm"]
    assert not folded.training
    assert next(folded.parameters()).dtype == torch.float64
    assert apart_in_memory(folded, net, before)


def test_a_linear_layer_takes_in_the_norm_behind_it() -> None:
    net = lively(network(flat=Flatten, fc1=Linear(5, bias=False), bn=Norm(), act=Relu, drop=Dropout(), fc=Linear(3)))
    folded = fold(net)
    assert apart(folded(images(net)), net(images(net))) < 1e-12
    assert not any(isinstance(part, nn.BatchNorm1d) for part in folded.modules())


def test_the_folded_weights_by_hand() -> None:
    net = build(Network(Seq(conv=Conv(1, 1), bn=Norm(eps=1.0)), 1, 1, 1)).eval()
    values = {"conv.weight": 2.0, "conv.bias": 3.0, "bn.weight": 5.0, "bn.bias": 7.0, "bn.running_mean": 11.0}
    state = net.state_dict()
    net.load_state_dict(
        state | {k: torch.full_like(state[k], v) for k, v in values.items()} | {"bn.running_var": torch.tensor([3.0])}
    )
    folded = fold(net)  # sqrt(3 + 1) = 2, so s = 2.5 and t = 7 - 27.5
    assert {key: tensor.item() for key, tensor in folded.state_dict().items()} == {
        "conv.weight": 5.0,
        "conv.bias": 2.5 * 3 + 7 - 27.5,
    }


def test_torch_folds_alike() -> None:
    net = lively(network(conv=Conv(6, 3, bias=False), bn=Norm(1e-3), act=Relu, flat=Flatten, fc=Linear(3), bn2=Norm()))
    folded = fold(net).state_dict()
    conv = fuse_conv_bn_eval(net.get_submodule("conv"), net.get_submodule("bn"))  # type: ignore[type-var]
    linear = fuse_linear_bn_eval(net.get_submodule("fc"), net.get_submodule("bn2"))  # type: ignore[type-var]
    for path, theirs in (("conv", conv), ("fc", linear)):
        for name, tensor in theirs.state_dict().items():
            assert apart(folded[f"{path}.{name}"], tensor) < 1e-14


def test_the_description_serialises_and_builds_the_same_module_again() -> None:
    network = convsmith.spec("resnet18", width=8)
    net = lively(network, 32)
    folded = fold(net)
    again = build(loads(dumps(folded.network))).double().eval()
    again.load_state_dict(folded.state_dict())
    assert folded.network.provenance == "own"
    assert torch.equal(again(images(net)), folded(images(net)))
    assert apart(folded(images(net)), net(images(net))) < 1e-9
    assert torch.equal(net(images(net)), lively(network, 32)(images(net)))


def test_folding_in_single_precision_keeps_the_type_and_draws_nothing() -> None:
    net = lively("resnet20").float()
    torch.manual_seed(5)
    folded = fold(net)
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))
    assert {tensor.dtype for tensor in folded.state_dict().values()} == {torch.float32}
    assert apart(folded(images(net).float()), net(images(net).float())) < 1e-5
    exact = fold(net.double()).state_dict()  # each number is computed in double precision and rounded once
    assert all(torch.equal(tensor, exact[key].float()) for key, tensor in folded.state_dict().items())


@pytest.mark.parametrize(("layers", "reason"), [
    ({"bn": Norm(), "conv": Conv(4), **END}, "bn: it reads the image"),
    ({"conv": Conv(4), "act": Relu, "bn": Norm(), **END}, "bn: it follows act (relu)"),
    ({"conv": Conv(4), "pool": AvgPool(2), "bn": Norm(), "flat": Flatten, "fc": Linear(3)},
     "bn: it follows pool (avg_pool)"),
    ({"block": Residual(Seq(conv=Conv(4)), after=Norm()), **END}, "block.after: it follows block.add (add)"),
    ({"block": Branches(a=Conv(2), b=Conv(2)), "bn": Norm(), **END}, "bn: it follows block.concat (concat)"),
    ({"conv": Conv(4), "block": Residual(Seq(bn=Norm(), act=Relu)), **END},
     "block.bn: conv is read by block.add as well"),
    ({"conv": Conv(4), "block": Branches(a=Norm(), b=Norm()), **END}, "block.a: conv is read by block.b as well"),
    ({"conv": Conv(4), "aux": Tap(Seq(bn=Norm(), **END)), **{f"{k}_": v for k, v in END.items()}},
     "aux.bn: conv is read by pool_ as well"),
    ({"conv": Conv(4), "aux": Tap(Seq(bn=Norm(), **END))}, "aux.bn: conv is an output as well"),
])  # fmt: skip
def test_what_is_not_exact_is_refused_with_the_reason(layers: dict[str, Node], reason: str) -> None:
    net = lively(network(**layers))
    path, why = reason.split(": ")
    assert unfoldable(net.graph)[path] == why
    for partly in (False, True):
        with pytest.raises(SpecError, match=rf"^mine: no batch norm can be folded \({re.escape(reason)}.*\)$"):
            fold(net, partly=partly)


def test_a_step_of_a_cell_that_the_cell_puts_out_as_well_keeps_its_norm() -> None:
    body = Cell(("x",), out=("b", "a"), a=Step(Conv(2), "x"), b=Step(Norm(), "a"))
    assert unfoldable(trace(Network(body, 8))) == {"b": "a is read by concat as well"}


def test_a_net_of_which_only_a_part_can_be_folded_is_refused_unless_asked_for() -> None:
    net = lively(network(conv=Conv(4), bn=Norm(), act=Relu, late=Norm(), **END))
    message = (
        "mine: 1 of 2 batch norms cannot be folded (late: it follows act (relu)); fold(net, partly=True) leaves them "
        "as they are"
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        fold(net)
    folded = fold(net, partly=True)
    assert [row.path for row in folded.graph.rows] == ["conv", "act", "late", "pool", "flat", "fc"]
    assert apart(folded(images(net)), net(images(net))) < 1e-12


def test_a_net_in_training_is_refused() -> None:
    net = build("resnet20")
    with pytest.raises(SpecError, match=r"resnet20 is in training, .*; call net.eval\(\) before folding$"):
        fold(net)
    net.eval().get_submodule("layer1").train()
    with pytest.raises(SpecError, match="is in training"):
        fold(net)


def test_a_net_without_batch_norm_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^lenet5: no batch norm can be folded: it has none$"):
        fold(build("lenet5").eval())


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks())
def test_folding_keeps_the_function_of_every_network(random: Network) -> None:
    net = lively(random)
    norms = [row.path for row in net.graph.rows if row.kind == "norm"]
    left = unfoldable(net.graph)
    if len(left) == len(norms):
        with pytest.raises(SpecError, match="no batch norm can be folded"):
            fold(net, partly=True)
        return
    folded = fold(net, partly=True)
    assert [row.path for row in folded.graph.rows if row.kind == "norm"] == list(left)
    assert apart(folded(images(net)), net(images(net))) < 1e-9
    assert loads(dumps(folded.network)) == folded.network
    assert trace(folded.network) == folded.graph


def test_the_table_of_families_has_them_all() -> None:
    assert {convsmith.zoo.family(name) for name in convsmith.names()} == {*FAMILIES, *NOTHING}
    assert all(convsmith.zoo.family(name) == family for family, (name, *_) in FAMILIES.items())


@pytest.mark.slow
def test_of_the_whole_atlas_pre_activation_nets_and_nasnet_fold_in_part_or_not_at_all() -> None:
    not_at_all = re.compile(r"densenet\d+_k\d+$")  # without bottlenecks, no norm follows a convolution alone
    partly = re.compile("resnetv2_|wrn_|densenet|nasnet|airbench")
    for name in convsmith.names():
        graph = trace(convsmith.spec(name))
        norms = sum(row.kind == "norm" for row in graph.rows)
        assert bool(norms) != (convsmith.zoo.family(name) in NOTHING) or convsmith.zoo.family(name) in UNEVEN, name
        left = len(unfoldable(graph))
        if not_at_all.match(name):
            assert left == norms, name
        else:
            assert (0 < left < norms) if partly.match(name) else left == 0, name


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_families_fold_wholly_or_in_part(family: str) -> None:
    name, norms, left = FAMILIES[family]
    net = lively(name, SIDES.get(family, 64))
    assert sum(row.kind == "norm" for row in net.graph.rows) == norms
    assert len(unfoldable(net.graph)) == left
    if left:
        with pytest.raises(SpecError, match=f"{name}: {left} of {norms} batch norms cannot be folded"):
            fold(net)
    folded = fold(net, partly=bool(left))
    with torch.no_grad():
        assert apart(folded(images(net)), net(images(net))) < 1e-9
    assert sum(row.kind == "norm" for row in folded.graph.rows) == left
