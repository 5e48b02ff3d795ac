"""Evaluation protocols against plain torch and torchvision code on the same weights, in double precision."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.transforms import FiveCrop, TenCrop
from torchvision.transforms.v2 import functional as tv

import convsmith
from convsmith.data import Preprocess
from convsmith.data.images import Kept, Originals
from convsmith.data.pictures import Pictures
from convsmith.nn import build
from convsmith.spec import (
    AvgPool,
    Branches,
    Conv,
    Flatten,
    Linear,
    Network,
    Norm,
    Pool,
    PoolTo,
    Rbf,
    Relu,
    Seq,
    SpecError,
    UnknownName,
)
from convsmith.spec.errors import DataError
from convsmith.train import Execution, Trained, Watch
from convsmith.train.evaluate import logits_of
from convsmith.train.protocols import PROTOCOLS, probabilities
from convsmith.train.protocols.batches import SHAPES, View, batches
from convsmith.train.protocols.views import scaled
from convsmith.train.protocols.wide import pools_whole

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("a", "b", "c")
BODY = {"conv1": Conv(6, 3, pad=0), "act1": Relu, "pool1": Pool(2), "conv2": Conv(8, 3, pad=0), "act2": Relu}
POOLED = Seq(conv1=Conv(8, 3), bn=Norm(), act1=Relu, conv2=Conv(8, 3, 2), act2=Relu, pool=PoolTo(1), flat=Flatten,
             fc=Linear(3))  # fmt: skip
LINEAR = Seq(**BODY, flat=Flatten, fc1=Linear(9), act3=Relu, fc2=Linear(3))
ADAPTIVE = Seq(**BODY, pool=PoolTo(2), flat=Flatten, fc=Linear(3))
SHAPES_SEEN = ((40, 61), (61, 40), (40, 40), (17, 13), (64, 32))


class Listed(Originals):
    """Pictures of many shapes in a list; counts how many were read."""

    def __init__(self, images: list[Tensor]) -> None:
        self.images, self.read = images, 0

    def at(self, preprocess: Preprocess, rows: slice = slice(None)) -> Tensor:
        return torch.cat([preprocess.resize(image[None]) for image in self.images[rows]])

    def ready(self, side: int) -> bool:
        return False


class Shown(Pictures):
    """Pictures from a list."""

    def original(self, i: int) -> Tensor:
        self.originals.read += 1
        return self.originals.images[i]


def pictures_of(shapes=SHAPES_SEEN, channels=3, seed=0) -> Shown:
    generator = torch.Generator().manual_seed(seed)
    images = [torch.randint(0, 256, (channels, *shape), generator=generator, dtype=torch.uint8) for shape in shapes]
    labels = torch.arange(len(images)) % 3
    return Shown(labels, tuple(f"p{i}" for i in range(len(images))), CLASSES, Listed(images), channels)


def trained(body=POOLED, side=28, *, channels=3, double=True, seed=1) -> Trained:
    net = build(Network(body, side, channels, 3, name="mine"), seed=seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
        if isinstance(module, nn.Linear):
            module.weight.data.mul_(4)  # else all answers are about the same
    preprocess = Preprocess(side, (0.4, 0.5, 0.6)[:channels], (0.2, 0.3, 0.25)[:channels])
    return Trained((net.double() if double else net).eval(), preprocess, CLASSES)


def grown(image: Tensor, short: int) -> Tensor:
    """Independent of ours: torchvision's resize, the long side rounded half up."""
    height, width = image.shape[1:]
    long = int(max(height, width) * short / min(height, width) + 0.5)
    size = [short, long] if height <= width else [long, short]
    return tv.resize(image.float(), size, antialias=True).round().clamp(0, 255)


def softmax(model: Trained, views: Tensor) -> Tensor:
    """Views 0..255 (n, C, h, w) -> probabilities float64."""
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (model.preprocess.mean, model.preprocess.std))
    with torch.no_grad():
        return model.net(((views / 255 - mean) / std).double()).softmax(1)


def check(found: Tensor, wanted: list[Tensor]) -> None:
    assert found.dtype == torch.float32
    stacked = torch.stack(wanted)
    assert (found.double() - stacked).abs().max() < 2e-7  # float32's own rounding
    assert stacked.std(0).max() > 1e-3  # pictures are told apart
    assert torch.allclose(found.sum(1), torch.ones(len(found)))


def test_centre_is_what_evaluation_does():
    model, pictures = trained(double=False), pictures_of()
    found = probabilities(model, pictures)
    images = pictures.at(model.preprocess)
    assert torch.allclose(found, logits_of(model.net, images, model.preprocess).softmax(1), atol=1e-6)


@pytest.mark.parametrize("flip", [True, False])
def test_ten_crop_equals_torchvisions(flip):
    model, pictures = trained(), pictures_of()
    crops = TenCrop(28) if flip else FiveCrop(28)
    wanted = []
    for image in pictures.originals.images:
        square = tv.center_crop(grown(image, 32), [32, 32])
        wanted.append(softmax(model, torch.stack(crops(square))).mean(0))
    check(probabilities(model, pictures, "ten-crop", flip=flip), wanted)


