"""Counterparts by structure: which tensor of one network is which of another, and when that cannot be said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convsmith import build, spec, trace
from convsmith.nn import align, from_torch
from convsmith.spec import (
    Branches,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Graph,
    Identity,
    ImportFailed,
    LayerScale,
    Linear,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Scale,
    Seq,
    Shift,
    Shuffle,
    Sigmoid,
    Times,
    ZeroChannels,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def graph(body: Node, side: int = 8, channels: int = 3) -> Graph:
    return trace(body, side, channels)


BLOCK = Residual(Seq(conv1=Conv(8, 3, bias=False), bn1=Norm(), relu=Relu, conv2=Conv(8, 3)))
NET = Seq(stem=Conv(8, 3), block=BLOCK, pool=PoolTo(1), flatten=Flatten, fc=Linear(5))


def test_a_network_is_its_own_counterpart() -> None:
    found = align(graph(NET), graph(NET))
    assert found == {key: key for key in graph(NET).weights}


def test_names_do_not_matter_nor_do_layers_that_only_move_numbers() -> None:
    block = Residual(Seq(a=Conv(8, 3, bias=False), b=Norm(), drop=Dropout(0.3), c=Relu, d=Conv(8, 3)), drop=0.1)
    theirs = Seq(x=Seq(one=Conv(8, 3), two=block), head=Seq(p=PoolTo(1), fc=Conv(5), f=Flatten))
    assert align(graph(theirs), graph(NET)) == {
        "x.one.weight": "stem.weight", "x.one.bias": "stem.bias", "x.two.a.weight": "block.conv1.weight",
        "x.two.b.weight": "block.bn1.weight", "x.two.b.bias": "block.bn1.bias",
        "x.two.b.running_mean": "block.bn1.running_mean", "x.two.b.running_var": "block.bn1.running_var",
        "x.two.b.num_batches_tracked": "block.bn1.num_batches_tracked", "x.two.d.weight": "block.conv2.weight",
        "x.two.d.bias": "block.conv2.bias", "head.fc.weight": "fc.weight", "head.fc.bias": "fc.bias",
    }  # fmt: skip


def test_branches_keep_their_places_in_a_concatenation_and_swap_in_a_sum() -> None:
    def two(first: str, second: str) -> Node:
        return Branches(Seq(**{first: Conv(4)}), Seq(**{second: Conv(4)}))

    found = align(graph(Seq(b=two("p", "q"))), graph(Seq(b=two("one", "two"))))
    assert found["b.p.weight"] == "b.one.weight"
    assert found["b.q.weight"] == "b.two.weight"
    wide = Residual(Seq(a=Conv(4, 3)), Seq(s=Conv(4)))
    turned = Residual(Seq(s=Conv(4)), Seq(a=Conv(4, 3)))
    found = align(graph(Seq(b=wide)), graph(Seq(b=turned)))
    assert found == {key: key for key in graph(Seq(b=wide)).weights}


def test_places_that_are_alike_are_an_error() -> None:
    twins = Seq(b=Residual(Seq(one=Conv(4)), Seq(two=Conv(4))), fc=Conv(2))
    with pytest.raises(
        ImportFailed, match=r"b\.one of the network could be any of b\.one, b\.two: their places are alike"
    ):
        align(graph(twins), graph(twins))


def test_a_concatenation_of_concatenations_is_one() -> None:
    def nested(*branches: Node) -> Node:
        return Branches(Seq(ab=Branches(*branches[:2])), branches[2])

    parts = [Seq(**{name: Conv(width)}) for name, width in (("a", 2), ("b", 3), ("c", 4))]
    assert len(align(graph(Seq(m=nested(*parts))), graph(Seq(m=Branches(*parts))))) == 6


@pytest.mark.parametrize(("changed", "where"), [
    (Seq(stem=Conv(8, 3, pad=0), block=BLOCK, pool=PoolTo(1), flatten=Flatten, fc=Linear(5)), "stem (conv to 8×6×6)"),
    (Seq(stem=Conv(8, 3, bias=False), block=BLOCK, pool=PoolTo(1), flatten=Flatten, fc=Linear(5)), "stem"),
    (Seq(stem=Conv(8, 3), act=Relu, block=BLOCK, pool=PoolTo(1), flatten=Flatten, fc=Linear(5)), "act (relu to 8×8×8)"),
    (Seq(stem=Conv(8, 3), block=BLOCK, pool=PoolTo(1, "max"), flatten=Flatten, fc=Linear(5)), "pool"),
    (Seq(stem=Conv(8, 3), block=BLOCK, pool=PoolTo(1), flatten=Flatten, fc=Linear(6)), "fc (linear to 6)"),
    (Seq(stem=Conv(8, 3), block=Residual(Seq(conv1=Conv(8, 3, bias=False), bn1=Norm(1e-3), relu=Relu,
         conv2=Conv(8, 3))), pool=PoolTo(1), flatten=Flatten, fc=Linear(5)), "block.bn1"),
], ids=["padding", "bias", "activation", "pooling", "classes", "eps"])  # fmt: skip
def test_where_two_networks_part_is_said(changed: Seq, where: str) -> None:
    with pytest.raises(ImportFailed) as caught:
        align(graph(changed), graph(NET))
    assert where in str(caught.value)
    assert "has no counterpart in the network" in str(caught.value)
    with pytest.raises(ImportFailed):
        align(graph(NET), graph(changed))


def test_one_that_goes_on_where_the_other_ends_is_no_counterpart() -> None:
    longer = Seq(*(node for _, node in NET.children), Relu)
    for one, other in ((NET, longer), (longer, NET)):
        with pytest.raises(ImportFailed):
            align(graph(one), graph(other))


def test_a_window_over_the_whole_image_is_a_linear_layer() -> None:
    theirs = Seq(a=Conv(4, 3), full=Conv(6, 8, pad=0), act=Relu, last=Conv(2), flatten=Flatten)
    ours = Seq(a=Conv(4, 3), flatten=Flatten, fc1=Linear(6), act=Relu, fc2=Linear(2))
    found = align(graph(theirs), graph(ours))
    assert (found["full.weight"], found["last.bias"]) == ("fc1.weight", "fc2.bias")


def test_a_scale_is_a_scale_whatever_its_shape() -> None:
    found = align(graph(Seq(b=Seq(gamma=LayerScale()))), graph(Seq(b=Seq(scale=Scale()))))
    assert found == {"b.gamma": "b.scale.weight"}


def test_a_factor_of_one_is_nothing() -> None:
    def scaled(by: float) -> Graph:
        return graph(Seq(conv=Conv(4), scale=Times(by), fc=Conv(2)))

    assert len(align(scaled(1.0), graph(Seq(conv=Conv(4), fc=Conv(2))))) == 4
    with pytest.raises(ImportFailed, match="scale"):
        align(scaled(0.5), graph(Seq(conv=Conv(4), fc=Conv(2))))


@pytest.mark.parametrize(("one", "other"), [
    (Shuffle(2), Shuffle(4)), (Shuffle(2), Identity), (ZeroChannels(12), Conv(12)), (Shift(1), Identity),
], ids=["groups", "none", "zeros", "shift"])  # fmt: skip
def test_what_moves_channels_or_pixels_counts(one: Node, other: Node) -> None:
    def between(node: Node) -> Graph:
        return graph(Seq(a=Conv(8, 3), mid=Seq(node), b=Conv(4)))

    with pytest.raises(ImportFailed, match=r"has no counterpart|goes on where"):
        align(between(one), between(other))
    assert align(between(one), between(one)) == {key: key for key in between(one).weights}


def test_a_users_shuffle_by_views_is_the_layer_and_another_is_not() -> None:
    class Own(nn.Module):
        def __init__(self, groups: int) -> None:
            super().__init__()
            self.a, self.b, self.groups = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1), groups

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x)
            n, c, h, w = y.shape
            return self.b(y.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w))

    ours = graph(Seq(first=Conv(8, 3), mix=Shuffle(2), last=Conv(4)))
    assert align(from_torch(Own(2), 8), ours)["b.weight"] == "last.weight"
    with pytest.raises(ImportFailed, match="shuffle"):
        align(from_torch(Own(4), 8), ours)


def test_gates_and_pools_count() -> None:
    def gated(kernel: int) -> Node:
        gate = Gate(Seq(pool=PoolTo(1), fc=Conv(8), act=Sigmoid))
        return Seq(stem=Conv(8, 3), g=Seq(se=gate, down=Pool(kernel, 2)), last=Conv(2))

    assert len(align(graph(gated(2)), graph(gated(2)))) == 6
    with pytest.raises(ImportFailed, match=r"g\.down"):
        align(graph(gated(3)), graph(gated(2)))


TWINS = [
    ("resnet18", "resnet18"), ("mobilenetv2_100", "mobilenet_v2"), ("efficientnet_b0", "efficientnet_b0"),
    ("vgg11_bn", "vgg11_bn"), ("densenet121", "densenet121"), ("mnasnet_100", "mnasnet1_0"),
    ("convnext_tiny", "convnext_tiny"), ("regnetx_004_tv", "regnet_x_400mf"), ("seresnet50", "seresnet50"),
    ("tf_efficientnet_lite0", "tf_efficientnet_lite0"), ("resnetv2_50", "resnetv2_50"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("theirs", "ours"), TWINS)
def test_timms_tensors_make_ours_the_same_function(
    theirs: str, ours: str, moved: Callable[[nn.Module, str], nn.Module]
) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        other = timm.create_model(theirs, num_classes=11).double().eval()
    image = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = moved(other, ours)
    with torch.no_grad():
        wanted, got = other(image), net(image)
    assert float((got - wanted).abs().max() / wanted.abs().max()) < 1e-9
    assert wanted.std() > 0


@pytest.fixture
def moved() -> Callable[[nn.Module, str], nn.Module]:
    """Our network of this name with a module's tensors."""

    def move(module: nn.Module, name: str) -> nn.Module:
        network = spec(name, classes=11)
        found = align(from_torch(module, 224), trace(network))
        state, net = module.state_dict(), build(network, device="meta")
        wanted = net.state_dict()
        given: dict[str, Any] = {ours: state[key].reshape(wanted[ours].shape) for key, ours in found.items()}
        net.load_state_dict(given, assign=True)
        return net.eval()

    return move


