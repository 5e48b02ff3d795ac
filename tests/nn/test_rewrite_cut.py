"""Inner outputs of a network, another head on its weights, and no auxiliary ones."""

from __future__ import annotations

import random
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

import convsmith
from convsmith.nn import Net, build, cut, drop_aux, replace_head
from convsmith.spec import (
    Branches,
    Cell,
    Conv,
    Flatten,
    Linear,
    Network,
    Norm,
    PoolTo,
    Relu,
    Residual,
    Seq,
    SpecError,
    Step,
    Tap,
    UnknownName,
    dumps,
    loads,
    trace,
)
from convsmith.spec.node import Join
from convsmith.spec.trunk import with_head, without_aux
from tests.spec.test_laws import networks

from .rewrites import apart, apart_in_memory, images, lively, snapshot

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]
HEAD = Seq(pool=PoolTo(1), flatten=Flatten, norm=Norm(), fc=Linear(5))


def seen(net: Net, x: Tensor) -> dict[str, Tensor]:
    """What each layer that is a module puts out, by path."""
    found: dict[str, Tensor] = {}

    def watch(path: str) -> Any:
        return lambda _, __, made: found.__setitem__(path, made)

    hooks = [part.register_forward_hook(watch(path)) for path, part in net.named_modules() if path]
    net(x)
    for hook in hooks:
        hook.remove()
    return found


def test_features_are_what_the_stages_put_out_in_the_order_asked_for() -> None:
    net = lively("resnet18", 64)
    before = snapshot(net)
    features = cut(net, "layer3", "layer1", "layer2.0.conv1", "layer4.1.add")
    found, wanted = features(images(net)), seen(net, images(net))
    assert list(found) == ["layer3", "layer1", "layer2.0.conv1", "layer4.1.add"]
    assert all(torch.equal(found[path], wanted[path]) for path in ("layer3", "layer1", "layer2.0.conv1"))
    assert torch.equal(found["layer4.1.add"].relu(), wanted["layer4"])
    assert {path: (sig.channels, sig.stride[0]) for path, sig in features.sigs.items()} == {
        "layer3": (256, 16),
        "layer1": (64, 4),
        "layer2.0.conv1": (128, 8),
        "layer4.1.add": (512, 32),
    }
    assert not features.training
    assert apart_in_memory(features, net, before)


def test_features_hold_only_the_layers_that_are_needed_under_their_own_names() -> None:
    net = lively("resnet18", 64)
    features = cut(net, "layer2.0.bn1")
    state = net.state_dict()
    assert list(features.state_dict()) == [
        key for key in state if re.match(r"conv1|bn1|layer1|layer2\.0\.(conv|bn)1", key)
    ]
    assert all(torch.equal(tensor, state[key]) for key, tensor in features.state_dict().items())
    assert len(list(features.children())) == 6  # conv1, bn1, relu, maxpool, layer1, layer2


def test_features_are_rebuilt_from_the_description_and_the_paths() -> None:
    features = cut(lively("googlenet", 64), "inception4a", "aux1.conv", "inception5b.concat")
    again = cut(build(loads(dumps(features.network))), *features.sigs).double().eval()
    again.load_state_dict(features.state_dict())
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    assert all(torch.equal(a, b) for a, b in zip(again(x).values(), features(x).values(), strict=True))


def test_features_can_be_trained_and_come_from_images_of_any_size() -> None:
    features = cut(build("mobilenet_v2"), "features.3", "features.18").train()
    found = features(torch.randn(2, 3, 96, 64))
    assert [tuple(tensor.shape) for tensor in found.values()] == [(2, 24, 24, 16), (2, 1280, 3, 2)]
    sum(tensor.mean() for tensor in found.values()).backward()
    assert all(parameter.grad is not None for parameter in features.parameters())


PAIR = Cell(("x",), out=("a", "b"), a=Step(Seq(conv=Conv(2)), "x"), b=Step(Branches(p=Conv(2), q=Conv(3)), "x"))


@pytest.mark.parametrize(("paths", "kind", "message"), [
    ((), SpecError, "cut wants one or more paths, each once, got none"),
    (("a", "b", "a"), SpecError, "cut wants one or more paths, each once, got a, b, a"),
    (("b.r",), UnknownName, "b.r: no layer or module has this path; did you mean 'b.q'?"),
    (("zzzzzzz",), UnknownName, "zzzzzzz: no layer or module has this path"),
])  # fmt: skip
def test_paths_that_are_not_there_are_refused(paths: tuple[str, ...], kind: type[SpecError], message: str) -> None:
    net = build(PAIR, side=4)
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        cut(net, *paths)


def test_a_module_of_several_outputs_is_refused_with_their_names() -> None:
    net = build(Seq(s=PAIR, t=Seq(u=Residual(Seq(v=Conv(7), w=Conv(7))), x=Tap(Seq(y=Conv(2))))), side=4)
    message = "t: this module has 2 outputs (t.u.add, t.x.y); name one of them"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        cut(net, "t")
    found = cut(net.eval(), "s", "t.u", "t.x.y")(torch.randn(1, 3, 4, 4))  # an auxiliary head, too
    assert {path: tensor.shape[1] for path, tensor in found.items()} == {"s": 7, "t.u": 7, "t.x.y": 2}


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks())
def test_every_layer_of_every_network_can_be_cut_at(network: Network) -> None:
    net = lively(network)
    wanted = seen(net, images(net))
    paths = [row.path for row in net.graph.rows if row.tap is None and not isinstance(row.node, Join)]
    some = random.Random(4).sample(paths, min(4, len(paths)))
    features = cut(net, *some)
    found = features(images(net))
    assert list(found) == some
    assert all(torch.equal(found[path], wanted[path]) for path in some)
    assert [tensor.shape[1:] for tensor in found.values()] == [sig.shape for sig in features.sigs.values()]
    assert features.state_dict().keys() <= net.state_dict().keys()