def test_multi_crop_equals_the_144_crops_made_by_hand():
    model, pictures = trained(), pictures_of()
    wanted = []
    for image in pictures.originals.images:
        views = []
        for short in (32, 36, 40, 44):
            whole = grown(image, short)
            height, width = whole.shape[1:]
            starts = [0, (max(height, width) - short) // 2, max(height, width) - short]
            for start in starts:
                square = whole[:, :, start : start + short] if width > height else whole[:, start : start + short]
                views += [*FiveCrop(28)(square), tv.resize(square, [28, 28], antialias=True).round().clamp(0, 255)]
        every = torch.stack(views)
        assert len(every) == 72
        wanted.append(softmax(model, torch.cat([every, every.flip(3)])).mean(0))
    check(probabilities(model, pictures, "multi-crop"), wanted)
    preprocess = model.preprocess
    counts = [len(list(PROTOCOLS["multi-crop"].views(image, preprocess))) for image in pictures.originals.images]
    assert counts == [72, 72, 24, 72, 72]


@pytest.mark.parametrize(("body", "side", "jump"), [(LINEAR, 14, 2), (ADAPTIVE, 14, 4)])
def test_dense_equals_a_window_moved_by_hand(body, side, jump):
    model, pictures = trained(body, side), pictures_of()
    wanted = []
    for image in pictures.originals.images:
        parts = []
        for short in (side, round(side * 8 / 7), round(side * 9 / 7)):
            for whole in (grown(image, short), grown(image, short).flip(2)):
                mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (model.preprocess.mean, model.preprocess.std))
                windows = ((whole / 255 - mean) / std).double().unfold(1, side, jump).unfold(2, side, jump)
                crops = windows.permute(1, 2, 0, 3, 4).reshape(-1, 3, side, side)
                with torch.no_grad():
                    scores = model.net(crops)
                parts.append(scores.mean(0).softmax(0))  # scores over positions, probabilities over the rest
        wanted.append(torch.stack(parts).mean(0))
    check(probabilities(model, pictures, "dense"), wanted)


def test_dense_with_global_pooling_pools_the_whole_picture():
    model, pictures = trained(), pictures_of()
    wanted = []
    for image in pictures.originals.images:
        wholes = [grown(image, short) for short in (28, 32, 36)]
        wanted.append(torch.cat([softmax(model, w[None]) for whole in wholes for w in (whole, whole.flip(2))]).mean(0))
    check(probabilities(model, pictures, "dense"), wanted)


def test_which_networks_pool_the_whole_picture():
    for name, wanted in {
        "resnet50": True,
        "mobilenet_v2": True,
        "nin_cifar": True,
        "vgg11": False,
        "alexnet": False,
    }.items():
        assert pools_whole(convsmith.spec(name)) == wanted, name
    window = Seq(conv=Conv(4, 3), pool=AvgPool(8), flat=Flatten, fc=Linear(3))
    assert not pools_whole(Network(window, 8, 3, 3))  # one window at 8, at 9 too, and more at 16


@pytest.mark.parametrize("protocol", ["centre", "ten-crop", "multi-crop", "dense"])
@pytest.mark.parametrize("side", [8, 32])
def test_small_grey_images_are_enlarged(protocol, side):
    model = trained(side=side, channels=1)
    images = torch.randint(0, 256, (5, 1, 8, 8), generator=torch.manual_seed(3), dtype=torch.uint8)
    pictures = Pictures(torch.zeros(5, dtype=torch.int64), tuple("vwxyz"), CLASSES, Kept(images), 1)
    found = probabilities(model, pictures, protocol)
    assert torch.allclose(found.sum(1), torch.ones(5))


def test_sizes_are_the_papers_at_224_and_scale_with_the_side():
    assert [scaled(size, 224) for size in (224, 256, 288, 320, 352)] == [224, 256, 288, 320, 352]
    assert [scaled(size, 32) for size in (224, 256, 288, 320, 352)] == [32, 37, 41, 46, 50]
    assert [scaled(size, 8) for size in (224, 256, 288)] == [8, 9, 10]


@pytest.mark.parametrize("protocol", ["ten-crop", "dense"])
def test_batches_are_small_and_pictures_are_read_as_they_are_needed(protocol):
    model, pictures = trained(), pictures_of(shapes=((40, 61),) * 12)
    seen = []
    model.net.register_forward_pre_hook(lambda net, given: seen.append((given[0].shape, pictures.originals.read)))
    small = probabilities(model, pictures, protocol, batch=8)
    most = 8 * 28 * 28
    assert all(shape[0] * shape[2] * shape[3] <= max(most, 2 * shape[2] * shape[3]) for shape, _ in seen)
    assert seen[0][1] <= 4
    assert pictures.originals.read == 12
    assert torch.allclose(small, probabilities(model, pictures, protocol, batch=1000), atol=1e-7)


SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6))


