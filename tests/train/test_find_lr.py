"""The learning-rate finder: what it says, and that nothing shows that it was there."""

from __future__ import annotations

import math
import os
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.spec import Conv, Dropout, Flatten, Linear, Network, Norm, PoolTo, Relu, Seq
from convsmith.spec.errors import DataError, SpecError, TrainingError
from convsmith.train import Recipe, train
from convsmith.train.find_lr import find_lr
from convsmith.train.lr_curve import descended, smooth
from convsmith.train.randomness import same_randomness

RECIPE = Recipe(epochs=2, batch=32, lr=0.05)


def make() -> Net:
    """Dropout, batch normalisation with statistics that moved, channels-last weights, a frozen layer, mixed modes."""
    body = Seq(
        conv=Conv(6, 3), bn=Norm(), relu=Relu, conv2=Conv(6, 3), pool=PoolTo(2), flatten=Flatten, drop=Dropout(0.3),
        fc=Linear(10),
    )  # fmt: skip
    net = build(Network(body, side=8, channels=1, classes=10), seed=1)
    net.to(memory_format=torch.channels_last)
    net.conv.weight.requires_grad_(False)
    net.eval()
    net.drop.train()
    return net


def trained(net: Net) -> torch.optim.Optimizer:
    """A momentum optimiser in the middle of a training, with gradients still in place."""
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    net.bn.train()
    for step in range(2):
        image = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        F.cross_entropy(net(image), torch.arange(8)).backward()
        optimiser.step()
    net.bn.eval()
    return optimiser


def everything(net: Net, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """All that a training hangs on, to the bit and to the place in memory."""

    def seen(tensor: torch.Tensor | None) -> Any:
        if tensor is None:
            return None
        bits = tensor.detach().contiguous().view(torch.uint8) if tensor.dim() else tensor.detach().view(1)
        return tensor.data_ptr(), tensor.stride(), tensor.requires_grad, tensor._version, bits.tolist()

    names = dict.fromkeys([*dict(net.named_parameters()), *dict(net.named_buffers())])
    tensors = dict(net.named_parameters()) | dict(net.named_buffers())
    state = {
        name: {key: seen(value) for key, value in optimiser.state[tensors[name]].items()}
        for name in names
        if tensors[name] in optimiser.state
    }
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimiser.param_groups]
    return {
        "tensors": {name: seen(tensors[name]) for name in names},
        "gradients": {name: seen(tensors[name].grad) for name in names},
        "modes": {path: module.training for path, module in net.named_modules()},
        "optimiser": state,
        "groups": groups,
        "torch": torch.get_rng_state().tolist(),
        "python": random.getstate(),
        "numpy": [np.asarray(part).tolist() for part in np.random.get_state()],
        "handler": signal.getsignal(signal.SIGINT),
        "gradient mode": torch.is_grad_enabled(),
    }


def at_step(step: int, act: Callable[[], object]) -> Callable[..., None]:
    def progress(done: int, steps: int, lr: float, loss: float) -> None:
        torch.rand(1), random.random(), np.random.rand()  # a callback may draw, too
        if done == step:
            act()

    return progress


def fail() -> None:
    raise RuntimeError("in the middle")


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("act", "raised"), [(None, None), (fail, RuntimeError), (press, KeyboardInterrupt)], ids=["ends", "fails", "ctrl-c"]
)
@pytest.mark.parametrize("own", [True, False], ids=["own optimiser", "fresh optimiser"])
def test_nothing_shows_that_it_was_there(
    own: bool, act: Callable[[], object] | None, raised: type[BaseException] | None, digits: Data
) -> None:
    net = make()
    optimiser = trained(net)
    assert len(optimiser.state) > 0
    before, order = everything(net, optimiser), digits.train.images.clone()
    options: dict[str, Any] = {"optimiser": optimiser if own else None, "steps": 12}
    if raised is None:
        find_lr(net, digits, RECIPE, progress=at_step(0, fail), **options)
    else:
        assert act is not None
        with pytest.raises(raised):
            find_lr(net, digits, RECIPE, progress=at_step(5, act), **options)
    assert everything(net, optimiser) == before
    assert torch.equal(digits.train.images, order)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_training_after_it_is_the_training_without_it(interrupted: bool, digits: Data) -> None:
    plain, after = make(), make()
    history = train(plain, digits, RECIPE, seed=4)
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            find_lr(after, digits, RECIPE, seed=4, progress=at_step(7, press))
    else:
        find_lr(after, digits, RECIPE, seed=4, steps=20)
    same = train(after, digits, RECIPE, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), after.state_dict().values(), strict=True))
    assert [row["val_loss"] for row in history] == [row["val_loss"] for row in same]