@pytest.mark.slow
@pytest.mark.parametrize(("theirs", "ours", "where"), [
    ("tf_efficientnet_b0", "efficientnet_b0", "conv_stem"),  # SAME padding
    ("mobilenetv3_large_100", "mobilenet_v3_large", "bn1"),  # eps
    ("resnet50d", "resnet50", r"conv1\.0"),
    ("resnet34", "resnet18", r"layer1\.2\.conv1"),
])  # fmt: skip
def test_a_form_that_only_looks_the_same_is_refused(theirs: str, ours: str, where: str) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    with torch.device("meta"):
        other = timm.create_model(theirs)
    with pytest.raises(ImportFailed, match=rf"have not the same structure: {where} .*no counterpart in {ours}"):
        align(from_torch(other, 224), trace(spec(ours)))


def test_a_users_own_module_fills_ours() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.deep = nn.ModuleDict({"a": nn.Conv2d(8, 8, 3, padding=1, bias=False), "n": nn.BatchNorm2d(8),
                                       "b": nn.Conv2d(8, 8, 3, padding=1)})  # fmt: skip
            self.last = nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            y = self.deep["b"](self.deep["n"](self.deep["a"](x)).relu())
            return self.last((x + y).mean((2, 3)))

    own = Own().eval()
    found = align(from_torch(own, 8), graph(NET))
    net = build(NET, side=8).eval()
    net.load_state_dict({ours: own.state_dict()[key] for key, ours in found.items()})
    image = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(net(image), own(image), atol=1e-6)