@settings(deadline=None, max_examples=80)
@example([(1, width) for width in range(1, 60)], 60)
@given(st.lists(SIZES, max_size=60), st.integers(1, 100))
def test_every_view_comes_once_in_batches_of_one_shape_and_few_wait(shapes, room):
    areas = [height * width for height, width in shapes]
    got: list[int] = []

    def views():
        for i, shape in enumerate(shapes):
            assert sum(areas[:i]) - sum(areas[k] for k in got) <= SHAPES * room
            yield View(i, 1, torch.zeros(1, *shape, dtype=torch.uint8))

    for batch in batches(views(), room):
        assert len({tuple(view.pixels.shape) for view in batch}) == 1
        assert len(batch) == 1 or sum(view.area for view in batch) <= room
        got += [view.owner for view in batch]
    assert sorted(got) == list(range(len(shapes)))


class Heard(Watch):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.said = []

    def start(self, title, steps, done):
        self.said.append((title, steps, done))

    def step(self, epoch, loss, top1, images_per_s):
        self.said.append((loss, top1))
        assert images_per_s > 0

    def epoch(self, record):
        raise AssertionError

    def note(self, text):
        raise AssertionError

    def stop(self):
        self.said.append("stop")


def test_a_watch_hears_of_each_picture_with_loss_and_top1_so_far():
    model, pictures, heard = trained(), pictures_of(), Heard()
    found = probabilities(model, pictures, "ten-crop", watch=heard)
    assert heard.said[0] == ("ten-crop", 5, 0)
    assert heard.said[-1] == "stop"
    assert len(heard.said) == 7
    loss, top1 = heard.said[-2]
    own = found[torch.arange(5), pictures.labels]
    assert loss == pytest.approx(float(-own.log().mean()), rel=1e-5)
    assert top1 == pytest.approx(float((found.argmax(1) == pictures.labels).float().mean()))


def test_the_network_stays_as_it_was_even_after_an_error():
    model, pictures, heard = trained(double=False), pictures_of(), Heard()
    model.net.train()
    model.net.bn.eval()  # frozen
    modes = [module.training for module in model.net.modules()]
    before = {key: tensor.clone() for key, tensor in model.net.state_dict().items()}
    threads = torch.get_num_threads()
    for execution in (None, Execution(channels_last=True, fused=True, threads=2)):
        for protocol in PROTOCOLS:
            probabilities(model, pictures, protocol, execution=execution)
    pictures.originals.images[3] = torch.zeros(3, 0, 0, dtype=torch.uint8)
    with pytest.raises(ZeroDivisionError):
        probabilities(model, pictures, "ten-crop", watch=heard)
    assert heard.said[-1] == "stop"
    assert [module.training for module in model.net.modules()] == modes
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.net.state_dict().items())
    assert model.net.conv1.weight.is_contiguous()
    assert not any("forward" in vars(module) for module in model.net.modules())
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("body", [POOLED, LINEAR])
@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_an_execution_changes_the_rounding_alone(body, protocol):
    model, pictures = trained(body, double=False), pictures_of()
    usual = probabilities(model, pictures, protocol)
    same = probabilities(model, pictures, protocol, execution=Execution(channels_last=True))
    assert torch.allclose(same, usual, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of processors without bfloat16
        low = probabilities(model, pictures, protocol, execution=Execution(precision="bfloat16", channels_last=True))
    assert torch.allclose(low, usual, atol=0.05)
    assert not torch.equal(low, usual)


def test_refusals_of_the_question():
    model, pictures = trained(), pictures_of()
    with pytest.raises(UnknownName) as caught:
        probabilities(model, pictures, "tencrop")
    assert str(caught.value) == (
        "no protocol is called 'tencrop'; did you mean 'ten-crop'?; there are centre, ten-crop, multi-crop, dense"
    )
    with pytest.raises(DataError, match="have 1 channel and the network reads 3"):
        probabilities(model, pictures_of(channels=1), "ten-crop")
    with pytest.raises(DataError, match=r"the pictures' classes 'd' are not in the class map \('a', 'b', 'c'\)"):
        probabilities(model, replace(pictures, classes=("a", "b", "d")))
    with pytest.raises(DataError, match=r"class map \('b', 'a', 'c'\) is not the network's \('a', 'b', 'c'\)"):
        probabilities(model, pictures.under(("b", "a", "c")))


def test_a_network_that_cannot_slide_is_refused_by_its_layer():
    body = Seq(conv=Conv(4, 3), flat=Flatten, fc=Linear(6), codes=Rbf(3))
    with pytest.raises(SpecError) as caught:
        probabilities(trained(body, 8, double=False), pictures_of(), "dense")
    assert str(caught.value) == (
        "mine cannot slide over whole pictures (codes: rbf has no convolution as its equal); take the protocol "
        "'ten-crop' or 'multi-crop' instead"
    )
    body = Seq(two=Branches(a=Conv(2, 3, 2), b=Pool(2)), pool=PoolTo(1), flat=Flatten, fc=Linear(3))
    with pytest.raises(SpecError, match=r"^mine cannot take a picture of 9×14 \(two.*\); take the protocol 'ten-crop'"):
        probabilities(trained(body, 8, double=False), pictures_of(), "dense")
