"""Shared weights: slices that are the member's, gradients that reach them alone, a training that can be stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from convsmith import build
from convsmith.data import load
from convsmith.search import Budget
from convsmith.search.searchers import Feasible
from convsmith.search.spaces import Genome, Space
from convsmith.search.spaces.factorised import Frame, Options, factorised
from convsmith.search.supernet.judge import judged
from convsmith.search.supernet.shared import Shared, looked_at
from convsmith.search.supernet.train import step_of, train_shared
from convsmith.spec.errors import RunError
from convsmith.train import Interrupted, Silent, override, recipe

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def small() -> Space:
    rows = [
        Options(1, (1,), (4, 8), op=("conv", "mbconv3"), kernel=(3, 5), se=(0,), skip=("none",)),
        Options(2, (1, 2), (8, 16), op=("conv", "mbconv3"), kernel=(3,), se=(0, 0.25), skip=("none", "residual")),
    ]
    return factorised("small", "for tests", rows, Frame(4, 1, 32), side=8, channels=1, classes=10)


@pytest.fixture(scope="module")
def members(small: Space) -> list[Genome]:
    return list(small.members())


@pytest.fixture(scope="module")
def shared(members: list[Genome]) -> Shared:
    return Shared(members, seed=3)


@pytest.fixture(scope="module")
def digits() -> Any:
    return load("digits")


def test_a_member_on_shared_weights_is_the_member_with_its_slices(members: list[Genome], shared: Shared) -> None:
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for genome in members[::9]:
        alone = build(genome.network, seed=9).eval()
        with torch.no_grad():
            for path, weight in alone.named_parameters():
                weight.copy_(shared.of(genome)[path])
            shared.net(genome).eval()
            torch.testing.assert_close(shared(genome, images), alone(images))


def test_a_smaller_kernel_is_the_middle_of_a_larger(members: list[Genome], shared: Shared) -> None:
    def first(kernel: int) -> Genome:
        (found, *_) = [
            m for m in members if m.settings["block1.op"] == "conv" and m.settings["block1.kernel"] == kernel
        ]
        return found

    three, five = (shared.of(first(k)) for k in (3, 5))
    (path,) = [p for p in three if three[p].ndim == 4 and three[p].shape[2] == 3 and five[p].shape[2] == 5][:1]
    assert torch.equal(three[path], five[path][:, :, 1:4, 1:4])


def test_gradients_reach_the_slices_alone(members: list[Genome]) -> None:
    shared = Shared(members)
    small = min(members, key=lambda m: sum(p.numel() for p in shared.net(m).parameters()))
    draw = torch.Generator().manual_seed(0)
    step_of(shared, [small], torch.randn(4, 1, 8, 8, generator=draw), torch.tensor([0, 1, 2, 3]))
    touched = sum(int((w.grad != 0).sum()) for w in shared.weights.values() if w.grad is not None)
    assert 0 < touched <= sum(p.numel() for p in shared.net(small).parameters())
    assert any(w.grad is None for w in shared.weights.values())


def test_the_largest_teaches(members: list[Genome]) -> None:
    """The second member's loss is its cross entropy with the first's answers, and the first learns nothing from it."""
    draw = torch.Generator().manual_seed(0)
    images, labels = torch.randn(8, 1, 8, 8, generator=draw), torch.randint(0, 10, (8,), generator=draw)
    one, both = Shared(members), Shared(members)
    a, b = members[0], members[-1]
    torch.manual_seed(0)  # of dropout
    step_of(one, [a], images, labels)
    torch.manual_seed(0)
    step_of(both, [a, b], images, labels)
    torch.manual_seed(0)
    by_hand = Shared(members)
    first = by_hand(a, images)
    torch.nn.functional.cross_entropy(first, labels).backward()
    torch.nn.functional.cross_entropy(by_hand(b, images), first.detach().softmax(1)).backward()
    for name, weight in both.weights.items():
        wanted = by_hand.weights[name].grad
        if wanted is None:
            assert weight.grad is None
        else:
            torch.testing.assert_close(weight.grad, wanted)
    assert any(
        one.weights[n].grad is not None and not torch.equal(one.weights[n].grad, w.grad)
        for n, w in both.weights.items()
        if w.grad is not None
    )


def test_members_that_need_more_do_not_fit(small: Space, members: list[Genome]) -> None:
    narrow = [m for m in members if m.settings["block1.width"] == 4]
    assert narrow
    for_narrow, for_all = Shared(narrow), Shared(looked_at(Feasible(small, Budget()), 0))
    assert all(for_narrow.fits(m) for m in narrow)
    assert not all(for_narrow.fits(m) for m in members)
    assert all(for_all.fits(m) for m in members[::5])


@pytest.mark.slow
def test_a_training_tells_members_apart_and_goes_on_where_it_stopped(
    small: Space, members: list[Genome], digits: Any, tmp_path: Path
) -> None:
    feasible = Feasible(small, Budget())
    how = override(recipe("default"), {"lr": 0.3}).settled(len(digits.train), digits.flip)

    class Stops(Silent):
        def step(self, epoch: int, *said: float) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    whole = train_shared(tmp_path / "a", feasible, digits, how, 5, seed=1, watch=Silent())
    with pytest.raises(Interrupted):
        train_shared(tmp_path / "b", feasible, digits, how, 5, seed=1, watch=Stops())
    again = train_shared(tmp_path / "b", feasible, digits, how, 5, seed=1, watch=Silent())
    assert all(torch.equal(w, again.weights[name]) for name, w in whole.weights.items())
    there = train_shared(tmp_path / "a", feasible, digits, how, 5, seed=1, watch=Stops())  # nothing left to do
    assert all(torch.equal(w, there.weights[name]) for name, w in whole.weights.items())
    scores = [judged(whole, m, digits) for m in members[::12]]
    assert max(scores) > 0.45
    assert judged(whole, members[0], digits) == scores[0]  # statistics are measured anew each time
    assert judged(Shared(members), members[0], digits) < 0.3


def test_a_broken_file_is_named(small: Space, digits: Any, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"no tensors")
    how = recipe("default").settled(len(digits.train), digits.flip)
    with pytest.raises(RunError, match="remove it to train the supernet anew"):
        train_shared(tmp_path / "s", Feasible(small, Budget()), digits, how, 1, seed=1, watch=Silent())
