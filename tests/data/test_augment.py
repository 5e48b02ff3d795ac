"""Each transform by hand, and all of them keyed by sample."""

from __future__ import annotations

import pytest
import torch

from convsmith.data import Augment
from convsmith.data.augment import cut, move, warp
from convsmith.data.keyed import keyed_uniforms
from convsmith.spec.errors import DataError

NO = torch.tensor([False])
YES = torch.tensor([True])


def images(n=1, channels=3, side=6, seed=0):
    return torch.randint(1, 256, (n, channels, side, side), dtype=torch.uint8, generator=torch.manual_seed(seed))


def still(*shift):
    return torch.tensor([shift or (0, 0)])


def warped(x, *, mirror=NO, shift=None, angle=0.0, factor=1.0):
    return warp(
        x, mirror, still() if shift is None else shift, angle=torch.tensor([angle]), factor=torch.tensor([factor])
    )


def test_move_by_hand():
    x = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.uint8)[None, None]
    assert move(x, NO, still(1, 0))[0, 0].tolist() == [[0, 1, 2], [0, 4, 5], [0, 7, 8]]
    assert move(x, NO, still(-1, 1))[0, 0].tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]
    assert move(x, YES, still(0, 0))[0, 0].tolist() == [[3, 2, 1], [6, 5, 4], [9, 8, 7]]
    assert move(x, YES, still(1, 0))[0, 0].tolist() == [[0, 3, 2], [0, 6, 5], [0, 9, 8]]  # mirrored first
    assert move(x, NO, still(5, 0)).sum() == 0


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, -2), (3, 2)])
@pytest.mark.parametrize("mirror", [NO, YES])
def test_warp_agrees_with_move_on_whole_pixels(mirror, shift):
    x = images()
    exact = move(x, mirror, still(*shift)).float()
    assert torch.allclose(warped(x, mirror=mirror, shift=still(*shift)), exact, atol=2e-2)


def test_rotation_is_counter_clockwise():
    x = images()
    for quarter in (1, 2, 3):
        assert torch.allclose(warped(x, angle=90.0 * quarter), torch.rot90(x, quarter, (2, 3)).float(), atol=2e-2)


def test_mirror_comes_before_rotation_and_rotation_before_shift():
    x = images()
    turned = torch.rot90(x.flip(3), 1, (2, 3))
    assert torch.allclose(warped(x, mirror=YES, angle=90.0), turned.float(), atol=2e-2)
    moved = warped(x, angle=90.0, shift=still(2, 0))
    assert torch.allclose(moved, move(torch.rot90(x, 1, (2, 3)), NO, still(2, 0)).float(), atol=2e-2)


def test_scale_by_hand():
    x = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    x[..., 3:5, 3:5] = 200
    # grown by two: output pixel centres at -0.25 and 0.25 around the middle fall inside the square
    grown = warped(x, factor=2.0)[0, 0]
    assert grown[3:5, 3:5].allclose(torch.full((2, 2), 200.0), atol=1e-2)
    assert grown[2, 3].item() == pytest.approx(150, abs=1e-2)  # 0.75 from the middle: a quarter of the way out
    assert float(grown.sum()) == pytest.approx(4 * float(x.sum()), rel=1e-3)
    shrunk = warped(torch.full((1, 1, 8, 8), 100, dtype=torch.uint8), factor=0.5)[0, 0]
    assert shrunk[0].sum() == 0  # what comes in from outside is zero
    assert shrunk[3:5, 3:5].allclose(torch.full((2, 2), 100.0), atol=1e-2)


def test_cut_by_hand():
    x = torch.ones(1, 2, 5, 5, dtype=torch.uint8)
    hole = cut(x, torch.tensor([2]), torch.tensor([1]), 3)
    assert hole[0, 0].tolist() == [[1, 0, 0, 0, 1]] * 3 + [[1, 1, 1, 1, 1]] * 2
    assert torch.equal(hole[0, 0], hole[0, 1])
    corner = cut(x, torch.tensor([4]), torch.tensor([0]), 2)  # clipped: rows -1..0, columns 3..4
    assert corner[0, 0].tolist() == [[1, 1, 1, 0, 0]] + [[1, 1, 1, 1, 1]] * 4
    assert torch.equal(x, torch.ones_like(x))  # the input stays


def test_off_is_the_identity():
    x = images(4)
    assert torch.equal(Augment()(x, torch.arange(4), seed=0, epoch=0), x)


