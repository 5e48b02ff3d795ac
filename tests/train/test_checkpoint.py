from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import convsmith
from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.spec.errors import RunError
from convsmith.train import Recipe, checkpoint
from convsmith.train.checkpoint import Position
from convsmith.train.loop import make_optimiser


def stepped(net: Net, digits: Data) -> torch.optim.SGD:
    """An optimiser that has momentum."""
    optimiser = make_optimiser(net, Recipe())
    net(digits.preprocess.normalise(digits.train.images[:8])).sum().backward()
    optimiser.step()
    return optimiser


def test_everything_comes_back(net: Net, digits: Data, tmp_path: Path) -> None:
    optimiser, path = stepped(net, digits), tmp_path / "c.safetensors"
    at = Position(epoch=2, step=5, loss_sum=1.5, correct=7, seen=11, seconds=0.5, history=[{"epoch": 1}])
    torch.manual_seed(7)
    checkpoint.write(path, net, optimiser, at)
    expected = torch.rand(3)
    other = build(net.network, seed=99)
    fresh = make_optimiser(other, Recipe())
    torch.manual_seed(8)
    assert checkpoint.read(path, other, fresh) == at
    assert torch.equal(torch.rand(3), expected)
    for (name, a), b in zip(net.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(optimiser.state[a]["momentum_buffer"], fresh.state[b]["momentum_buffer"])


def test_it_is_readable_without_our_code(net: Net, digits: Data, tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "c.safetensors", net, stepped(net, digits), Position())
    with safe_open(tmp_path / "c.safetensors", "pt") as file:
        assert {"model.conv1.weight", "momentum.conv1.weight", "random"} <= set(file.keys())


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_a_truncated_checkpoint_is_named(keep: float, net: Net, digits: Data, tmp_path: Path) -> None:
    path, optimiser = tmp_path / "c.safetensors", stepped(net, digits)
    checkpoint.write(path, net, optimiser, Position())
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    with pytest.raises(RunError, match=r"checkpoint .*c\.safetensors is broken or cut short"):
        checkpoint.read(path, net, optimiser)


def test_the_checkpoint_of_another_network_is_refused(net: Net, digits: Data, tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "c.safetensors", net, stepped(net, digits), Position())
    other = build(convsmith.spec("resnet20", depth=8, width=5), channels=1, side=8)
    with pytest.raises(RunError, match=r"belongs to another network than spec\.json"):
        checkpoint.read(tmp_path / "c.safetensors", other, make_optimiser(other, Recipe()))


def test_an_older_checkpoint_survives_a_write_that_fails(
    net: Net, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, optimiser = tmp_path / "c.safetensors", stepped(net, digits)
    checkpoint.write(path, net, optimiser, Position(epoch=1))
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=r"cannot write .*c\.safetensors: No space left on device"):
        checkpoint.write(path, net, optimiser, Position(epoch=2))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]
