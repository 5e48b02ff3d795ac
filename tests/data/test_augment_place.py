"""Crops, shifts, alternating mirrors, cutout and erasing, against slices of one image at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.data import Augment
from convsmith.data.augment import place
from convsmith.data.augment.draws import whole
from convsmith.data.augment.place import border, crop, move
from convsmith.data.keyed import keyed_uniforms
from convsmith.spec.errors import DataError


def images(n=8, channels=3, side=9, seed=0):
    return torch.randint(1, 256, (n, channels, side, side), dtype=torch.uint8, generator=torch.manual_seed(seed))


def sliced(x, mirror, corner, side):
    """The plain way."""
    cut = [a[:, y : y + side, z : z + side] for a, (z, y) in zip(x, corner.tolist(), strict=True)]
    return torch.stack([c.flip(2) if m else c for c, m in zip(cut, mirror, strict=True)])


@settings(deadline=None)
@given(st.integers(1, 7), st.sampled_from([1, 2, 3]), st.integers(1, 8), st.integers(0, 5), st.integers(0, 99))
def test_crops_are_slices(n, channels, side, spare, seed):
    x = images(n, channels, side + spare, seed)
    g = torch.Generator().manual_seed(seed)
    corner, mirror = torch.randint(0, spare + 1, (n, 2), generator=g), torch.rand(n, generator=g) < 0.5
    assert torch.equal(crop(x, mirror, corner, side), sliced(x, mirror, corner, side))


def test_crops_in_many_chunks_out_of_a_strided_store(monkeypatch):
    monkeypatch.setattr(place, "CHUNK_BYTES", 3 * 3 * 25)  # three images
    store = images(20, 3, 9)[::2, :, 1:, :-1]  # not contiguous, and it doesn't begin where its memory does
    rows, corner = torch.tensor([9, 0, 4, 4, 7, 1, 3]), torch.randint(0, 4, (7, 2))
    mirror = torch.tensor([1, 0, 0, 1, 1, 1, 0]).bool()
    assert torch.equal(crop(store, mirror, corner, 5, rows=rows), sliced(store[rows], mirror, corner, 5))


@pytest.mark.parametrize("reach", [0, 1, 5, 8])
@pytest.mark.parametrize("reflect", [False, True])
def test_border_is_torchs_padding(reach, reflect):
    x = images()
    padded = F.pad(x.float(), (reach,) * 4, mode="reflect" if reflect else "constant")
    assert torch.equal(border(x, reach, reflect=reflect).float(), padded)


def test_reflected_shift_follows_the_draws():
    x, index = images(), torch.arange(50, 58)
    out = Augment(shift=3, flip=True, reflect=True)(x, index, seed=1, epoch=2)
    u = keyed_uniforms(1, 2, index, 3)
    right, down = ((7 * u[:, k]).long() - 3 for k in (1, 2))
    mirrored = torch.where((u[:, 0] < 0.5)[:, None, None, None], x.flip(3), x)
    padded = F.pad(mirrored.float(), (3,) * 4, mode="reflect").to(torch.uint8)
    assert torch.equal(out, sliced(padded, [False] * 8, torch.stack([3 - right, 3 - down], 1), 9))


def test_move_far_out_of_the_image_leaves_nothing():
    x = images(2)
    assert move(x, torch.tensor([True, False]), torch.tensor([[100, 0], [0, -100]])).sum() == 0


def test_window_is_cut_at_a_random_place_and_mirrored():
    x, index = images(400, 1, 12), torch.arange(400)
    out = Augment(window=10, flip=True)(x, index, seed=5, epoch=0)
    u = keyed_uniforms(5, 0, index, 9)
    corner = whole(u[:, 7:9], 3)
    assert torch.equal(out, sliced(x, u[:, 0] < 0.5, corner, 10))
    assert torch.bincount(corner[:, 0] * 3 + corner[:, 1], minlength=9).min() > 20  # every place


def test_window_then_shift_is_one_after_the_other():
    x, index = images(30, 3, 12), torch.arange(30)
    cropped = Augment(window=10)(x, index, seed=5, epoch=0)
    moved = Augment(shift=2, flip=True)(cropped, index, seed=5, epoch=0)
    assert torch.equal(Augment(window=10, shift=2, flip=True)(x, index, seed=5, epoch=0), moved)


@pytest.mark.parametrize(
    "augment", [Augment(window=7, flip=True), Augment(shift=2), Augment(area=(0.1, 1.0), side=6), Augment()]
)
def test_rows_pick_out_of_a_store(augment):
    store, rows = images(20), torch.tensor([3, 19, 0, 3])
    index = torch.tensor([100, 7, 8, 9])
    picked = augment(store, index, seed=1, epoch=1, rows=rows)
    assert torch.equal(picked, augment(store[rows], index, seed=1, epoch=1))
    assert torch.equal(augment(store, rows, seed=1, epoch=1, rows=rows), augment(store[rows], rows, seed=1, epoch=1))


def test_alternating_mirror_takes_turns():
    x, index = images(200, 1, 4), torch.arange(200)
    sides = [Augment(flip=True, alternate=True)(x, index, seed=3, epoch=epoch) for epoch in range(4)]
    assert torch.equal(sides[0], Augment(flip=True)(x, index, seed=3, epoch=0))
    assert torch.equal(sides[1], sides[0].flip(3))
    assert torch.equal(sides[2], sides[0])
    assert torch.equal(sides[3], sides[1])
    share = (sides[0] == x).flatten(1).all(1).float().mean()
    assert 0.35 < float(share) < 0.65
    assert torch.equal(
        Augment(alternate=True)(x, index, seed=3, epoch=1), x
    )  # without flip there is nothing to alternate


def test_erasing_by_its_draws():
    x, index = images(300, 3, 20), torch.arange(300)
    out = Augment(erase=0.5)(x, index, seed=2, epoch=1)
    holes = out == 0
    assert torch.equal(out, x.masked_fill(holes, 0))
    some = holes[:, 0].flatten(1).any(1)
    assert 0.4 < float(some.float().mean()) < 0.6
    for hole in holes[some]:
        rows, cols = hole[0].any(1), hole[0].any(0)
        assert torch.equal(hole, (rows[:, None] & cols)[None].expand(3, -1, -1))  # a rectangle, in all channels
        height, width = int(rows.sum()), int(cols.sum())
        assert int(rows.nonzero().max() - rows.nonzero().min()) == height - 1
        assert 0.01 * 400 <= height * width <= 0.36 * 400  # 2 to 33 %, before sides are rounded
        assert max(height, width) < 20


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"window": 0}, r"^window is a whole number of pixels, at least 1, or None, got 0$"),
        ({"side": 1.5}, r"^side is a whole number of pixels, at least 1, or None, got 1.5$"),
        ({"area": (0.0, 1.0)}, r"^area \(0..1\) and aspect are low and high, above 0, got \(0.0, 1.0\) and \(0.75,"),
        ({"area": (0.5, 1.0), "window": 4}, r"^window and area are two ways to crop: leave window at None or area at"),
        ({"jitter": 1.5}, r"^jitter and erase are 0..1 and colour_noise at least 0, got Augment"),
        (
            {"policy": "trivail"},
            r"^no policy is called 'trivail'; did you mean 'trivial'\? \(there are none, trivial, auto_",
        ),
    ],
)
def test_fields_are_checked(bad, message):
    with pytest.raises(DataError, match=message):
        Augment(**bad)


def test_what_comes_in_is_checked():
    index = torch.arange(2)
    with pytest.raises(DataError, match=r"^a window of 10 pixels does not fit in images of 9$"):
        Augment(window=10)(images(2), index, seed=0, epoch=0)
    with pytest.raises(DataError, match=r"^a reflected shift of 9 needs images larger than it, got 9$"):
        Augment(shift=9, reflect=True)(images(2), index, seed=0, epoch=0)
    with pytest.raises(DataError, match=r"^policies and colours are for images of 1 or 3 channels, got 2$"):
        Augment(policy="trivial")(images(2, 2), index, seed=0, epoch=0)
    with pytest.raises(DataError, match=r"^augmentation takes images \(N, C, S, S\) and indices \(N,\), got"):
        Augment(window=4)(images(5), index, seed=0, epoch=0, rows=torch.arange(3))
