"""Occlusion against a plain loop over squares."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.nn.look import occlusion
from convsmith.nn.look.occlusion import _spans
from convsmith.spec import SpecError

from .nets import blobs, net_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("side", "stride", "grey"), [(7, 6, 0.0), (4, 5, 0.7), (1, 12, -1.0), (40, 24, 0.0)])
def test_it_is_a_loop_over_squares(side: int, stride: int, grey: float) -> None:
    net = net_of("vgg").double()
    images, classes = blobs(net, 2).double(), torch.tensor([[0, 3], [5, 1]])
    found = occlusion(net, images, classes, side=side, stride=stride, grey=grey, batch=7)
    count = math.ceil(24 / stride)
    assert found.hidden.shape == (2, 2, count, count)
    for i in range(2):
        torch.testing.assert_close(found.whole[i], net(images[i : i + 1]).softmax(1)[0, classes[i]].detach())
        for row in range(count):
            for col in range(count):
                shown = images[i : i + 1].clone()
                for y in range(24):
                    for x in range(24):
                        # the square's first pixel: its middle on the cell's middle, halves rounded up
                        top, left = (math.floor((k + 0.5) * 24 / count - side / 2 + 0.5) for k in (row, col))
                        if top <= y < top + side and left <= x < left + side:
                            shown[..., y, x] = grey
                wanted = net(shown).softmax(1)[0, classes[i]].detach()
                torch.testing.assert_close(found.hidden[i, :, row, col], wanted, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.drops, found.whole[:, :, None, None] - found.hidden)


def test_it_finds_the_only_pixel_that_counts() -> None:
    class Corner(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x[:, 0, 2, 13], -x[:, 0, 2, 13]], 1)

    found = occlusion(Corner(), torch.ones(1, 1, 16, 16), torch.tensor([[0]]), side=4, stride=4)
    assert (found.drops[0, 0] > 0.1).nonzero().tolist() == [[0, 3]]
    assert found.side == 4


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 80))
def test_every_square_lies_in_the_image_and_none_is_empty(length: int, stride: int, side: int) -> None:
    spans = _spans(length, -(-length // stride), side)
    assert all(0 <= a < b <= length and b - a <= side for a, b in spans)
    if side >= stride:
        assert {pixel for a, b in spans for pixel in range(a, b)} == set(range(length))


def test_the_usual_square_its_progress_and_an_unchanged_net() -> None:
    net = net_of("grey").train()
    net.conv1.eval()
    modes, heard = [m.training for m in net.modules()], []
    images = blobs(net, 1)
    before = images.clone()
    found = occlusion(net, images, torch.tensor([[0]]), progress=lambda done, total: heard.append((done, total)))
    assert (found.side, tuple(found.hidden.shape)) == (6, (1, 1, 16, 16))
    assert heard == [(64, 256), (128, 256), (192, 256), (256, 256)]
    assert torch.equal(images, before)
    assert [m.training for m in net.modules()] == modes


def test_a_square_of_nothing_is_refused() -> None:
    net = net_of("grey")
    with pytest.raises(SpecError, match="side, stride and batch of at least 1, got 0, 2 and 64"):
        occlusion(net, blobs(net, 1), torch.tensor([[0]]), side=0, stride=2)
