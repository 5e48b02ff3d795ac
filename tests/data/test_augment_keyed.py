"""Whatever is on: an image's augmentation is a function of (seed, epoch, image), and of nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.data import Augment
from convsmith.data.augment import draws

SIDE = 14
AREA = st.sampled_from([(1.0, 1.0), (0.08, 1.0), (0.3, 0.6)])


@st.composite
def augments(draw):
    area = draw(AREA)
    return Augment(
        shift=draw(st.integers(0, 3)),
        flip=draw(st.booleans()),
        rotate=draw(st.sampled_from([0.0, 0.0, 20.0])),
        scale=draw(st.sampled_from([0.0, 0.0, 0.2])),
        cutout=draw(st.integers(0, 5)),
        window=None if area != (1.0, 1.0) else draw(st.sampled_from([None, 11])),
        side=draw(st.sampled_from([None, 9])),
        area=area,
        reflect=draw(st.booleans()),
        alternate=draw(st.booleans()),
        policy=draw(st.sampled_from(["none", "trivial", "auto_imagenet", "auto_cifar10"])),
        jitter=draw(st.sampled_from([0.0, 0.4])),
        colour_noise=draw(st.sampled_from([0.0, 0.1])),
        erase=draw(st.sampled_from([0.0, 0.5])),
    )


def images(n, channels):
    return torch.randint(1, 256, (n, channels, SIDE, SIDE), dtype=torch.uint8, generator=torch.manual_seed(n))


@settings(deadline=None, max_examples=60)
@given(augments(), st.permutations(range(8)), st.integers(1, 7), st.sampled_from([1, 3]), st.integers(0, 2**63))
def test_order_and_company_do_not_matter(augment, order, cut, channels, seed):
    x, index = images(8, channels), torch.arange(100, 108)
    kept = x.clone()
    whole = augment(x, index, seed=seed, epoch=3)
    assert torch.equal(x, kept)
    assert whole.dtype in (torch.uint8, torch.float32)
    assert whole.shape[-1] == (augment.side or augment.window or SIDE)
    turn = torch.tensor(order)
    assert torch.equal(augment(x[turn], index[turn], seed=seed, epoch=3), whole[turn])
    halves = [augment(x[part], index[part], seed=seed, epoch=3) for part in (slice(cut), slice(cut, None))]
    assert torch.equal(torch.cat(halves), whole)


@pytest.mark.parametrize(
    "augment",
    [
        Augment(window=11),
        Augment(area=(0.08, 1.0)),
        Augment(policy="trivial"),
        Augment(policy="auto_imagenet"),
        Augment(policy="auto_cifar10"),
        Augment(jitter=0.4),
        Augment(colour_noise=0.3),
        Augment(erase=1.0),
    ],
)
def test_every_key_counts(augment):
    x, index = images(8, 3)[:1].expand(8, -1, -1, -1), torch.arange(8)
    one = augment(x, index, seed=1, epoch=2)
    assert len(torch.unique(one.flatten(1), dim=0)) > 4  # each image by itself
    for other in ({"seed": 2, "epoch": 2}, {"seed": 1, "epoch": 3}):
        assert not torch.equal(one, augment(x, index, **other))


def test_no_two_transforms_share_a_column():
    names = [name for name in vars(draws) if name.isupper() and name != "TRIES"]
    values = [getattr(draws, name) for name in names]
    columns = [
        column for v in values for column in (range(v.start, v.stop) if isinstance(v, slice) else range(v, v + 1))
    ]
    assert sorted(columns) == list(range(66))


def test_known_columns_stay():
    """A resumed training, possibly under a later version, must see the same images."""
    fixed = {"MIRROR": 0, "SHIFT": 1, "ANGLE": 3, "SCALE": 4, "CUTOUT": 5, "PLACE": 7, "NOISE": 9, "JITTER": 12}
    fixed |= {"TRIVIAL": 15, "AUTO": 18, "ERASE": 23, "AREA": 46}
    starts = {name: getattr(draws, name) for name in fixed}
    assert {name: v.start if isinstance(v, slice) else v for name, v in starts.items()} == fixed


@pytest.mark.parametrize("more", [{"flip": True}, {"policy": "trivial"}, {"erase": 0.0, "jitter": 0.2}, {"shift": 1}])
def test_others_keep_their_numbers(more):
    x, index = images(40, 3), torch.arange(40)
    alone = Augment(cutout=4)(x, index, seed=1, epoch=1) == 0
    joined = Augment(cutout=4, **more)(x, index, seed=1, epoch=1)
    assert not joined[alone].any()


def test_cuda_gives_the_same():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    augment = Augment(window=11, shift=2, flip=True, cutout=3, jitter=0.3, colour_noise=0.1, erase=0.5)
    x, index = images(16, 3), torch.arange(16)
    there = augment(x.cuda(), index.cuda(), seed=0, epoch=0).cpu()
    assert (there.int() - augment(x, index, seed=0, epoch=0).int()).abs().max() <= 1
