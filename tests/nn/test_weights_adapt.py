"""Weights for other classes, other channels and other sides: what changes, what stays, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from convsmith import build
from convsmith.nn import Net, adapt_channels
from convsmith.search import start_from
from convsmith.spec import AvgPool, Branches, Conv, Flatten, Linear, Network, PoolTo, Relu, Seq, Tap, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread")

State = dict[str, Tensor]


def small(channels: int = 3, classes: int = 4) -> Network:
    body = Seq(conv1=Conv(6, 3), act=Relu, pool=PoolTo(2), flatten=Flatten, fc=Linear(classes))
    return Network(body, 8, channels, classes, name="small")


@pytest.fixture
def state() -> State:
    return dict(build(small(), seed=1).state_dict())


@pytest.fixture
def file(state: State, tmp_path: Path) -> Path:
    torch.save(state, tmp_path / "w.pth")
    return tmp_path / "w.pth"


def stored(net: Net, path: Path) -> Path:
    torch.save(net.state_dict(), path)
    return path


def equal(net: Net, state: State) -> bool:
    return all(torch.equal(t, state[key]) for key, t in net.state_dict().items())


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(WeightsError) as caught:
        call()
    return str(caught.value)


def test_a_new_head_starts_anew_and_all_else_is_loaded(state: State, file: Path) -> None:
    net = build(small(), weights=file, classes=9, seed=5)
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 9)
    assert torch.equal(net.conv1.weight, state["conv1.weight"])
    assert torch.equal(net.fc.weight, build(small(), classes=9, seed=5).fc.weight)
    assert equal(build(small(), weights=file, classes=4, seed=5), state)  # the head fits: it is loaded
    assert "2 of another shape (fc.weight" in refused(lambda: build(small(classes=9), weights=file))


def test_a_new_head_excuses_the_head_alone(state: State, file: Path) -> None:
    state["conv1.weight"] = torch.zeros(7, 3, 3, 3)
    torch.save(state, file)
    message = refused(lambda: build(small(), weights=file, classes=9))
    assert "1 of another shape (conv1.weight [7, 3, 3, 3] instead of [6, 3, 3, 3])" in message


def test_the_heads_of_auxiliary_outputs_start_anew_too(tmp_path: Path) -> None:
    tap = Tap(Seq(pool=PoolTo(1), flatten=Flatten, hidden=Linear(5), fc=Linear(4)))
    body = Seq(conv1=Conv(6, 3), aux=tap, pool=PoolTo(1), flatten=Flatten, fc=Linear(4))
    old = build(Network(body, 8, 3, 4, name="tapped"), seed=1)
    net = build(Network(body, 8, 3, 4, name="tapped"), weights=stored(old, tmp_path / "w.pth"), classes=7)
    assert torch.equal(net.aux.hidden.weight, old.aux.hidden.weight)
    assert (net.aux.fc.weight.shape, net.fc.weight.shape) == ((7, 5), (7, 6))


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_auxiliary_heads_take_other_classes(name: str) -> None:
    from convsmith.nn import fill

    old, net = build(name, init="torch"), build(name, classes=7, init="torch")
    fill(net, old.state_dict(), "given", new_head=True)
    changed = [key for key, tensor in old.state_dict().items() if tensor.shape != net.state_dict()[key].shape]
    assert {tuple(net.state_dict()[key].shape[:1]) for key in changed} == {(7,)}
    assert all(torch.equal(t, net.state_dict()[k]) for k, t in old.state_dict().items() if k not in changed)


@pytest.mark.parametrize(("channels", "wanted"), [
    (1, lambda w: w.sum(1, keepdim=True)),
    (2, lambda w: torch.stack([w[:, 0] + w[:, 2], w[:, 1]], 1)),
    (4, lambda w: torch.stack([w[:, 0] / 2, w[:, 1], w[:, 2], w[:, 0] / 2], 1)),
    (6, lambda w: w.repeat(1, 2, 1, 1) / 2),
])  # fmt: skip
def test_other_channels_share_the_kernel_that_they_repeat(
    channels: int, wanted: Callable[[Tensor], Tensor], state: State, file: Path
) -> None:
    net = build(small(), weights=file, channels=channels)
    assert torch.allclose(net.conv1.weight, wanted(state["conv1.weight"]))
    assert torch.equal(net.fc.weight, state["fc.weight"])


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 12])
def test_an_image_that_repeats_its_channels_gives_the_same_output(channels: int, file: Path) -> None:
    distinct = torch.randn(2, min(channels, 3), 8, 8, generator=torch.Generator().manual_seed(channels))
    given, old = (distinct[:, torch.arange(count) % distinct.shape[1]] for count in (channels, 3))
    plain, net = build(small(), weights=file), build(small(), weights=file, channels=channels)
    assert torch.allclose(net(given), plain(old), atol=1e-5)
    assert plain(old).std() > 0.01  # the outputs say something


def test_the_same_channels_are_left_alone(state: State) -> None:
    assert adapt_channels(state["conv1.weight"], 3) is state["conv1.weight"]


def test_every_convolution_that_reads_the_image_is_adapted(tmp_path: Path) -> None:
    body = Seq(
        stem=Branches(Seq(a=Conv(4, 3)), Seq(pool=AvgPool(3, 1, 1), b=Conv(5, 1))),
        pool=PoolTo(1), flatten=Flatten, fc=Linear(4),
    )  # fmt: skip
    network = Network(body, 8, 3, 4, name="branched")
    file = stored(build(network, seed=1), tmp_path / "w.pth")
    grey = torch.randn(2, 1, 8, 8)
    plain, net = build(network, weights=file), build(network, weights=file, channels=1)
    assert torch.allclose(net(grey), plain(grey.expand(-1, 3, -1, -1)), atol=1e-5)


def test_a_grouped_first_convolution_takes_no_other_channels(tmp_path: Path) -> None:
    body = Seq(conv=Conv(12, 3, groups=2), pool=PoolTo(1), flatten=Flatten, fc=Linear(4))
    network = Network(body, 8, 4, 4, name="grouped")
    file = stored(build(network, seed=1), tmp_path / "w.pth")
    assert refused(lambda: build(network, weights=file, channels=6)) == (
        f"{file} does not fit grouped: 1 of another shape (conv.weight [12, 2, 3, 3] instead of [12, 3, 3, 3])"
    )


def test_other_channels_are_adapted_only_when_asked_for(file: Path) -> None:
    assert refused(lambda: build(small(channels=1), weights=file)) == (
        f"{file} does not fit small: 1 of another shape (conv1.weight [6, 3, 3, 3] instead of [6, 1, 3, 3]); "
        "other input channels need channels="
    )


@pytest.mark.parametrize("name", ["resnet20", "squeezenet1_1"])
def test_another_side_is_filled_where_the_network_pools_to_one_size(name: str, tmp_path: Path) -> None:
    old = build(name, seed=1)
    side = 48
    net = build(name, weights=stored(old, tmp_path / "w.pth"), side=side).eval()
    assert equal(net, dict(old.state_dict()))
    image = torch.randn(1, 3, side, side)
    assert torch.equal(net(image), old.eval()(image))


def test_another_side_is_refused_where_linear_layers_are_made_for_one(tmp_path: Path) -> None:
    file = stored(build("lenet5", seed=1), tmp_path / "w.pth")
    assert refused(lambda: build("lenet5", weights=file, side=64)) == (
        f"{file} does not fit lenet5: 1 of another shape (fc1.weight [120, 400] instead of [120, 2704]); fc1.weight is "
        "for one size of image: build with the side= that the weights were trained at (lenet5's own is 32)"
    )


def test_a_head_for_another_side_does_not_silently_start_anew(tmp_path: Path) -> None:
    body = Seq(conv1=Conv(6, 3), flatten=Flatten, fc=Linear(4))
    file = stored(build(Network(body, 8, 3, 4, name="flat"), seed=1), tmp_path / "w.pth")
    message = refused(lambda: start_from(build(Network(body, 6, 3, 4, name="flat")), str(file)))
    assert message.endswith("fc.weight is for one size of image: build with the side= that the weights were trained at")