def test_randomness_goes_on_as_if_nothing_had_been_drawn() -> None:
    def draw() -> tuple[float, float, float]:
        return float(torch.rand(1)), random.random(), float(np.random.rand())

    with same_randomness():
        first = draw()
    with pytest.raises(RuntimeError), same_randomness():
        at_step(1, fail)(1, 1, 0.0, 0.0)
    with same_randomness():
        torch.manual_seed(3)
    assert draw() == first


def test_it_learns_from_an_optimiser_in_the_middle_of_its_momentum(digits: Data) -> None:
    net = make()
    optimiser = trained(net)
    curves = [find_lr(net, digits, RECIPE, steps=12, lowest=1e-3, optimiser=o) for o in (optimiser, None)]
    assert curves[0].losses[0] == curves[1].losses[0]
    assert curves[0].losses[1] != curves[1].losses[1]


def test_groups_keep_the_ratios_of_their_rates(digits: Data) -> None:
    net = make()
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    groups = [{"params": [net.conv.weight], "lr": 0.2}, {"params": [net.fc.bias], "lr": 0.05}]
    steps: list[tuple[float, float]] = []

    class Noted(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            steps.append((self.param_groups[0]["lr"], self.param_groups[1]["lr"]))
            super().step(closure)

    curve = find_lr(net, digits, RECIPE, steps=12, optimiser=Noted(groups))
    assert [first for first, _ in steps] == pytest.approx(list(curve.lrs))
    assert [second for _, second in steps] == pytest.approx([lr / 4 for lr in curve.lrs])


def test_rates_grow_by_one_factor_and_losses_are_those_of_the_training(digits: Data) -> None:
    net = build(Network(Seq(flatten=Flatten, fc=Linear(10)), side=8, channels=1, classes=10), seed=1)
    plain = Recipe(epochs=2, batch=32, momentum=0, weight_decay=0, rotate=0, scale=0, shift=0, flip=False)
    curve = find_lr(net, digits, plain, seed=3, lowest=1e-4, highest=1.0, steps=13)
    assert curve.lrs == pytest.approx([10 ** (-4 + step / 3) for step in range(13)])
    # by hand, in float64: softmax regression on the order of the training, with smoothed labels
    weight = torch.cat([net.fc.weight, net.fc.bias[:, None]], 1).double().detach()
    losses: list[float] = []
    for epoch in range(4):
        generator = torch.Generator().manual_seed(3 * 1_000_003 + epoch)
        for index in torch.tensor_split(torch.randperm(121, generator=generator), 4):
            pixels = digits.preprocess.normalise(digits.train.images[index]).double().flatten(1)
            inputs = torch.cat([pixels, torch.ones(len(index), 1)], 1)
            wanted = 0.9 * F.one_hot(digits.train.labels[index], 10) + 0.01
            shares = (inputs @ weight.T).softmax(1)
            losses.append(float(-(wanted * shares.log()).sum(1).mean()))
            weight = weight - 10 ** (-4 + (len(losses) - 1) / 3) * (shares - wanted).T @ inputs / len(index)
    assert curve.losses == pytest.approx(losses[:13], rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [{}, {"mixup": 0.4, "cutmix": 1.0}, {"optimiser": "adamw", "lr": 1e-3}, {"optimiser": "muon"}, {"ema": 0.9}],
)
def test_the_first_loss_is_that_of_the_training(changes: dict[str, Any], digits: Data) -> None:
    # one batch an epoch, so that the epoch's loss is that of its first step, with the same dropout and augmentation
    whole = replace(RECIPE, epochs=1, batch=121, **changes)
    curve = find_lr(make(), digits, whole, seed=5, steps=10)
    assert train(make(), digits, whole, seed=5)[0]["train_loss"] == pytest.approx(curve.losses[0], rel=1e-7)


def test_gradients_are_clipped_as_the_recipe_says(digits: Data) -> None:
    free, bound = (
        find_lr(make(), digits, replace(RECIPE, clip=clip), lowest=0.1, highest=1.0, steps=10) for clip in (0.0, 1e-9)
    )
    assert free.losses[0] == bound.losses[0]
    assert max(bound.losses) - min(bound.losses) < max(free.losses) - min(free.losses)


def test_the_same_seed_gives_the_same_curve_and_another_seed_another(digits: Data) -> None:
    net = make()
    first, again, other = (find_lr(net, digits, RECIPE, seed=seed, steps=12) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_it_suggests_a_rate_that_learns_and_stops_where_the_loss_diverges(digits: Data, net: Net) -> None:
    curve = find_lr(net, digits, RECIPE, highest=1e4)
    assert curve.suggestion is not None
    assert 1e-2 < curve.suggestion < 1
    assert curve.stopped
    assert len(curve.lrs) == len(curve.losses) == len(curve.smoothed) < 100
    assert all(map(math.isfinite, curve.losses))
    history = train(net, digits, replace(RECIPE, epochs=10, lr=curve.suggestion))
    assert history[-1]["train_loss"] < history[0]["train_loss"] - 0.3


def test_a_range_where_nothing_is_learnt_suggests_nothing(digits: Data, net: Net) -> None:
    curve = find_lr(net, digits, RECIPE, lowest=1e-9, highest=1e-7, steps=30)
    assert curve.suggestion is None
    assert not curve.stopped


def test_it_works_where_gradients_are_switched_off(digits: Data) -> None:
    net = make()
    plain = find_lr(net, digits, RECIPE, steps=12)
    with torch.no_grad():
        assert find_lr(net, digits, RECIPE, steps=12) == plain


def test_a_curve_is_plain_data(digits: Data) -> None:
    curve = find_lr(make(), digits, RECIPE, steps=10)
    data = curve.to_json()
    assert data["lrs"] == list(curve.lrs)
    assert set(data) == {"lrs", "losses", "smoothed", "suggestion", "stopped"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lowest": 0.0}, r"rates must grow from above 0 to a finite end, got 0 to 10$"),
        ({"lowest": 1.0, "highest": 0.1}, r"got 1 to 0\.1$"),
        ({"highest": math.inf}, r"got 1e-06 to inf$"),
        ({"lowest": math.nan}, r"got nan to 10$"),
        ({"steps": 9}, r"9 steps make no curve, take 10 or more"),
        ({"steps": 12.5}, r"steps must be an integer of at least 1, got 12\.5$"),
    ],
)
def test_a_range_that_makes_no_curve_is_refused(changes: dict[str, Any], message: str, digits: Data) -> None:
    with pytest.raises(SpecError, match=message):
        find_lr(make(), digits, RECIPE, **changes)


def test_images_that_cannot_tell_are_refused(digits: Data) -> None:
    with pytest.raises(DataError, match=r"^digits has 121 training images, less than a batch of 128; .*batch=30$"):
        find_lr(make(), digits, replace(RECIPE, batch=128))
    with pytest.raises(DataError, match=r"^digits has one class: its loss is the same at every learning rate"):
        find_lr(make(), replace(digits, classes=("0",)), RECIPE)


def test_a_first_loss_that_is_no_number_is_refused(digits: Data) -> None:
    net = make()
    with torch.no_grad():
        net.fc.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"^the very first loss is nan, before any step: look at the images and"):
        find_lr(net, digits, RECIPE)


