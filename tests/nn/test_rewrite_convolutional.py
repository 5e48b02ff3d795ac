"""Linear layers as convolutions: the same logits at the trained size, and on larger images what the crops give."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import HealthCheck, given, settings

import convsmith
from convsmith.nn import build, convolutional
from convsmith.spec import (
    BACK,
    HERE,
    IN,
    AvgPool,
    Branches,
    ChannelsLast,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    LayerNorm,
    Linear,
    LocalNorm,
    Network,
    Node,
    Norm,
    Pool,
    PoolTo,
    Rbf,
    Relu,
    Residual,
    Scale,
    Seq,
    Sigmoid,
    Softmax,
    SpecError,
    Split,
    Tap,
    ZeroChannels,
    dumps,
    loads,
    trace,
)
from convsmith.spec.trunk import without_aux
from tests.spec.test_laws import networks

from .rewrites import apart, apart_in_memory, images, lively, snapshot

pytestmark = pytest.mark.usefixtures("one_thread")

# without padding, the jump is 4 pixels
BARE: dict[str, Node] = {"conv1": Conv(6, 5, pad=0), "act1": Relu, "pool1": Pool(2), "conv2": Conv(8, 3, 2, pad=0)}
HEADS: dict[str, dict[str, Node]] = {
    "a map": {"flat": Flatten, "fc": Linear(3)},
    "three layers": {
        "drop": Dropout(), "flat": Flatten, "act": Relu, "drop1": Dropout(), "fc1": Linear(HERE // 4), "bn": Norm(),
        "act2": Relu, "fc2": Linear(7, bias=False), "norm": LayerNorm(), "scale": Scale(0.5, bias=True),
        "fc3": Linear(3), "end": Softmax,
    },
    "global pooling": {"pool": PoolTo(1), "flat": Flatten, "bn": Norm(), "fc": Linear(3)},
    "global maximum": {"pool": PoolTo(1, "max"), "flat": Flatten, "fc": Linear(3)},
    "pooling after the last convolution": {"fc": Conv(3), "pool": PoolTo(1), "flat": Flatten, "again": Flatten},
    "pooling to its own size": {"pool": PoolTo(4), "flat": Flatten, "fc": Linear(3)},
    "pooling to one row of four": {"pool": PoolTo((1, 4)), "flat": Flatten, "fc": Linear(3)},
    "blocks of vectors": {
        "flat": Flatten, "fc1": Linear(6), "res": Residual(Seq(a=Linear(IN // 2), b=Linear(IN))),
        "two": Branches(a=Seq(fc=Linear(2)), b=Seq(drop=DropPath(0.1))), "split": Split(Seq(s=Linear(3)), Seq(r=Relu)),
        "gate": Gate(Seq(g=Linear(BACK), h=Sigmoid)), "zeros": ZeroChannels(9), "fc": Linear(3),
    },
}  # fmt: skip


def network(side: int = 25, channels: int = 2, **layers: Node) -> Network:
    return Network(Seq(**layers), side, channels, 3, name="mine")


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_a_map_of_scores_holds_the_classifiers_answer_for_every_crop(head: dict[str, Node]) -> None:
    net = lively(network(**BARE, **head))
    before = snapshot(net)
    scores = convolutional(net)
    assert apart(scores(images(net)), net(images(net))[..., None, None]) < 1e-12
    large = images(net, larger=(8, 12))
    found = scores(large)
    assert found.shape == (2, 3, 3, 4)
    for i in range(3):
        for j in range(4):
            crop = large[..., 4 * i : 4 * i + 25, 4 * j : 4 * j + 25]
            assert apart(found[..., i, j], net(crop)) < 1e-12
    assert apart_in_memory(scores, net, before)


def test_pooling_to_several_cells_slides_by_whole_cells() -> None:
    net = lively(network(**BARE, pool=PoolTo(2), flat=Flatten, fc=Linear(3)))
    large = images(net, larger=(16, 8))
    found = convolutional(net)(large)
    assert found.shape == (2, 3, 3, 2)  # cells of two units, 8 pixels
    assert apart(found[..., 2, 1], net(large[..., 16:41, 8:33])) < 1e-12


def test_lenet_slides_over_a_larger_image() -> None:
    net = lively("lenet5")
    scores = convolutional(net)
    large = images(net, larger=(8, 4))
    found = scores(large)
    assert found.shape == (2, 10, 3, 2)
    crops = [[net(large[..., 4 * i : 4 * i + 32, 4 * j : 4 * j + 32]) for j in range(2)] for i in range(3)]
    assert apart(found, torch.stack([torch.stack(row, -1) for row in crops], -2)) < 1e-12
    dense = torch.stack([crop for row in crops for crop in row]).mean(0)
    assert apart(found.mean((2, 3)), dense) < 1e-12


def test_weights_keep_their_names_and_numbers_and_the_net_its_counts() -> None:
    net = lively("lenet5")
    scores = convolutional(net)
    old, new = net.state_dict(), scores.state_dict()
    assert {key: tensor.numel() for key, tensor in new.items()} == {key: tensor.numel() for key, tensor in old.items()}
    assert all(torch.equal(new[key].flatten(), old[key].flatten()) for key in old)
    assert new["fc1.weight"].shape == (120, 16, 5, 5)
    assert new["fc2.weight"].shape == (84, 120, 1, 1)
    was, now = convsmith.cost(net.graph), convsmith.cost(scores.graph)
    assert (now.params, now.macs) == (was.params, was.macs)


def test_the_arithmetic_of_the_course_notes() -> None:
    flat = trace(Seq(flat=Flatten, fc=Linear(4096, bias=False)), 50, 10).rows[-1].facts
    same = trace(Seq(fc=Conv(4096, 50, pad=0, bias=False)), 50, 10).rows[-1].facts
    pixels = trace(Seq(fc=Conv(4096, bias=False)), 50, 10).rows[-1].facts
    wide = trace(Seq(fc=Conv(4096, bias=False)), 1, 25_000).rows[-1].facts
    assert [facts.params for facts in (flat, same, wide, pixels)] == [102_400_000] * 3 + [40_960]
    assert flat.macs == same.macs == wide.macs == 102_400_000


def test_with_padding_the_crop_is_another_image_but_the_middle_moves_with_the_image() -> None:
    layers: dict[str, Node] = {"conv1": Conv(4, 3, 2), "act": Relu, "conv2": Conv(4, 3), "flat": Flatten}
    net = lively(network(8, **layers, fc=Linear(3)))
    scores = convolutional(net)
    large = images(net, larger=(20, 20))
    found, crop = scores(large), net(large[..., 8:16, 8:16])
    assert apart(found[..., 4, 4], crop) > 1e-3  # the crop has zeros where the image goes on
    moved = scores(large[..., 2:, 2:])
    assert apart(moved[..., 2:7, 2:7], found[..., 3:8, 3:8]) < 1e-12


def test_a_gate_goes_on_looking_at_the_whole_image() -> None:
    gate = Gate(Seq(squeeze=PoolTo(1), fc1=Conv(BACK), end=Sigmoid))
    net = lively(network(**BARE, se=gate, pool=PoolTo(1), flat=Flatten, fc=Linear(3)))
    scores = convolutional(net)
    kinds = {row.path: row.kind for row in scores.graph.rows}
    assert (kinds["se.squeeze"], kinds["pool"]) == ("avg_pool_to", "avg_pool")
    assert apart(scores(images(net)), net(images(net))[..., None, None]) < 1e-12
    large = images(net, larger=(4, 4))
    assert apart(scores(large)[..., 0, 0], net(large[..., :25, :25])) > 1e-6


def test_dropout_stays_and_auxiliary_heads_go() -> None:
    aux = Tap(Seq(pool=PoolTo(1), flat=Flatten, fc=Linear(3)))
    net = build(network(**BARE, aux=aux, drop=Dropout(0.3), flat=Flatten, late=Dropout(0.4), fc=Linear(3)), seed=1)
    scores = convolutional(net)
    assert scores.training
    assert scores(torch.randn(1, 2, 25, 25)).shape == (1, 3, 1, 1)
    assert [(row.path, row.node.rate) for row in scores.graph.rows if row.kind == "dropout"] == [  # type: ignore[attr-defined]
        ("drop", 0.3),
        ("late", 0.4),
    ]
    assert scores.graph.taps == ()


def test_a_net_that_only_pools_to_a_fixed_size_slides_too() -> None:
    net = lively(network(**BARE, fc=Conv(3), pool=PoolTo(1)))
    large = images(net, larger=(4, 0))
    found = convolutional(net)(large)
    assert found.shape == (2, 3, 2, 1)
    assert apart(found[:, :, 1:], net(large[..., 4:, :])) < 1e-12


def test_the_description_serialises_and_builds_the_same_module_again() -> None:
    scores = convolutional(lively(convsmith.spec("vgg11", width=0.0625, hidden=16)))
    again = build(loads(dumps(scores.network))).double().eval()
    again.load_state_dict(scores.state_dict())
    x = images(scores, 1, larger=(32, 0))
    assert torch.equal(again(x), scores(x))
    assert scores(x).shape == (1, 1000, 2, 1)
    assert scores.classifier[0].weight.shape == (16, 32, 7, 7)  # type: ignore[index,union-attr]
    assert "avgpool" not in {row.path for row in scores.graph.rows}  # 7 x 7 to 7 x 7


@pytest.mark.parametrize(("layers", "message"), [
    ({"conv": Conv(3)}, "mine flattens nothing and pools to no fixed size: it is convolutional as it is"),
    ({"conv": Conv(3), "flat": Flatten, "out": Rbf(3)}, "out: rbf on a flattened map has no convolution as its equal"),
    ({"flat": Flatten, "fc": Linear(8), "out": Rbf(3)}, "out: rbf has no convolution as its equal"),
    ({"flat": Flatten, "bn": Norm(), "fc": Linear(3)}, "bn: norm on a flattened map has no convolution as its equal"),
    ({"flat": Flatten, "end": Softmax, "fc": Linear(3)},
     "end: softmax on a flattened map has no convolution as its equal"),
    ({"flat": Flatten, "res": Residual(Seq(fc=Linear(HERE))), "fc": Linear(3)},
     "res.add: add on a flattened map has no convolution as its equal"),
    ({"last": ChannelsLast, "flat": Flatten, "fc": Linear(3)},
     "flat: flattens channels last (25×25×2); put ChannelsFirst before it"),
    ({"conv": Conv(3), "flat": Flatten}, "mine: ends in a flattened map that no linear layer reads; end it in Linear"),
    ({"pool": PoolTo(4), "flat": Flatten, "fc": Linear(3)},
     "pool: pools 25×25 to 4×4 by windows of unequal size, which cannot slide; build the network with the side= that "
     "makes them equal"),
    ({"pool": PoolTo(50), "flat": Flatten, "fc": Linear(3)},
     "pool: pools 25×25 to 50×50 by windows of unequal size, which cannot slide; build the network with the side= that "
     "makes them equal"),
    ({"conv": Conv(4), "flat": Flatten, "res": Residual(Seq(fc1=Linear(4))), "fc": Linear(3)},
     "mine: a block around the flattened map joins other channels than it would on the map itself; put Flatten and the "
     "first linear layer before the block"),
])  # fmt: skip
def test_what_has_no_equal_is_refused(layers: dict[str, Node], message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        convolutional(build(network(**layers)))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks())
def test_the_logits_of_every_network_stay(random: Network) -> None:
    net = lively(random)
    try:
        scores = convolutional(net)
    except SpecError as error:
        assert "windows of unequal size" in str(error)  # noqa: PT017 - the strategy pools 9 pixels to 2
        return
    assert apart(scores(images(net)), net(images(net))[..., None, None]) < 1e-9
    assert loads(dumps(scores.network)) == scores.network
    assert trace(scores.network) == scores.graph


def test_local_norm_and_average_pooling_do_not_hinder() -> None:
    net = lively(network(norm=LocalNorm(3), **BARE, mean=AvgPool(2), flat=Flatten, fc=Linear(3)))
    large = images(net, larger=(8, 8))
    assert apart(convolutional(net)(large)[..., 1, 1], net(large[..., 8:33, 8:33])) < 1e-12


# family: (a variant, the side that it is built for, pixels to the next position)
FAMILIES = {
    "lenet": ("lenet5", 32, 4),
    "alexnet": ("alexnet", 224, 32),
    "zfnet": ("zfnet", 224, 32),
    "nin": ("nin_cifar", 32, 4),
    "vgg": ("vgg11", 224, 32),
    "googlenet": ("googlenet", 64, 32),
    "dcgan": ("dcgan_discriminator", 64, 16),
    "resnet": ("resnet18", 64, 32),
    "resnet_cifar": ("resnet20", 32, 4),
    "inception_v3": ("inception_v3", 299, 32),
    "inception_v4": ("inception_v4", 107, 32),
    "inception_resnet_v2": ("inception_resnet_v2", 107, 32),
    "squeezenet": ("squeezenet1_1", 64, 16),
    "resnet_v2": ("resnetv2_50", 64, 32),
    "wide_resnet": ("wrn_16_8", 32, 4),
    "resnext": ("resnext50_32x4d", 64, 32),
    "densenet": ("densenet121", 64, 32),
    "mobilenet_v1": ("mobilenet_v1", 64, 32),
    "nasnet": ("nasnet_a_cifar", 32, 4),
    "senet": ("seresnet18", 64, 32),
    "shufflenet": ("shufflenet_g1", 64, 32),
    "mobilenet_v2": ("mobilenet_v2", 64, 32),
    "shufflenet_v2": ("shufflenet_v2_x0_5", 64, 32),
    "mnasnet": ("mnasnet0_5", 64, 32),
    "efficientnet": ("efficientnet_b0", 64, 32),
    "mobilenet_v3": ("mobilenet_v3_large", 64, 32),
    "efficientnet_lite": ("tf_efficientnet_lite0", 64, 32),
    "regnet": ("regnet_x_200mf", 64, 32),
    "efficientnet_v2": ("efficientnet_v2_s", 64, 32),
    "convnext": ("convnext_tiny", 64, 32),
    "airbench": ("airbench94", 32, 8),
}
WITHOUT = {"layers"}
"""Layers alone, which are no classifiers."""


def test_the_table_of_families_has_them_all() -> None:
    assert {convsmith.zoo.family(name) for name in convsmith.names()} == FAMILIES.keys() | WITHOUT
    assert all(convsmith.zoo.family(name) == family for family, (name, *_) in FAMILIES.items())


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_families_keep_their_logits_and_slide(family: str) -> None:
    name, side, stride = FAMILIES[family]
    net = lively(name, side)
    scores = convolutional(net)
    with torch.no_grad():
        assert apart(scores(images(net, 1)), net(images(net, 1))[..., None, None]) < 1e-9
        assert scores(images(net, 1, larger=(stride, 2 * stride))).shape == (1, net.network.classes, 2, 3)
    params = [sum(row.facts.params for row in trace(n).rows) for n in (scores.network, without_aux(net.network))]
    assert params[0] == params[1]
