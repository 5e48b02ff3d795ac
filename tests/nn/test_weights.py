"""Weights from files and from torchvision: every tensor finds its place, or an error says which does not."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models

from convsmith import build
from convsmith.nn import Net, adapt_channels, fill, read_weights
from convsmith.spec import Conv, Flatten, Linear, Network, PoolTo, Relu, Seq, UnknownName, WeightsError

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


def refused(call: Callable[[], object], kind: type[Exception] = WeightsError) -> str:
    with pytest.raises(kind) as caught:
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
        "(fc.weight [9, 24] instead of [4, 24]); another number of classes needs classes=, other input channels "
        "need channels="
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
            f"no weights at {path}; give a .safetensors or .pth file, or torchvision:ENTRY"
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


def test_a_new_head_starts_anew_and_all_else_is_loaded(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    net = build(small(), weights=tmp_path / "w.pth", classes=9, seed=5)
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 9)
    assert torch.equal(net.conv1.weight, state["conv1.weight"])
    assert torch.equal(net.fc.weight, build(small(), classes=9, seed=5).fc.weight)
    same = build(small(), weights=tmp_path / "w.pth", classes=4, seed=5)
    assert equal(same, state)  # the head fits: it is loaded
    assert "2 of another shape (fc.weight" in refused(lambda: build(small(classes=9), weights=tmp_path / "w.pth"))


def test_a_new_head_excuses_the_head_alone(state: State, tmp_path: Path) -> None:
    state["conv1.weight"] = torch.zeros(7, 3, 3, 3)
    torch.save(state, tmp_path / "w.pth")
    message = refused(lambda: build(small(), weights=tmp_path / "w.pth", classes=9))
    assert "1 of another shape (conv1.weight [7, 3, 3, 3] instead of [6, 3, 3, 3])" in message


@pytest.mark.parametrize(("channels", "wanted"), [
    (1, lambda w: w.sum(1, keepdim=True)),
    (2, lambda w: w[:, [0, 1]] * (3 / 2)),
    (4, lambda w: w[:, [0, 1, 2, 0]] * (3 / 4)),
    (6, lambda w: w.repeat(1, 2, 1, 1) / 2),
])  # fmt: skip
def test_other_channels_repeat_the_kernels_in_turn_and_keep_the_sum(
    channels: int, wanted: Callable[[Tensor], Tensor], state: State, tmp_path: Path
) -> None:
    torch.save(state, tmp_path / "w.pth")
    net = build(small(), weights=tmp_path / "w.pth", channels=channels)
    assert torch.allclose(net.conv1.weight, wanted(state["conv1.weight"]))
    assert torch.equal(net.fc.weight, state["fc.weight"])


def test_images_that_repeat_their_channels_give_the_same_response(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    image = torch.randn(2, 3, 8, 8)
    plain = build(small(), weights=tmp_path / "w.pth")
    six = build(small(), weights=tmp_path / "w.pth", channels=6)
    assert torch.allclose(six(image.repeat(1, 2, 1, 1)), plain(image), atol=1e-5)
    grey = build(small(), weights=tmp_path / "w.pth", channels=1)
    assert torch.allclose(grey(image[:, :1]), plain(image[:, :1].expand(-1, 3, -1, -1)), atol=1e-5)
    assert torch.equal(adapt_channels(state["conv1.weight"], 3), state["conv1.weight"])


def test_other_channels_are_adapted_only_when_asked_for(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    assert refused(lambda: build(small(channels=1), weights=tmp_path / "w.pth")) == (
        f"{tmp_path / 'w.pth'} does not fit small: 1 of another shape (conv1.weight [6, 3, 3, 3] instead of [6, "
        f"1, 3, 3]); "
        "another number of classes needs classes=, other input channels need channels="
    )


def test_a_network_without_weights_takes_none(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "w.pth")
    bare = Network(Seq(pool=PoolTo(1), flatten=Flatten), 8, classes=3, name="bare")
    assert build(bare, weights=tmp_path / "w.pth")(torch.ones(1, 3, 8, 8)).tolist() == [[1.0, 1.0, 1.0]]


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch) -> State:
    """torchvision's loader hands out these tensors instead of going to the network."""
    state = dict(build("resnet18", seed=8).state_dict())
    asked: list[Any] = []

    def get_state_dict(self: Any, *_: Any, **options: Any) -> State:
        asked.append((self, options))
        return state

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", get_state_dict)
    return state


def test_torchvisions_weights_are_loaded_by_their_entrys_name(download: State) -> None:
    net = build("resnet18", weights="torchvision:IMAGENET1K_V1")
    assert equal(net, download)
    ten = build("resnet18", weights="torchvision:IMAGENET1K_V1", classes=10)
    assert torch.equal(ten.layer4[1].conv2.weight, download["layer4.1.conv2.weight"])
    assert ten.fc.weight.shape == (10, 512)
    assert equal(build("resnet18", weights="torchvision:DEFAULT"), download)


def test_the_download_is_checked_against_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def get_state_dict(self: Any, *_: Any, **options: Any) -> State:
        asked.update(options)
        return {}

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", get_state_dict)
    assert read_weights("torchvision:IMAGENET1K_V1", "resnet18") == {}
    assert asked["check_hash"] is True


def test_a_download_that_fails_is_a_weights_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_state_dict(self: Any, *_: Any, **__: Any) -> State:
        raise OSError("no route to host")

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", get_state_dict)
    assert refused(lambda: build("resnet18", weights="torchvision:IMAGENET1K_V1")) == (
        "cannot download torchvision's IMAGENET1K_V1 for resnet18 (no route to host); give a file instead"
    )


def test_a_download_with_another_hash_is_a_weights_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_state_dict(self: Any, *_: Any, **__: Any) -> State:  # what torch.hub raises
        raise RuntimeError('invalid hash value (expected "f37072fd", got "0000")')

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", get_state_dict)
    assert "invalid hash value" in refused(lambda: build("resnet18", weights="torchvision:IMAGENET1K_V1"))


def test_a_download_that_breaks_off_is_a_weights_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_state_dict(self: Any, *_: Any, **__: Any) -> State:
        raise IncompleteRead(b"half")

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", get_state_dict)
    assert "IncompleteRead(4 bytes read)" in refused(lambda: build("resnet18", weights="torchvision:IMAGENET1K_V1"))


def test_an_unknown_entry_offers_the_nearest() -> None:
    assert refused(lambda: build("resnet50", weights="torchvision:IMAGENET1K_V3"), UnknownName).startswith(
        "torchvision's ResNet50_Weights has no entry 'IMAGENET1K_V3'; did you mean 'IMAGENET1K_V"
    )


def test_a_network_that_torchvision_lacks_needs_a_file() -> None:
    assert refused(lambda: build("resnet20", weights="torchvision:DEFAULT")) == (
        "torchvision has no weights for resnet20; give a file"
    )
