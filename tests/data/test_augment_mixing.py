"""Colour statistics and noise, mixup and CutMix."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from convsmith.data.augment import Augment, Lighting, Mix
from convsmith.data.augment.draws import normal
from convsmith.data.augment.lighting import IMAGENET
from convsmith.data.augment.mixing import TRIES, beta
from convsmith.data.keyed import keyed_uniforms
from convsmith.spec.errors import DataError


def images(n=6, channels=3, side=8):
    return torch.randint(0, 256, (n, channels, side, side), dtype=torch.uint8, generator=torch.manual_seed(0))


def test_lighting_is_numpys_decomposition():
    x = images(20)
    x[:, 1] = x[:, 0] // 2 + x[:, 1] // 4
    light = Lighting.of(x)
    pixels = x.transpose(0, 1).flatten(1).double().numpy() / 255
    covariance = np.cov(pixels, bias=True)
    rebuilt = sum(v * np.outer(p, p) for v, p in zip(light.values, light.vectors, strict=True))
    assert np.abs(rebuilt - covariance).max() < 1e-5
    assert list(light.values) == sorted(light.values, reverse=True)


def test_lighting_travels_as_json():
    light = Lighting.of(images())
    assert Lighting.from_json(json.loads(json.dumps(light.to_json()))) == light
    for vector in IMAGENET.vectors:
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-3)
    assert abs(sum(a * b for a, b in zip(*IMAGENET.vectors[:2], strict=True))) < 1e-3


def test_lighting_is_of_three_channels():
    with pytest.raises(
        DataError, match=r"^lighting is of RGB images \(N, 3, H, W\), got \(6, 1, 8, 8\); leave colour_"
    ):
        Lighting.of(images(channels=1))
    with pytest.raises(DataError, match=r"^lighting takes three values and three vectors of three, got"):
        Lighting((1.0, 2.0), IMAGENET.vectors)  # type: ignore[arg-type]


def test_normal_draws_are_normal():
    z = normal(keyed_uniforms(0, 0, torch.arange(100_000), 1))
    assert abs(float(z.mean())) < 0.02
    assert float(z.std()) == pytest.approx(1, abs=0.02)
    assert float((z.abs() < 1.959964).double().mean()) == pytest.approx(0.95, abs=0.005)
    assert normal(torch.tensor([0.0, 1 - 2.0**-24])).isfinite().all()


def test_colour_noise_by_hand():
    x, index = torch.full((50, 3, 4, 4), 128, dtype=torch.uint8), torch.arange(50)
    out = Augment(colour_noise=0.1)(x, index, seed=3, epoch=2)
    z = normal(keyed_uniforms(3, 2, index, 12)[:, 9:12])
    p, values = (
        torch.tensor(IMAGENET.vectors).double().T,
        torch.tensor(IMAGENET.values).double(),
    )  # components in columns
    wanted = (p @ (0.1 * z * values).T).T * 255  # [p1, p2, p3] [a1 l1, a2 l2, a3 l3]
    assert torch.equal(out.double(), (128 + wanted.round())[:, :, None, None].expand(50, 3, 4, 4))
    assert (out != x).any()


def test_colour_noise_stops_at_the_ends_and_leaves_grey_alone():
    x, index = images(100), torch.arange(100)
    out = Augment(colour_noise=5.0)(x, index, seed=0, epoch=0)
    change = out.int() - x.int()
    z = normal(keyed_uniforms(0, 0, index, 12)[:, 9:12])
    up = (z * torch.tensor(IMAGENET.values)) @ torch.tensor(IMAGENET.vectors).double() > 0
    assert (change * torch.where(up, 1, -1)[:, :, None, None] >= 0).all()  # nothing wraps round
    grey = images(4, 1)
    assert torch.equal(Augment(colour_noise=0.5)(grey, torch.arange(4), seed=0, epoch=0), grey)


def draws_of(steps):
    return keyed_uniforms(11, 0, torch.arange(steps), 2 * (2 * TRIES + 1))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_beta_distributed(alpha):
    shares = torch.tensor([beta(u, alpha) for u in draws_of(3000)], dtype=torch.float64)
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)
    fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))  # central moment
    assert float(((shares - 0.5) ** 4).mean()) == pytest.approx(fourth, rel=0.12)


def test_a_tiny_alpha_is_all_or_nothing():
    shares = torch.tensor([beta(u, 0.001) for u in draws_of(50)])
    assert shares.isfinite().all()
    assert (torch.minimum(shares, 1 - shares) < 0.01).float().mean() > 0.9


def mixed(mix, step=4, **more):
    x, labels = images(6).clamp(min=1), torch.tensor([0, 1, 2, 3, 4, 4])
    return x, labels, *mix(x, labels, 5, seed=1, epoch=2, step=step, **more)


def test_off_is_the_identity():
    x, labels, out, targets = mixed(Mix())
    assert out is x
    assert targets is labels


def test_mixup_by_hand():
    x, labels, out, targets = mixed(Mix(mixup=0.8))
    share = float(targets[0, 0])
    assert 0 < share < 1
    assert torch.allclose(out, share * x.float() + (1 - share) * x.float().roll(1, 0), atol=1e-3)
    one_hot = torch.eye(5)[labels]
    assert torch.allclose(targets, share * one_hot + (1 - share) * one_hot.roll(1, 0), atol=1e-6)
    assert targets[5].tolist() == pytest.approx([0, 0, 0, 0, 1])  # two of a class


def test_cutmix_by_hand():
    for step in range(20):
        x, _, out, targets = mixed(Mix(cutmix=1.0), step)
        assert out.dtype == torch.uint8
        pasted = (out != x).any(1).any(0)
        rows, cols = pasted.any(1), pasted.any(0)
        hole = rows[:, None] & cols
        assert torch.equal(out, torch.where(hole, x.roll(1, 0), x))
        assert float(targets[1, 1]) == pytest.approx(1 - int(hole.sum()) / 64, abs=1e-6)  # the area that is left
        assert torch.allclose(targets.sum(1), torch.ones(6))


def test_both_take_turns_at_random():
    kinds = [mixed(Mix(0.5, 0.5), step)[2].dtype for step in range(60)]
    assert 15 < sum(kind == torch.uint8 for kind in kinds) < 45


def test_a_part_of_a_batch_is_mixed_like_the_whole():
    for mix in (Mix(mixup=1.0), Mix(cutmix=1.0)):
        x, labels, out, targets = mixed(mix)
        before = (x[1:4], labels[1:4])
        part, part_targets = mix(x[2:5], labels[2:5], 5, seed=1, epoch=2, step=4, others=before)
        assert torch.equal(part, out[2:5])
        assert torch.equal(part_targets, targets[2:5])


def test_keyed_by_seed_epoch_and_step():
    x, labels = images(), torch.arange(6)
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    outs = [Mix(mixup=1.0)(x, labels, 6, seed=s, epoch=e, step=t)[0] for s, e, t in keys]
    assert all(not torch.equal(outs[0], other) for other in outs[1:])
    assert torch.equal(outs[0], Mix(mixup=1.0)(x, labels, 6, seed=0, epoch=0, step=0)[0])


def test_alphas_are_checked():
    with pytest.raises(DataError, match=r"^mixing takes alphas of 0 or more, got Mix\(mixup=-1, cutmix=0.0\)$"):
        Mix(mixup=-1)
