"""Random-resized crops: the rectangles by torchvision's rule, the pixels by torch's antialiased resize."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import resized_crop

from convsmith.data import Augment
from convsmith.data.augment import resample as module
from convsmith.data.augment.boxes import crops
from convsmith.data.augment.resample import resample, resize
from convsmith.data.keyed import keyed_uniforms

GOOGLENET = {"area": (0.08, 1.0), "aspect": (3 / 4, 4 / 3)}


def pictures(n, side, channels=3):
    g = torch.Generator().manual_seed(side)
    smooth = F.interpolate(torch.rand(n, channels, 5, 5, generator=g) * 255, size=side, mode="bilinear")
    return (smooth + torch.randn(n, channels, side, side, generator=g) * 30).clamp(0, 255).to(torch.uint8)


def boxes(n, side, seed=0):
    u = keyed_uniforms(seed, 0, torch.arange(n), 22)
    return crops(u[:, :20], u[:, 20:], side, **GOOGLENET)


def exactly(image, box, side):
    """float64."""
    left, top, width, height = box.tolist()
    cut = image[:, top : top + height, left : left + width].double()[None]
    return F.interpolate(cut, size=(side, side), mode="bilinear", antialias=True)[0]


@pytest.mark.parametrize(("canvas", "side"), [(40, 32), (64, 56), (64, 17), (50, 50), (9, 30), (90, 8), (5, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_torchs(canvas, side, channels):
    """Half a unit of rounding, and weights of 11 bits: 0.6. torchvision rounds between rows and columns too: 1 unit."""
    x, rectangles = pictures(12, canvas, channels), boxes(12, canvas)
    ours = resample(x, rectangles, side)
    for image, box, out in zip(x, rectangles, ours, strict=True):
        left, top, width, height = box.tolist()
        theirs = resized_crop(image, top, left, height, width, [side, side], antialias=True)
        assert (out.double() - exactly(image, box, side)).abs().max() <= 0.6 + 1e-6
        assert (out.int() - theirs.int()).abs().max() <= 1


def test_whole_images_and_constant_ones_are_kept():
    x = pictures(3, 20)
    full = torch.tensor([[0, 0, 20, 20]] * 3)
    assert torch.equal(resample(x, full, 20), x)
    flat = torch.full((5, 3, 40, 40), 255, dtype=torch.uint8)
    assert torch.equal(resample(flat, boxes(5, 40), 24), flat[..., :24, :24])


def test_neither_company_nor_chunks_nor_blocks_matter(monkeypatch):
    x, rectangles = pictures(15, 48), boxes(15, 48)
    whole = resample(x, rectangles, 36)
    single = torch.cat([resample(x[i : i + 1], rectangles[i : i + 1], 36) for i in range(15)])
    assert torch.equal(whole, single)
    monkeypatch.setattr(module, "BLOCK", 7)
    monkeypatch.setattr(module, "CHUNK_PIXELS", 1)
    assert torch.equal(whole, resample(x, rectangles, 36))


def test_rectangles_follow_torchvisions_rule(monkeypatch):
    """Its generator is made to give our draws: areas, aspects, then places."""
    n, side = 300, 37
    u = keyed_uniforms(4, 0, torch.arange(n), 22)
    ours = crops(u[:, :20], u[:, 20:], side, **GOOGLENET)
    log = torch.log(torch.tensor(GOOGLENET["aspect"])).double()
    for i in range(n):
        values = iter([v for k in range(10) for v in (float(u[i, k]), float(u[i, 10 + k]))])
        places = iter([float(u[i, 21]), float(u[i, 20])])  # down, then across
        monkeypatch.setattr(torch.Tensor, "uniform_", lambda t, a, b, v=values: t.fill_(float(a + next(v) * (b - a))))
        monkeypatch.setattr(torch, "randint", lambda a, b, size, v=places: torch.tensor([int(next(v) * b)]))
        top, left, height, width = RandomResizedCrop.get_params(pictures(1, side)[0], (0.08, 1.0), (3 / 4, 4 / 3))
        assert ours[i].tolist() == [left, top, width, height]
    assert float(log[1] - log[0]) == pytest.approx(2 * math.log(4 / 3))


@pytest.mark.parametrize(
    ("aspect", "middle"), [((2.0, 3.0), (20, 10)), ((0.25, 0.5), (10, 20)), ((0.9, 3.0), (20, 20))]
)
def test_central_crop_where_nothing_fits(aspect, middle, monkeypatch):
    u = torch.full((1, 22), 0.999)
    if aspect[1] > 2.5:
        u[:, 10:20] = 0.999  # the widest
    else:
        u[:, 10:20] = 0.0  # the tallest
    left, top, width, height = crops(u[:, :20], u[:, 20:], 20, area=(1.0, 1.0), aspect=aspect)[0].tolist()
    assert (width, height) == middle
    assert (left, top) == ((20 - width) // 2, (20 - height) // 2)


@pytest.mark.parametrize("side", [5, 16, 24, 40])
def test_resize_of_a_whole_batch(side):
    x = pictures(4, 24)
    exact = F.interpolate(x.double(), size=(side, side), mode="bilinear", antialias=True)
    assert (resize(x, side).double() - exact).abs().max() <= 1.1  # rounded twice


def test_side_and_window_are_two_things():
    x, index = pictures(6, 32), torch.arange(6)
    window = Augment(window=28)(x, index, seed=0, epoch=0)
    small = Augment(window=28, side=14)(x, index, seed=0, epoch=0)
    assert window.shape[-1] == 28
    assert torch.equal(small, resize(window, 14))  # the same place, seen at a lower resolution
    assert Augment(side=20)(x, index, seed=0, epoch=0).shape == (6, 3, 20, 20)
    stretched = Augment(area=(0.08, 1.0), side=20, flip=True)(x, index, seed=0, epoch=0)
    assert (stretched.shape, stretched.dtype) == ((6, 3, 20, 20), torch.uint8)
    assert Augment(area=(0.3, 0.5))(x, index, seed=0, epoch=0).shape == x.shape