FAMILIES = {convsmith.zoo.family(name): name for name in reversed(convsmith.names())}  # the first of each
SIDES = {
    "lenet": 32, "nin": 32, "resnet_cifar": 32, "dcgan": 1, "inception_v3": 299, "inception_v4": 107,
    "inception_resnet_v2": 107, "vgg": 32, "alexnet": 67, "nasnet": 64,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_families_give_features_from_everywhere(family: str) -> None:
    side = 224 if FAMILIES[family] == "googlenet_paper" else SIDES.get(family, 64)
    net = lively(FAMILIES[family], side)
    with torch.no_grad():
        wanted = seen(net, images(net, 1))
        rows = [row for row in net.graph.rows if row.tap is None and not isinstance(row.node, Join)]
        modules = [row.path for row in rows if row.path in wanted]  # a bare parameter is no module
        some = random.Random(4).sample(modules, min(5, len(modules)))
        found = cut(net, *some)(images(net, 1))
    assert all(torch.equal(found[path], wanted[path]) for path in some)


def test_without_auxiliary_heads_the_logits_stay_and_training_gives_them_alone() -> None:
    net = lively("googlenet", 64)
    before = snapshot(net)
    bare = drop_aux(net)
    assert torch.equal(bare(images(net)), net(images(net)))
    assert not any(key.startswith("aux") for key in bare.state_dict())
    assert isinstance(net.train()(images(net)), dict)
    assert isinstance(bare.train()(images(net)), Tensor)
    net.eval().load_state_dict(before)  # training moved the running statistics
    assert bare.network == without_aux(net.network)
    assert trace(loads(dumps(bare.network))) == bare.graph


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks())
def test_every_network_keeps_its_logits_without_auxiliary_heads(network: Network) -> None:
    net = lively(network)
    bare = drop_aux(net)
    assert bare.graph.taps == ()
    assert apart(bare(images(net)), net(images(net))) < 1e-12


def test_another_head_keeps_the_weights_before_it() -> None:
    net = lively(convsmith.spec("resnet18", width=8), 64)
    before = snapshot(net)
    changed = replace_head(net, HEAD, "avgpool", seed=7)
    assert changed.network == with_head(net.network, HEAD, "avgpool")
    assert changed(images(net)).shape == (2, 5)
    same = cut(net, "layer4")(images(net))["layer4"]
    assert torch.equal(cut(changed, "layer4")(images(net))["layer4"], same)
    assert {key.split(".")[0] for key in changed.state_dict().keys() - net.state_dict().keys()} == {"head"}
    again = replace_head(net, HEAD, "avgpool", seed=7)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), changed.parameters(), strict=True))
    other = replace_head(net, HEAD, "avgpool", seed=8)
    assert not torch.equal(other.state_dict()["head.fc.weight"], changed.state_dict()["head.fc.weight"])
    assert {tensor.dtype for tensor in changed.parameters()} == {torch.float64}
    built = build(loads(dumps(changed.network))).double().eval()
    built.load_state_dict(changed.state_dict())
    assert torch.equal(built(images(net)), changed(images(net)))
    assert apart_in_memory(changed, net, before)


def test_a_head_in_the_place_of_one_of_the_same_name_starts_anew() -> None:
    head = Seq(pool=PoolTo(1), flat=Flatten, fc=Linear(3))
    net = build(Network(Seq(conv=Conv(4), head=head), 8, classes=3), seed=1)
    changed, old = replace_head(net, head, "head", seed=2).state_dict(), net.state_dict()
    assert changed.keys() == old.keys()
    assert torch.equal(changed["conv.weight"], old["conv.weight"])
    assert not torch.equal(changed["head.fc.weight"], old["head.fc.weight"])


def test_auxiliary_heads_leave_without_touching_the_net() -> None:
    aux = Tap(Seq(pool=PoolTo(1), flat=Flatten, fc=Linear(3)))
    net = build(Network(Seq(conv=Conv(4), aux=aux, head=HEAD), 8))
    before = snapshot(net)
    assert apart_in_memory(drop_aux(net), net, before)


def test_a_head_may_have_no_weights() -> None:
    net = build("resnet20", seed=1)
    assert replace_head(net, Relu, "avgpool")(torch.randn(2, 3, 32, 32)).shape == (2, 64, 8, 8)


def test_a_detector_of_torchvision_runs_on_our_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(ROOT / "examples/backbone.py"))
    model = example["detector"](build("mobilenet_v3_small"), ("features.3", "features.8", "features.12"), 3, side=96)
    levels = model.backbone(torch.rand(1, 3, 96, 128))
    assert {name: tuple(level.shape) for name, level in levels.items()} == {
        "features.3": (1, 256, 12, 16),
        "features.8": (1, 256, 6, 8),
        "features.12": (1, 256, 3, 4),
        "pool": (1, 256, 2, 2),
    }
    example["main"](side=64)
    said = capsys.readouterr().out
    assert re.fullmatch(
        r"losses: loss_classifier [\d.]+, loss_box_reg [\d.]+, loss_objectness [\d.]+, loss_rpn_box_reg [\d.]+\n"
        r"boxes: \d+, \d+ \(at random: nothing is trained\)\n",
        said,
    )