def sigmoid(at: float, middle: float, width: float) -> float:
    return 1 / (1 + math.exp((at - middle) / width))


def descent(middle: float, noise: float, seed: int, steps: int = 100) -> tuple[list[float], list[float]]:
    """Rates 1e-6 .. 10 and losses that fall from 2.3 to 0.8 about `middle` (log10), then grow without bound."""
    draw = random.Random(seed)
    logs = [-6 + 7 * step / (steps - 1) for step in range(steps)]
    losses = [0.8 + 1.5 * sigmoid(at, middle, 0.3) + 10 ** (4 * (at - middle - 1.5)) for at in logs]
    losses = [loss + draw.gauss(0, noise) for loss in losses]
    stop = next((i for i, loss in enumerate(losses) if loss > 4), steps)
    return [10**at for at in logs[:stop]], losses[:stop]


@given(middle=st.floats(-4.5, -1), noise=st.floats(0, 0.15), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_the_suggestion_is_near_the_end_of_the_descent_whatever_the_noise(
    middle: float, noise: float, seed: int
) -> None:
    rates, losses = descent(middle, noise, seed)
    found = descended(rates, losses, smooth(losses))
    assert found is not None
    # four fifths of a logistic fall are done 0.3 ln 4 behind its middle
    assert math.log10(found) == pytest.approx(middle + 0.42, abs=0.35)


@given(
    st.lists(st.floats(0.1, 3), min_size=10, max_size=60), st.floats(1e-3, 1e3), st.floats(0.1, 10), st.booleans()
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_units_do_not_matter(losses: list[float], rate: float, unit: float, falling: bool) -> None:
    if falling:
        losses = sorted(losses, reverse=True)
    rates = [10 ** (-6 + step / 10) for step in range(len(losses))]
    found = descended(rates, losses, smooth(losses))
    scaled = [loss * unit for loss in losses]
    other = descended([rate * r for r in rates], scaled, smooth(scaled))
    if found is not None and other is not None:  # a descent that is just deep enough may round to either side
        assert other == pytest.approx(found * rate, rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_unlearning_the_scale_of_random_logits_is_no_descent(seed: int) -> None:
    # from 4.3 to chance about 1e-4, then from chance to 0.8 about 1e-2, as deep nets do that begin sure of themselves
    rates, learnt = descent(-2, 0.05, seed)
    losses = [loss + 2 * sigmoid(math.log10(rate), -4, 0.2) for rate, loss in zip(rates, learnt, strict=True)]
    found = descended(rates, losses, smooth(losses), 2.3)
    assert found is not None
    assert math.log10(found) == pytest.approx(-2 + 0.42, abs=0.35)
    guessing = [max(2.3, loss) for loss in losses]
    assert descended(rates, guessing, smooth(guessing), 2.3) is None


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_no_descent(seed: int) -> None:
    draw = random.Random(seed)
    losses = [2.3 + draw.gauss(0, 0.1) for _ in range(100)]
    assert descended([10 ** (-6 + 0.07 * i) for i in range(100)], losses, smooth(losses)) is None


def test_smoothing_lags_nowhere_keeps_a_constant_and_bounds_what_diverged() -> None:
    assert smooth([]) == []
    assert smooth([2.0] * 30) == pytest.approx([2.0] * 30)
    line = [3 - step / 100 for step in range(100)]
    assert smooth(line)[15:-15] == pytest.approx(line[15:-15])
    assert max(smooth([2.0] * 20 + [1.0] * 20 + [1e9] * 20)) <= 3.001
    assert smooth([2.0] * 20 + [1.0] * 20 + [1e9])[-15] == pytest.approx(1.0)