def test_shift_and_flip_are_exact_and_follow_the_draws():
    x, index = images(64), torch.arange(100, 164)
    out = Augment(shift=2, flip=True)(x, index, seed=3, epoch=4)
    assert out.dtype == torch.uint8
    u = keyed_uniforms(3, 4, index, 3)
    for i in range(64):
        one = x[i].flip(2) if u[i, 0] < 0.5 else x[i]
        right, down = (int(5 * u[i, k]) - 2 for k in (1, 2))
        padded = torch.nn.functional.pad(one, (2, 2, 2, 2))
        assert torch.equal(out[i], padded[:, 2 - down : 8 - down, 2 - right : 8 - right])


def test_every_shift_is_as_likely():
    x = torch.zeros(5000, 1, 9, 9, dtype=torch.uint8)
    x[:, :, 4, 4] = 1
    out = Augment(shift=1)(x, torch.arange(5000), seed=0, epoch=0)
    hits = out.sum(0)[0, 3:6, 3:6].float()
    assert hits.sum() == 5000
    assert (hits - 5000 / 9).abs().max() < 100


def test_half_are_mirrored():
    x = images(1).expand(4000, -1, -1, -1)
    out = Augment(flip=True)(x, torch.arange(4000), seed=0, epoch=0)
    share = (out == x).flatten(1).all(1).float().mean()
    assert abs(float(share) - 0.5) < 0.03


@pytest.mark.parametrize(
    "augment",
    [Augment(shift=2, flip=True), Augment(rotate=15, scale=0.2), Augment(2, True, 15.0, 0.2, 3), Augment(cutout=3)],
)
def test_the_batch_does_not_matter(augment):
    x, index = images(10), torch.tensor([5, 3, 900, 7, 0, 1, 2, 8, 11, 4])
    whole = augment(x, index, seed=1, epoch=2)
    back = augment(x.flip(0), index.flip(0), seed=1, epoch=2).flip(0)
    parts = torch.cat([augment(x[i : i + 1], index[i : i + 1], seed=1, epoch=2) for i in range(10)])
    assert torch.equal(whole, back)
    assert torch.equal(whole, parts)
    assert not torch.equal(whole, augment(x, index, seed=1, epoch=3))
    assert not torch.equal(whole, augment(x, index, seed=2, epoch=2))
    assert not torch.equal(whole, augment(x, index + 1, seed=1, epoch=2))


def test_transforms_keep_their_draws_when_others_are_switched_on():
    x, index = images(20), torch.arange(20)
    alone = Augment(cutout=2)(x, index, seed=1, epoch=1) == 0
    joined = Augment(cutout=2, flip=True)(x, index, seed=1, epoch=1) == 0
    assert torch.equal(alone, joined)


def test_affine_gives_floats_within_range():
    out = Augment(shift=1, rotate=30, scale=0.3)(images(16), torch.arange(16), seed=0, epoch=0)
    assert out.dtype == torch.float32
    assert float(out.min()) >= 0
    assert float(out.max()) <= 255.01


def test_angles_and_factors_stay_within_their_ranges():
    u = keyed_uniforms(0, 0, torch.arange(1000), 5)
    x = torch.full((1000, 1, 9, 9), 255, dtype=torch.uint8)
    out = Augment(scale=0.1)(x, torch.arange(1000), seed=0, epoch=0)
    grew = (1 + (2 * u[:, 4] - 1) * 0.1) >= 1
    assert out[grew].flatten(1).min(1).values.min() > 254.9  # no border comes in where things grow
    assert out[~grew].flatten(1).min(1).values.max() < 255


@pytest.mark.parametrize("bad", [{"shift": -1}, {"rotate": -1.0}, {"scale": 1.0}, {"scale": -0.1}, {"cutout": -2}])
def test_ranges_are_checked(bad):
    with pytest.raises(DataError, match=r"^augmentation takes ranges of 0 or more and a scale below 1, got Augment\("):
        Augment(**bad)


def test_pixels_are_whole():
    with pytest.raises(DataError, match=r"^shift and cutout are whole pixels, got Augment\(shift=1.5"):
        Augment(shift=1.5)


def test_shapes_are_checked():
    message = r"^augmentation takes images \(N, C, S, S\) and indices \(N,\), got \(2, 3, 6, 6\) and \(3,\)$"
    with pytest.raises(DataError, match=message):
        Augment(flip=True)(images(2), torch.arange(3), seed=0, epoch=0)
    with pytest.raises(DataError, match=r"got \(2, 3, 6, 4\) and \(2,\)$"):
        Augment(flip=True)(images(2)[..., :4], torch.arange(2), seed=0, epoch=0)
