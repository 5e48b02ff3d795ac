"""A built network is an ordinary `nn.Module`: indexed, hooked, exported, compiled, copied, and with auxiliary heads."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from convsmith import build
from convsmith.nn import Net
from convsmith.spec import (
    BACK,
    HERE,
    Branches,
    Cell,
    Conv,
    Flatten,
    Gate,
    Identity,
    Linear,
    Network,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Scale,
    Seq,
    Shuffle,
    Sigmoid,
    SpecError,
    Split,
    Step,
    Tap,
)

pytestmark = pytest.mark.usefixtures("one_thread")

END = {"pool": PoolTo(1), "flatten": Flatten, "fc": Linear(5)}


def mixed() -> Network:
    """Every combinator in one small network."""
    cell = Cell(
        out=("c", "d"), a=Step(Conv(4, 3), "x"), b=Step(Identity, "x", "a", join="concat"), c=Step(Conv(4), "b"),
        d=Step(Relu, "a"),
    )  # fmt: skip
    return Network(
        Seq(
            stem=Seq(Conv(8, 3), Norm(), Relu), block=Residual(Seq(a=Conv(8, 3), bn=Norm()), after=Relu),
            mix=Branches(Seq(x=Conv(4)), Seq(y=Pool(3, 1, 1), z=Conv(4, 3))), halves=Split(Identity, Seq(w=Conv(HERE,
            3))),
            shuffle=Shuffle(2), se=Gate(Seq(avg=PoolTo(1), fc=Conv(BACK), gate=Sigmoid)), cell=cell, **END,
        ),
        12, 3, 5, name="mixed",
    )  # fmt: skip


def tapped(where: str) -> Network:
    """A network with an auxiliary head: at the top, in the middle of a container, or at its end."""
    parts = {"a": Conv(4, 3), "b": Conv(6, 3)}
    aux = {"aux": Tap(Seq(**END))}
    if where == "top":
        return Network(Seq(a=parts["a"], **aux, b=parts["b"], **END), 8, 3, 5, name="tapped")
    trunk = Seq(**parts, **aux) if where == "end" else Seq(a=parts["a"], **aux, b=parts["b"])
    return Network(Seq(trunk=trunk, **END), 8, 3, 5, name="tapped")


@pytest.fixture(scope="module")
def resnet() -> Net:
    return build("resnet18", classes=10, seed=0).eval()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def test_a_bare_node_is_built_for_the_side_that_it_is_given() -> None:
    body = Seq(conv=Conv(4, 3), pool=PoolTo(1), flatten=Flatten, fc=Linear(5))
    net = build(body, side=8, channels=2)
    assert net(torch.zeros(1, 2, 8, 8)).shape == (1, 5)
    assert (net.network.classes, net.network.channels) == (5, 2)
    assert build(body, side=8, classes=3)(torch.zeros(1, 3, 8, 8)).shape == (1, 3)
    with pytest.raises(SpecError, match=r"a description without an input size needs side=, in pixels"):
        build(body)


def test_blocks_are_indexed_and_named_as_torchvisions(resnet: Net) -> None:
    theirs = dict(models.resnet18(num_classes=10).named_modules())
    ours = dict(resnet.named_modules())
    for path in ("conv1", "bn1", "layer1", "layer1.0.conv1", "layer2.0.downsample.0", "layer4.1.bn2", "avgpool", "fc"):
        assert type(ours[path]).__name__ == type(theirs[path]).__name__
    assert resnet.layer1[0].conv1 is ours["layer1.0.conv1"]
    assert len(resnet.layer1) == 2
    assert resnet.layer2[0].downsample[1] is ours["layer2.0.downsample.1"]
    assert [type(m) for m in build("vgg11", device="meta").features] == [
        type(m) for m in models.vgg11(init_weights=False).features
    ]


def test_a_container_that_is_no_chain_is_indexed_too() -> None:
    net = build(Network(Branches(Seq(Conv(2)), Seq(**{"1": Conv(3)})), 4))
    assert (net[0].out_channels, net[1].out_channels, len(net)) == (2, 3, 2)
    assert [m.out_channels for m in net] == [2, 3]
    gaps = build(Network(Seq(f=Seq(Conv(2), Identity, Conv(3))), 4))
    assert gaps.f[2].out_channels == 3  # an Identity keeps its number


def test_hooks_fire_and_blocks_run_by_themselves(resnet: Net) -> None:
    shapes: list[tuple[int, ...]] = []
    handle = resnet.layer4.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape)))
    with torch.no_grad():
        resnet(torch.zeros(1, 3, 64, 64))
        handle.remove()
        resnet(torch.zeros(1, 3, 64, 64))
        assert shapes == [(1, 512, 2, 2)]
        x = torch.randn(1, 64, 8, 8)
        block = resnet.layer1[0]
        by_hand = torch.relu(x + block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x))))))
        assert torch.allclose(block(x), by_hand, atol=1e-6)
        assert resnet.layer2[0](x).shape == (1, 128, 4, 4)


@pytest.mark.parametrize(
    "network",
    [mixed(), "lenet5", tapped("top"), tapped("end")],
    ids=["mixed", "lenet5", "top", "end"],
)
def test_exported_programs_give_equal_outputs(network: Network | str) -> None:
    net = build(network, seed=0).eval()
    image = torch.randn(2, *net.graph.input.shape)
    exported = torch.export.export(net, (image,), strict=False)
    assert torch.allclose(exported.module()(image), net(image), atol=1e-6)


def test_a_compiled_network_has_no_graph_break_and_equal_outputs(image: Tensor) -> None:
    net = build(mixed(), seed=0).eval()
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        assert torch.allclose(compiled(image), net(image), atol=1e-6)


@pytest.mark.parametrize("network", [mixed(), tapped("middle")], ids=["mixed", "tapped"])
def test_a_symbolic_trace_gives_equal_outputs(network: Network) -> None:
    net = build(network, seed=0).eval()
    image = torch.randn(2, *net.graph.input.shape)
    traced = torch.fx.symbolic_trace(net)
    assert torch.allclose(traced(image), net(image), atol=1e-6)
    assert {n.target for n in traced.graph.nodes if n.op == "call_module"} >= {"fc"}


def test_a_deep_copy_is_its_own_network(image: Tensor) -> None:
    net = build(mixed(), seed=0).eval()
    twin = copy.deepcopy(net)
    assert torch.equal(twin(image), net(image))
    with torch.no_grad():
        twin.fc.bias += 1
    assert torch.allclose(twin(image), net(image) + 1)
    assert twin.network == net.network
    assert twin.graph == net.graph


def test_a_state_dict_restores_the_outputs(image: Tensor, tmp_path: Any) -> None:
    net, other = build(mixed(), seed=0).eval(), build(mixed(), seed=1).eval()
    assert not torch.allclose(other(image), net(image))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    other.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True))
    assert torch.equal(other(image), net(image))


def test_a_network_trains_and_every_parameter_has_a_gradient(image: Tensor) -> None:
    net = build(mixed(), seed=0)
    net(image).square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert set(without) <= {"stem.0.bias", "block.a.bias"}  # a bias before batch normalisation moves nothing


def test_values_are_freed_as_soon_as_nothing_reads_them() -> None:
    import weakref

    net = build(Network(Seq(a=Scale(), b=Scale(), c=Scale(), **END), 8), seed=0).eval()
    alive: list[weakref.ref[Tensor]] = []
    net.a.register_forward_hook(lambda _m, _i, out: alive.append(weakref.ref(out)))
    gone: list[bool] = []
    net.c.register_forward_hook(lambda _m, _i, _o: gone.append(alive[0]() is None))
    with torch.no_grad():
        net(torch.zeros(1, 3, 8, 8))
    assert gone == [True]


@pytest.mark.parametrize("where", ["top", "middle", "end"])
def test_an_auxiliary_head_answers_in_training_and_does_not_run_in_evaluation(where: str) -> None:
    net = build(tapped(where), seed=0)
    path = "aux" if where == "top" else "trunk.aux"
    head, ran = net.get_submodule(path), []
    head.register_forward_hook(lambda *_: ran.append(True))
    image = torch.randn(3, 3, 8, 8)
    trained = net.train()(image)
    assert list(trained) == ["logits", path]
    assert {key: tuple(t.shape) for key, t in trained.items()} == {"logits": (3, 5), path: (3, 5)}
    assert ran == [True]
    trunk = net if where == "top" else net.trunk
    seen = trunk.b(trunk.a(image)) if where == "end" else trunk.a(image)
    assert torch.allclose(trained[path], head(seen))
    assert torch.allclose(trained["logits"], net.fc(net.flatten(net.pool(trunk.b(trunk.a(image))))))
    ran.clear()
    evaluated = net.eval()(image)
    assert torch.equal(evaluated, trained["logits"])
    assert not ran
    assert head(seen).shape == (3, 5)  # still there to be called by itself


def test_two_towers_are_two_separate_convolutions() -> None:
    net = build("alexnet_2012", device="meta")
    conv = net.conv2
    assert (conv.groups, tuple(conv.weight.shape)) == (2, (256, 48, 5, 5))
    layer = nn.Conv2d(96, 256, 5, padding=2, groups=2).double()
    conv.load_state_dict(layer.state_dict(), assign=True)
    x = torch.randn(1, 96, 9, 9, dtype=torch.float64)
    towers = [
        nn.functional.conv2d(x[:, 48 * t : 48 * (t + 1)], layer.weight[128 * t : 128 * (t + 1)],
        layer.bias[128 * t : 128 * (t + 1)], padding=2)
        for t in (0, 1)
    ]  # fmt: skip
    assert torch.allclose(conv(x), torch.cat(towers, 1), rtol=1e-12)


def test_other_sides_classes_and_channels_make_another_network() -> None:
    net = build("lenet5", classes=3, channels=2, side=36)
    assert net(torch.zeros(4, 2, 36, 36)).shape == (4, 3)
    assert (net.network.classes, net.network.channels, net.network.side) == (3, 2, 36)
    assert net.graph.input.shape == (2, 36, 36)
    assert build("resnet18", classes=2, side=(64, 96))(torch.zeros(2, 3, 64, 96)).shape == (2, 2)


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998"])
def test_a_network_can_be_built_on_another_device(name: str) -> None:
    net = build(name, device="meta")
    assert {t.device.type for t in [*net.parameters(), *net.buffers()]} == {"meta"}
    assert net(torch.zeros(2, 1, 32, 32, device="meta")).shape == (2, 10)
