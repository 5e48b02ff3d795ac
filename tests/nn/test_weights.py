"""Weights from files: every tensor finds its place, or an error says which does not."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from convsmith import build
from convsmith.nn import Net, fill
from convsmith.spec import Conv, Flatten, Linear, Network, PoolTo, Relu, Seq, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread")

State = dict[str, Tensor]


def small(channels: int = 3, classes: int = 4) -> Network:
    body = Seq(conv1=Conv(6, 3), act=Relu, pool=PoolTo(2), flatten=Flatten, fc=Linear(classes))
    return Network(body, 8, channels, classes, name="small")


@pytest.fixture
def state() -> State:
    return dict(build(small(), seed=1).state_dict())


def equal(net: Net, state: State) -> bool:
    return all(torch.equal(t, state[key]) for key, t in net.state_dict().items())


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(WeightsError) as caught:
        call()
    return str(caught.value)


def test_both_file_formats_give_the_same_network(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")
    for file in ("w.pth", "w.safetensors"):
        assert equal(build(small(), weights=tmp_path / file), state)
        assert equal(build(small(), weights=str(tmp_path / file)), state)


@pytest.mark.parametrize("wrap", [
    lambda s: {"state_dict": s, "epoch": 7}, lambda s: {"model": s}, lambda s: {f"module.{k}": t for k, t in s.items()},
    lambda s: {"state_dict": {f"module.{k}": t for k, t in s.items()}},
], ids=["state_dict", "model", "ddp", "both"])  # fmt: skip
def test_usual_wrappings_are_taken_off(wrap: Callable[[State], Any], state: State, tmp_path: Path) -> None:
    torch.save(wrap(state), tmp_path / "w.pth")
    assert equal(build(small(), weights=tmp_path / "w.pth"), state)


def test_every_problem_is_listed(state: State, tmp_path: Path) -> None:
    del state["conv1.bias"]
    state["conv2.weight"] = torch.zeros(1)
    state["fc.weight"] = torch.zeros(9, 24)
    torch.save(state, tmp_path / "w.pth")
    assert refused(lambda: build(small(), weights=tmp_path / "w.pth")) == (
        f"{tmp_path / 'w.pth'} does not fit small: 1 missing (conv1.bias); 1 extra (conv2.weight); 1 of another shape "
        "(fc.weight [9, 24] instead of [4, 24]); another number of classes needs classes="
    )


def test_a_long_list_is_cut_and_counted(tmp_path: Path) -> None:
    torch.save({f"x{i}": torch.zeros(1) for i in range(7)}, tmp_path / "w.pth")
    assert refused(lambda: build(small(), weights=tmp_path / "w.pth")) == (
        f"{tmp_path / 'w.pth'} does not fit small: 4 missing (conv1.weight, conv1.bias, fc.weight, fc.bias); "
        "7 extra (x0, x1, x2, x3, x4, ...)"
    )


def test_a_refusal_leaves_the_network_as_it_was(state: State) -> None:
    net = build(small(), seed=2)
    before = {key: t.clone() for key, t in net.state_dict().items()}
    state["fc.weight"] = torch.zeros(9, 24)
    refused(lambda: fill(net, state, "given"))
    assert equal(net, before)


def test_older_files_may_lack_the_counter_of_batches(tmp_path: Path) -> None:
    state = build("resnet20", seed=1).state_dict()
    old = {key: t for key, t in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "w.pth")
    assert equal(build("resnet20", weights=tmp_path / "w.pth"), dict(state))
    del old["bn1.running_mean"]
    torch.save(old, tmp_path / "w.pth")
    assert "1 missing (bn1.running_mean)" in refused(lambda: build("resnet20", weights=tmp_path / "w.pth"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        assert refused(lambda path=path: build(small(), weights=path)) == (
            f"no weights at {path}; give a .safetensors or .pth file, torchvision:ENTRY, timm:NAME or "
            "package:DISTRIBUTION"
        )


def test_a_file_cut_short_is_refused_wherever_it_is_cut(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "whole.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "whole.safetensors")
    for source in ("whole.pth", "old.pth", "whole.safetensors"):
        whole = (tmp_path / source).read_bytes()
        cut = tmp_path / f"cut{Path(source).suffix}"
        for share in (0, 0.01, 0.1, 0.3, 0.5, 0.8, 0.99):
            cut.write_bytes(whole[: int(share * len(whole))])
            message = refused(lambda cut=cut: build(small(), weights=cut))
            assert message.startswith(f"{cut} is ")
            assert "broken or cut short" in message or "more than tensors" in message


def test_bytes_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    draw = random.Random(0)
    for length in (0, 1, 2, 7, 8, 64, 4096):
        for suffix in (".pth", ".safetensors"):
            for _ in range(8):
                path = tmp_path / f"noise{suffix}"
                path.write_bytes(draw.randbytes(length))
                assert str(path) in refused(lambda path=path: build(small(), weights=path))


def test_a_file_with_a_flipped_byte_is_read_or_refused(state: State, tmp_path: Path) -> None:
    draw, outcomes = random.Random(1), set()
    for suffix in (".pth", ".safetensors"):
        path = tmp_path / f"flipped{suffix}"
        (torch.save if suffix == ".pth" else save_file)(state, path)
        whole = path.read_bytes()
        for _ in range(60):
            at = draw.randrange(len(whole))
            path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :])
            try:
                build(small(), weights=path)
                outcomes.add("read")
            except WeightsError:
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}


class Trap:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


@pytest.mark.parametrize("save", [
    lambda thing, path: torch.save(thing, path),
    lambda thing, path: torch.save(thing, path, _use_new_zipfile_serialization=False),
    lambda thing, path: path.write_bytes(pickle.dumps(thing, 2)),
], ids=["zip", "old", "bare pickle"])  # fmt: skip
def test_a_pickle_that_holds_code_is_refused_and_not_run(
    save: Callable[..., None], state: State, tmp_path: Path
) -> None:
    sprung = tmp_path / "sprung"
    save({**state, "trap": Trap(sprung)}, tmp_path / "w.pth")
    message = refused(lambda: build(small(), weights=tmp_path / "w.pth"))
    assert message == (
        f"{tmp_path / 'w.pth'} is a pickle that holds more than tensors and could run code when opened; "
        "save its state_dict alone"
    )
    assert not sprung.exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the trap itself leaves its file open
def test_the_trap_is_a_real_one(tmp_path: Path) -> None:
    torch.save(Trap(tmp_path / "sprung"), tmp_path / "w.pth")
    torch.load(tmp_path / "w.pth", weights_only=False)
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("thing", [
    [1, 2], 5, "text", {"epoch": 3}, {1: torch.zeros(1)}, {"a": [torch.zeros(1)]}, torch.zeros(3),
], ids=["list", "number", "text", "no tensors", "numbered", "nested", "one tensor"])  # fmt: skip
def test_plain_data_that_is_no_state_dict_is_refused(thing: Any, tmp_path: Path) -> None:
    torch.save(thing, tmp_path / "w.pth")
    assert refused(lambda: build(small(), weights=tmp_path / "w.pth")) == (
        f"{tmp_path / 'w.pth'} is not a state dict of tensors; save `net.state_dict()`"
    )


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(build(small(), seed=0), tmp_path / "w.pth")
    assert "more than tensors" in refused(lambda: build(small(), weights=tmp_path / "w.pth"))


def test_a_network_without_weights_takes_none(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "w.pth")
    bare = Network(Seq(pool=PoolTo(1), flatten=Flatten), 8, classes=3, name="bare")
    assert build(bare, weights=tmp_path / "w.pth")(torch.ones(1, 3, 8, 8)).tolist() == [[1.0, 1.0, 1.0]]
