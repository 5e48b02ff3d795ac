"""Whitening: patches come out uncorrelated, by the filters of the authors' code."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import convsmith
from convsmith.data import Data, ImageSet, Preprocess
from convsmith.nn import Net, build
from convsmith.spec import Branches, Conv, Flatten, Linear, Network, PoolTo, Relu, Seq
from convsmith.spec.errors import TrainingError
from convsmith.train import find_lr, override, recipe, train
from convsmith.train.whiten import EPS, IMAGES, whiten

PREPROCESS = Preprocess(12, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26))


def network(maps: int = 24, kernel: int = 2, *, bias: bool = True, stride: int = 1) -> Net:
    body = Seq(
        stem=Conv(maps, kernel, stride, pad=0, bias=bias), act=Relu, pool=PoolTo(1), flatten=Flatten, fc=Linear(3)
    )
    return build(Network(body, side=12, classes=3), seed=0)


def stem(net: Net) -> nn.Conv2d:
    layer = net.get_submodule("stem")
    assert isinstance(layer, nn.Conv2d)
    return layer


def filters(net: Net) -> Tensor:
    return stem(net).weight.detach()


def photographs(count: int = 40, seed: int = 0) -> Tensor:
    """Neighbouring pixels and channels go together, as in photographs."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator) + torch.rand(count, 1, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=12, mode="bilinear")
    return (smooth * 110 + 20 * torch.rand(count, 3, 12, 12, generator=generator)).clamp(0, 255).to(torch.uint8)


def authors(images: Tensor, side: int) -> Tensor:
    """What KellerJordan/cifar10-airbench computes in `get_whitening_parameters` and `init_whitening_conv`."""
    patches = images.unfold(2, side, 1).unfold(3, side, 1).permute(0, 3, 2, 1, 4, 5).reshape(-1, 3 * side * side)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches), UPLO="U")
    scaled = vectors.T.reshape(-1, 3, side, side).flip(0) / (values.flip(0).view(-1, 1, 1, 1) + 5e-4).sqrt()
    return torch.cat((scaled, -scaled))


def apart(found: Tensor, wanted: Tensor) -> float:
    """Largest relative difference of filters; an eigenvector's sign is free, as a layer has both."""
    ways = torch.stack([(found - wanted).flatten(1).norm(dim=1), (found + wanted).flatten(1).norm(dim=1)])
    return float((ways.amin(0) / wanted.flatten(1).norm(dim=1)).max())


def test_the_filters_are_the_authors() -> None:
    net, images = network(), photographs()
    whiten(net, images, PREPROCESS)
    found = filters(net)
    wanted = authors(PREPROCESS.normalise(images).double(), 2).float()
    assert apart(found, wanted) < 1e-4
    assert torch.equal(found[:12], -found[12:])


@pytest.mark.parametrize("kernel", [2, 3])
def test_patches_come_out_uncorrelated(kernel: int) -> None:
    size = 3 * kernel * kernel
    net, images = network(2 * size, kernel), photographs()
    whiten(net, images, PREPROCESS)
    out = stem(net)(PREPROCESS.normalise(images))[:, :size]
    flat = out.transpose(0, 1).flatten(1).double()
    covariance = (flat @ flat.T / flat.shape[1]).detach()
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-4
    assert covariance.diag().min() > 0.5  # 1, but for EPS
    assert covariance.diag().max() <= 1 + 1e-4
    assert EPS < 1e-3


def test_a_narrow_layer_gets_the_largest_axes() -> None:
    wide, narrow = network(24), network(8, bias=False)
    whiten(wide, photographs(), PREPROCESS)
    whiten(narrow, photographs(), PREPROCESS)
    assert torch.equal(filters(narrow), torch.cat([filters(wide)[:4], -filters(wide)[:4]]))


def test_the_bias_learns_and_the_filters_do_not() -> None:
    net = network()
    bias = stem(net).bias
    assert bias is not None
    nn.init.ones_(bias)
    whiten(net, photographs(), PREPROCESS)
    frozen = [name for name, weight in net.named_parameters() if not weight.requires_grad]
    assert frozen == ["stem.weight"]
    assert not bias.any()


def test_images_sorted_by_class_are_all_looked_at() -> None:
    first, last = photographs(7), photographs(7, seed=1) // 2
    times = IMAGES // 14 + 100  # 12 % more than are looked at
    repeated = torch.cat([first.repeat(times, 1, 1, 1), last.repeat(times, 1, 1, 1)])
    nets = network(), network()
    whiten(nets[0], repeated, PREPROCESS)
    whiten(nets[1], torch.cat([first, last]), PREPROCESS)
    assert apart(*map(filters, nets)) < 0.02


def test_grey_images_and_constant_ones() -> None:
    grey = build(convsmith.spec("lenet5"), channels=1, side=32, seed=0)
    whiten(grey, torch.full((4, 1, 32, 32), 7, dtype=torch.uint8), Preprocess(32, (0.5,), (0.5,)))
    assert all(weight.isfinite().all() for weight in grey.parameters())


@pytest.mark.parametrize("maps", [26, 23])
def test_filters_that_do_not_come_out_even_are_refused(maps: int) -> None:
    net = network(maps)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    with pytest.raises(TrainingError, match=f"24 filters, in pairs, for 2x2 patches of 3 channels, but .* has {maps}"):
        whiten(net, photographs(), PREPROCESS)
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


def test_a_network_that_begins_otherwise_is_refused() -> None:
    forked = Seq(Branches(Seq(a=Conv(4, 3)), Seq(b=Conv(4, 1))), PoolTo(1), Flatten, Linear(3))
    grouped = Seq(Conv(6, 2, groups=3), PoolTo(1), Flatten, Linear(3))
    for body in (forked, grouped, Seq(Flatten, Linear(3))):
        with pytest.raises(TrainingError, match="does not begin with one convolution of all channels"):
            whiten(build(Network(body, side=12, classes=3), seed=0), photographs(), PREPROCESS)


def small(seed: int = 0) -> Data:
    images = photographs(60, seed)
    sets = [ImageSet(images[a:b], torch.arange(b - a) % 3, tuple(map(str, range(a, b)))) for a, b in PARTS]
    return Data("photographs", *sets, ("a", "b", "c"), PREPROCESS, True, (), "")


PARTS = ((0, 40), (40, 50), (50, 60))
WHITENING = override(recipe("fast"), {"epochs": 2, "batch": 10})


def test_a_training_keeps_the_filters_and_then_lets_them_go() -> None:
    net, other = network(), network()
    train(net, small(), WHITENING, seed=3)
    whiten(other, small().train.images, PREPROCESS)
    assert torch.equal(filters(net), filters(other))
    assert all(weight.requires_grad for weight in net.parameters())
    assert not torch.equal(net.get_submodule("fc").weight, other.get_submodule("fc").weight)  # type: ignore[arg-type]


def test_the_search_for_a_rate_whitens_a_copy() -> None:
    net = network()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    white, plain = (find_lr(net, small(), override(WHITENING, {"whiten": on}), steps=20) for on in (True, False))
    assert white.losses[0] != plain.losses[0]
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
    assert all(weight.requires_grad for weight in net.parameters())
