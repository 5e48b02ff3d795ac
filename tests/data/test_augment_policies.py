"""Policies and colours against torchvision's functions, image by image."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms import functional as V
from torchvision.transforms.autoaugment import AutoAugment, AutoAugmentPolicy, TrivialAugmentWide, _apply_op

from convsmith.data.augment import learned, policies
from convsmith.data.augment.colour import jitter
from convsmith.data.augment.draws import whole
from convsmith.data.augment.policies import NAMES, OPERATIONS
from convsmith.data.keyed import keyed_uniforms

TORCHVISION = {
    "identity": "Identity", "shear_x": "ShearX", "shear_y": "ShearY", "translate_x": "TranslateX",
    "translate_y": "TranslateY", "rotate": "Rotate", "brightness": "Brightness", "colour": "Color",
    "contrast": "Contrast", "sharpness": "Sharpness", "posterise": "Posterize", "solarise": "Solarize",
    "autocontrast": "AutoContrast", "equalise": "Equalize", "invert": "Invert",
}  # fmt: skip
GEOMETRIC = {"shear_x", "shear_y", "translate_x", "translate_y", "rotate"}
NEAREST = V.InterpolationMode.NEAREST


def pictures(n=6, channels=3, side=32, seed=0):
    """Smooth and noisy ones, one constant, and one with a narrow range."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, 4, 4, generator=g) * 255
    x = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear")
    x += torch.randn(n, channels, side, side, generator=g) * 20
    x[0] = 77
    x[1] = 100 + x[1] / 10
    return x.clamp(0, 255).to(torch.uint8)


def range_of(name):
    """The strengths of both policies' spaces, with signs."""
    wide = policies.strengths(name, policies.WIDE, 31, fewest_bits=2)
    return torch.cat([wide, -wide]) if name in policies.SIGNED else wide


def differing(name, ours, theirs):
    """Nearest-pixel picks whose source falls within float32's rounding of the middle between two pixels may differ."""
    share = float((ours != theirs).float().mean())
    assert share <= (0.002 if name in GEOMETRIC else 0.0), (name, share)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_every_operation_is_torchvisions(name, channels):
    amounts = range_of(name)
    x = pictures(len(amounts), channels)
    ours = OPERATIONS[name](x, amounts)
    assert ours.dtype == torch.uint8
    theirs = [
        _apply_op(one, TORCHVISION[name], float(amount), interpolation=NEAREST, fill=None)
        for one, amount in zip(x, amounts, strict=True)
    ]
    differing(name, ours, torch.stack(theirs))


@pytest.mark.parametrize("name", ["sharpness", "equalise", "autocontrast", "posterise"])
def test_operations_on_tiny_images(name):
    x = torch.randint(0, 256, (4, 3, 2, 2), dtype=torch.uint8, generator=torch.manual_seed(1))
    amounts = torch.tensor([0.0, 1.0, 4.0, 8.0], dtype=torch.float64)
    amounts = amounts if name == "posterise" else amounts / 10
    theirs = [
        _apply_op(a, TORCHVISION[name], float(m), interpolation=NEAREST, fill=None)
        for a, m in zip(x, amounts, strict=True)
    ]
    assert torch.equal(OPERATIONS[name](x, amounts), torch.stack(theirs))


def test_the_wide_space_is_torchvisions():
    space = TrivialAugmentWide()._augmentation_space(31)
    assert list(space) == [TORCHVISION[name] for name in NAMES[:-1]]
    for name in NAMES[:-1]:
        values, signed = space[TORCHVISION[name]]
        if values.ndim:
            ours = policies.strengths(name, policies.WIDE, 31, fewest_bits=2)
            assert torch.equal(ours, values.double())
        assert signed == (name in policies.SIGNED)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(learned.IMAGENET, AutoAugmentPolicy.IMAGENET), (learned.CIFAR10, AutoAugmentPolicy.CIFAR10)],
)
def test_the_learned_tables_are_torchvisions(ours, theirs):
    table = AutoAugment()._get_policies(theirs)
    assert [tuple((TORCHVISION[name], p, m) for name, p, m in pair) for pair in ours] == table


@pytest.mark.parametrize("channels", [1, 3])
def test_trivial_augment_follows_its_draws(channels):
    x, index = pictures(60, channels), torch.arange(60)
    u = keyed_uniforms(0, 0, index, 3)
    space = TrivialAugmentWide()._augmentation_space(31)
    names = list(space)
    ours = policies.trivial(x, u)
    for i in range(60):
        values, signed = space[names[int(whole(u[i, 0], 14))]]
        amount = float(values[int(whole(u[i, 1], 31))]) if values.ndim else 0.0
        amount = -amount if signed and u[i, 2] < 0.5 else amount
        name = names[int(whole(u[i, 0], 14))]
        differing("rotate", ours[i], _apply_op(x[i], name, amount, interpolation=NEAREST, fill=None))


@pytest.mark.parametrize("policy", ["auto_imagenet", "auto_cifar10"])
def test_auto_augment_follows_its_draws(policy, monkeypatch):
    x, u = pictures(80), keyed_uniforms(3, 1, torch.arange(80), 5)
    ours = policies.learned(x, u, policy)
    peer = AutoAugment(AutoAugmentPolicy.IMAGENET if policy == "auto_imagenet" else AutoAugmentPolicy.CIFAR10)
    applied = 0
    for i in range(80):
        draw = (int(whole(u[i, 0], 25)), u[i, 1:3], (u[i, 3:5] >= 0.5).long())
        monkeypatch.setattr(peer, "get_params", lambda _, draw=draw: draw)
        theirs = peer(x[i])
        differing("rotate", ours[i], theirs)
        applied += not torch.equal(theirs, x[i])
    assert applied > 40


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("amount", [0.4, 1.0])
def test_jitter_is_torchvisions_in_a_fixed_order(amount, channels):
    x, u = pictures(20, channels), keyed_uniforms(1, 1, torch.arange(20), 3)
    ours = jitter(x, u, amount)
    for i in range(20):
        bright, contrast, colour = (float(1 + (2 * d.double() - 1) * amount) for d in u[i])
        theirs = V.adjust_contrast(V.adjust_brightness(x[i], bright), contrast)
        theirs = V.adjust_saturation(theirs, colour)
        assert torch.equal(ours[i], theirs)


def test_every_operation_is_drawn_as_often():
    u = keyed_uniforms(0, 0, torch.arange(14000), 3)
    counts = torch.bincount(whole(u[:, 0], 14), minlength=14)
    assert (counts - 1000).abs().max() < 130  # four standard deviations
