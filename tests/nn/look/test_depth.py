"""Statistics by depth against hooks and autograd by hand; and what they say of plain and residual nets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.nn import Net, build
from convsmith.nn.look import by_depth, first_to_last
from convsmith.spec import Flatten, Linear, Network, Relu, Seq, SpecError

from .nets import NETS, blobs, fresh

pytestmark = pytest.mark.usefixtures("one_thread")

Batch = tuple[Tensor, Tensor]


def batch(net: Net, many: int = 8, seed: int = 5) -> Batch:
    return blobs(net, many, seed), torch.arange(many) % net.network.classes


def test_numbers_are_those_of_hooks_and_autograd() -> None:
    net = build(NETS["resnet"], seed=0).double()
    images, labels = batch(net)
    batches = [(images.double(), labels), (images.double().flip(3) * 1.5, labels.flip(0))]
    rows = {row.path: row for row in by_depth(net, batches)}
    assert [row.depth for row in rows.values()] == list(range(1, 9))
    assert list(rows)[:3] == ["conv1", "layer1.0.conv1", "layer1.0.conv2"]
    twin = build(NETS["resnet"], seed=0).double().train()
    outs: dict[str, list[Tensor]] = {}
    for path, part in twin.named_modules():
        part.register_forward_hook(lambda _, __, made, path=path: outs.setdefault(path, []).append(made))
    grads: dict[str, list[Tensor]] = {}
    for x, y in batches:
        loss = F.cross_entropy(twin(x), y)
        for path in rows:
            weight, out = twin.get_submodule(path).weight, outs[path][-1]
            grads.setdefault(path, []).append(torch.cat([
                g.flatten() for g in torch.autograd.grad(loss, [weight, out], retain_graph=True)
            ]))  # fmt: skip
    after = {
        "conv1": ("bn1", "relu"), "layer1.0.conv1": ("layer1.0.bn1", "layer1.0.relu1"),
        "layer1.0.conv2": ("layer1.0.bn2", None), "fc": ("fc", None),
    }  # fmt: skip
    for path, row in rows.items():
        count = twin.get_submodule(path).weight.numel()
        by_weight = torch.stack([g[:count].square().sum() for g in grads[path]]).mean().sqrt()
        by_output = torch.stack([g[count:].square().sum() for g in grads[path]]).mean().sqrt()
        assert row.weight_grad == pytest.approx(float(by_weight), rel=1e-9)
        assert row.weight_grad_rms == pytest.approx(float(by_weight) / count**0.5, rel=1e-9)
        assert row.output_grad == pytest.approx(float(by_output), rel=1e-9)
        elements = grads[path][0].numel() - count
        assert row.output_grad_rms == pytest.approx(float(by_output) / elements**0.5, rel=1e-9)
    for path, (response, active) in after.items():
        values = torch.cat(outs[response]).detach()
        assert rows[path].mean == pytest.approx(float(values.mean()), abs=1e-12)
        assert rows[path].std == pytest.approx(float(values.std(correction=0)), rel=1e-9)
        if active is None:
            assert rows[path].zeros is None
        else:
            zeros = (torch.cat(outs[active]) == 0).double().mean()
            assert rows[path].zeros == pytest.approx(float(zeros), abs=1e-12)
            assert 0.2 < zeros < 0.8


def test_batch_norm_normalises_by_the_batch() -> None:
    net = build(NETS["resnet"], seed=0).eval()
    net.bn1.running_var.fill_(1e6)
    assert by_depth(net, [batch(net)])[0].std == pytest.approx(1, abs=1e-3)


def everything(net: Net) -> list[Any]:
    state = [(key, tensor.clone()) for key, tensor in net.state_dict(keep_vars=True).items()]
    grads = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    return [state, grads, [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_the_net_and_the_generator_stay_to_the_bit(name: str) -> None:
    net = build(NETS[name], seed=0)
    images, labels = batch(net)
    F.cross_entropy(net(images), labels).backward()
    net.eval()
    part = next(iter(net.children()))
    part.train().requires_grad_(False)
    before, generator = everything(net), torch.get_rng_state()
    with torch.no_grad():
        first = by_depth(net, [(images, labels)])
    assert same(everything(net), before)
    assert torch.equal(torch.get_rng_state(), generator)
    assert first == by_depth(net, [(images, labels)])  # dropout draws by the seed
    if name == "vgg":
        assert first != by_depth(net, [(images, labels)], seed=1)
    with pytest.raises(RuntimeError):
        by_depth(net, [(images[:, :1], labels)])
    assert same(everything(net), before)


def test_auxiliary_heads_take_part_in_the_loss_that_is_given_but_are_no_rows() -> None:
    net = fresh("googlenet", side=64, classes=3)
    images, labels = batch(net, 2)
    heard: list[list[str]] = []

    def loss(out: Any, wanted: Tensor) -> Tensor:
        heard.append(list(out))
        return sum((F.cross_entropy(x, wanted) for x in out.values()), torch.zeros(()))

    rows = by_depth(net, [(images, labels)], loss=loss)
    assert len(heard[0]) == 3
    taps = {row.path for row in net.graph.rows if row.tap is not None}
    assert not taps & {row.path for row in rows}
    assert all(row.output_grad > 0 for row in rows)


def test_rows_are_plain_data_and_a_layer_without_weights_of_its_own_says_so() -> None:
    net = fresh("lenet5_1998")
    rows = by_depth(net, [batch(net, 4)])
    last = rows[-1].to_json()
    assert (last["kind"], last["weight_grad"], last["zeros"]) == ("rbf", None, None)
    assert all(isinstance(value, int | float | str | None) for row in rows for value in row.to_json().values())


def test_refusals() -> None:
    net = fresh("lenet5")
    with pytest.raises(SpecError, match="want one batch of images or more, got none"):
        by_depth(net, [])
    none = build(Network(Seq(Flatten, Relu), side=2, classes=12))
    with pytest.raises(SpecError, match="has no convolution or linear layer"):
        by_depth(none, [])
    two = build(Network(Seq(Flatten, Linear(4), Linear(2)), side=2, classes=2), seed=0)
    with pytest.raises(SpecError, match="wants three layers"):
        first_to_last(by_depth(two, [batch(two)]))


def without_norms(net: Net) -> Net:
    for path, part in list(net.named_modules()):
        if isinstance(part, nn.BatchNorm2d):
            parent, _, name = path.rpartition(".")
            setattr(net.get_submodule(parent), name, nn.Identity())
    return net


@pytest.fixture(scope="module")
def digits() -> Batch:
    from convsmith.data import load

    data = load("digits").resized(16)
    rows = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:64]
    return data.preprocess.normalise(data.train.images[rows]), data.train.labels[rows]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_at_initialisation_the_gradients_way_tells_plain56_from_resnet56(digits: Batch, seed: int) -> None:
    """With batch norm it does not vanish (He et al. 2015, section 4.1) but grows backwards, by about
    sqrt(pi / (pi - 1)) = 1.21 a layer (Yang et al. 2019); skips hold that down. Measured: 1.1e4 to 1.4e4 and 47 to 52.
    """
    ways = {
        name: first_to_last(by_depth(build(name, side=16, channels=1, seed=seed), [digits]))
        for name in ("plain56", "resnet56")
    }
    assert ways["plain56"] > 2000
    assert ways["resnet56"] < 200


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_without_norms_and_with_a_small_start_the_plain_nets_gradient_vanishes(digits: Batch, seed: int) -> None:
    """torch's own start has a sixth of He's variance, so that each layer of a plain net shrinks signal and gradient."""
    ways = {
        name: first_to_last(
            by_depth(without_norms(build(name, side=16, channels=1, seed=seed, init="torch")), [digits])
        )
        for name in ("plain56", "resnet56")
    }
    assert ways["plain56"] < 1e-6
    assert ways["resnet56"] > 0.1
