from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import convsmith
from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.spec import Conv, Dropout, Flatten, Linear, Network, Norm, PoolTo, Relu, Seq, Tap
from convsmith.spec.errors import TrainingError
from convsmith.train import Interrupted, Recipe, Run, Silent, checkpoint, train
from convsmith.train.checkpoint import Every
from convsmith.train.evaluate import loss_and_top1
from convsmith.train.execution import Execution
from convsmith.train.loop import order
from convsmith.train.setup import Setup
from convsmith.train.watch import Interrupts

from .stops import Stop


def make() -> Net:
    """A net with dropout, whose random numbers must also be restored."""
    body = Seq(
        conv=Conv(6, 3), bn=Norm(), relu=Relu, pool=PoolTo(2), flatten=Flatten, drop=Dropout(0.3), fc=Linear(10)
    )  # fmt: skip
    return build(Network(body, side=8, channels=1, classes=10), seed=1)


def weights(net: Net) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_training_learns_and_logs_every_epoch(net: Net, digits: Data, short: Recipe) -> None:
    history = train(net, digits, replace(short, epochs=25), seed=0)
    assert [r["epoch"] for r in history] == list(range(1, 26))
    assert history[-1]["train_loss"] < history[0]["train_loss"] - 0.5
    assert history[-1]["step"] == 25 * 4
    assert history[-1]["val_top1"] > 0.3
    assert set(history[0]) == {
        "epoch", "step", "lr", "train_loss", "train_top1", "val_loss", "val_top1", "images_per_s", "seconds",
    }  # fmt: skip


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(digits: Data, short: Recipe) -> None:
    results = []
    for seed in (5, 5, 6):
        net = make()
        train(net, digits, short, seed=seed)
        results.append(weights(net))
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


@pytest.mark.parametrize("after", [1, 3, 4, 6, 11])
def test_a_stopped_training_goes_on_to_bit_identical_weights(
    after: int, digits: Data, short: Recipe, tmp_path: Path
) -> None:
    whole = make()
    history = train(whole, digits, short, seed=2)
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(Interrupted):
        train(make(), digits, short, seed=2, run=run, watch=Stop(after))
    torch.rand(17)  # what happens in between must not matter
    resumed = make()
    resumed_history = train(resumed, digits, short, seed=2, run=run)
    assert equal(weights(whole), weights(resumed))
    keys = ("epoch", "step", "lr", "train_loss", "train_top1", "val_loss", "val_top1")
    assert [[r[k] for k in keys] for r in resumed_history] == [[r[k] for k in keys] for r in history]
    assert len(run.path("metrics.jsonl").read_text().splitlines()) == 3


def test_what_a_killed_run_logged_after_its_checkpoint_is_not_said_twice(
    digits: Data, short: Recipe, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(Interrupted):
        train(make(), digits, short, seed=2, run=run, watch=Stop(6))
    run.log({"epoch": 2, "torn": True})
    train(make(), digits, short, seed=2, run=run)
    assert "torn" not in run.path("metrics.jsonl").read_text()


def test_what_a_killed_run_had_no_time_to_log_is_logged_later(digits: Data, short: Recipe, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(Interrupted):
        train(make(), digits, short, seed=2, run=run, watch=Stop(6))
    run.path("metrics.jsonl").unlink()  # killed between the first checkpoint and the first line
    train(make(), digits, short, seed=2, run=run)
    assert [json.loads(line)["epoch"] for line in run.path("metrics.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_ctrl_c_without_a_run_is_an_ordinary_interrupt(digits: Data, short: Recipe) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(make(), digits, short, seed=2, watch=Stop(2))


def test_a_second_ctrl_c_stops_at_once_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_is_no_number_stops_with_step_and_likely_cause(digits: Data) -> None:
    # decay, times 1 - 99 / 2 a step, outgrows all numbers; steps along the gradient may end in dead units instead
    wild = Recipe(epochs=30, batch=32, lr=99.0, warmup=0.0, momentum=0.0, weight_decay=0.5)
    with pytest.raises(TrainingError, match=r"^loss became (nan|inf) at step \d+ \(epoch \d+, .*try --set lr=9\.9"):
        train(make(), digits, wild, seed=0)


def test_images_that_are_no_numbers_are_blamed_before_the_learning_rate(digits: Data, short: Recipe) -> None:
    net = make()
    with torch.no_grad():
        net.conv.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"at step 1 .*look at the images and the initial weights"):
        train(net, digits, short, seed=0)


def test_no_step_has_a_single_image_where_another_split_is_possible(digits: Data) -> None:
    # 121 images in batches of 60 would leave one for the last step, and batch normalisation cannot take one
    seen: list[float] = []

    class Count(Silent):
        def step(self, epoch: int, loss: float, top1: float, images_per_s: float) -> None:
            seen.append(loss)

    train(make(), digits, Recipe(epochs=1, batch=60), seed=0, watch=Count())
    assert len(seen) == 3


def test_a_batch_larger_than_the_data_is_one_step(digits: Data) -> None:
    assert train(make(), digits, Recipe(epochs=1, batch=4096), seed=0)[0]["step"] == 1


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own() -> None:
    first, again, second = order(50, 0, 0), order(50, 0, 0), order(50, 0, 1)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, order(50, 1, 0))
    assert sorted(second.tolist()) == list(range(50))


def test_an_auxiliary_head_learns_too(digits: Data, short: Recipe) -> None:
    head = Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(10))
    body = Seq(conv=Conv(6, 3), relu=Relu, aux=Tap(head), pool=PoolTo(2), flatten=Flatten, fc=Linear(10))
    net = build(Network(body, side=8, channels=1, classes=10), seed=1)
    before = weights(net)
    train(net, digits, replace(short, weight_decay=0.0), seed=0)
    assert not torch.equal(before["aux.fc.weight"], net.state_dict()["aux.fc.weight"])
    assert isinstance(net(torch.zeros(1, 1, 8, 8)), torch.Tensor)


def test_training_ends_in_evaluation_mode(net: Net, digits: Data, short: Recipe) -> None:
    train(net, digits, replace(short, epochs=1), seed=0)
    assert not net.training
    assert convsmith.cost(net.graph).params == sum(p.numel() for p in net.parameters())


def test_a_moving_average_is_what_remains_and_what_is_evaluated(digits: Data, short: Recipe, tmp_path: Path) -> None:
    recipe = replace(short, ema=0.9)
    run = Run.create(tmp_path / "run", {})
    net, plain = make(), make()
    history = train(net, digits, recipe, seed=2, run=run)
    train(plain, digits, short, seed=2)
    assert not equal(weights(net), weights(plain))
    content = checkpoint.newest(run.folder)
    assert content is not None
    assert torch.equal(content.tensors["ema.conv.weight"], net.conv.weight)
    assert torch.equal(content.tensors["model.conv.weight"], plain.conv.weight)
    assert loss_and_top1(net, digits.val, digits.preprocess) == (history[-1]["val_loss"], history[-1]["val_top1"])


@pytest.mark.parametrize("after", [2, 5, 9])
def test_everything_that_a_recipe_can_switch_on_goes_on_bit_for_bit(after: int, digits: Data, tmp_path: Path) -> None:
    recipe = Recipe(
        epochs=3, batch=32, optimiser="adamw", lr=0.01, alpha=0.99, ema=0.9, clip=1.0, mixup=0.2, cutmix=1.0,
        schedule="plateau", patience=0, cutout=0.2, start_side=0.5,
    )  # fmt: skip
    whole, resumed = small(), small()
    train(whole, digits, recipe, seed=2)
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(Interrupted):
        train(small(), digits, recipe, seed=2, run=run, watch=Stop(after))
    train(resumed, digits, recipe, seed=2, run=run)
    assert equal(weights(whole), weights(resumed))


def small() -> Net:
    """A net that takes images of any side."""
    body = Seq(conv=Conv(6, 3), bn=Norm(), relu=Relu, pool=PoolTo(1), flatten=Flatten, drop=Dropout(0.3), fc=Linear(10))
    return build(Network(body, side=8, channels=1, classes=10), seed=1)


def test_a_checkpoint_is_written_within_an_epoch_as_often_as_asked(
    digits: Data, short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(
        checkpoint, "write", lambda folder, tensors, meta: seen.append((meta["at"]["epoch"], meta["at"]["step"]))
    )
    setup = Setup(every=Every(steps=3, seconds=0))
    train(make(), digits, replace(short, epochs=2), seed=2, run=Run.create(tmp_path / "run", {}), setup=setup)
    assert seen == [(0, 3), (1, 0), (1, 3), (2, 0)]


def test_a_net_that_cannot_begin_with_small_images_is_refused(digits: Data, short: Recipe) -> None:
    body = Seq(conv=Conv(6, 3), relu=Relu, flatten=Flatten, fc=Linear(10))
    net = build(Network(body, side=8, channels=1, classes=10, name="stiff"), seed=1)
    with pytest.raises(TrainingError, match=r"stiff cannot begin with images of 4 pixels: .* say --set start_side=1"):
        train(net, digits, replace(short, start_side=0.5), seed=0)


def test_the_best_epoch_is_remembered(digits: Data, short: Recipe, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    history = train(make(), digits, short, seed=2, run=run)
    content = checkpoint.newest(run.folder)
    assert content is not None
    assert content.meta["at"]["best"]["val_top1"] == max(record["val_top1"] for record in history)


def test_bfloat16_learns_too(digits: Data, short: Recipe) -> None:
    setup = Setup(Execution(precision="bfloat16", channels_last=True))
    history = train(make(), digits, replace(short, epochs=5), seed=2, setup=setup)
    exact = train(make(), digits, replace(short, epochs=5), seed=2)
    assert history[-1]["train_loss"] == pytest.approx(exact[-1]["train_loss"], abs=0.05)
    assert Setup.from_json(setup.to_json()) == setup
