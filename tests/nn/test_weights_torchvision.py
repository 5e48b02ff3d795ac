"""torchvision's weights: by entry, from its own download or from the offline folder, and every way that can fail."""

from __future__ import annotations

import hashlib
from http.client import IncompleteRead
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision import models

from convsmith import build
from convsmith.nn import Net, read_weights
from convsmith.spec import UnknownName, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread", "empty_cache")

State = dict[str, Tensor]
SOURCE = "torchvision:IMAGENET1K_V1"
FILE = "resnet18-f37072fd.pth"  # torchvision's, whose SHA-256 begins with f37072fd


def equal(net: Net, state: State) -> bool:
    return all(torch.equal(t, state[key]) for key, t in net.state_dict().items())


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """torch.hub's folder of downloads."""
    monkeypatch.delenv("CONVSMITH_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def state() -> State:
    return dict(build("resnet18", seed=8).state_dict())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, state: State) -> list[dict[str, Any]]:
    """torchvision's loader hands out these tensors instead of going to the network; what it was asked is noted."""
    calls: list[dict[str, Any]] = []

    def get_state_dict(self: Any, *_: Any, **options: Any) -> State:
        calls.append(options)
        return state

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", get_state_dict)
    return calls


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def get_state_dict(self: Any, *_: Any, **__: Any) -> State:
        raise error

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", get_state_dict)


def refused(source: str = SOURCE, name: str = "resnet18", kind: type[Exception] = WeightsError) -> str:
    with pytest.raises(kind) as caught:
        build(name, weights=source)
    return str(caught.value)


def named_by_its_hash(state: State, folder: Path) -> Path:
    """The state in a file whose name begins its own hash, as torchvision's files do."""
    torch.save(state, folder / "w.pth")
    digits = hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()
    return (folder / "w.pth").rename(folder / f"resnet18-{digits[:8]}.pth")


def test_weights_are_loaded_by_their_entrys_name(asked: list[dict[str, Any]], state: State) -> None:
    assert equal(build("resnet18", weights=SOURCE), state)
    ten = build("resnet18", weights=SOURCE, classes=10)
    assert torch.equal(ten.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert ten.fc.weight.shape == (10, 512)
    assert equal(build("resnet18", weights="torchvision:DEFAULT"), state)
    assert len(asked) == 3


def test_the_download_is_checked_against_its_hash_and_holds_tensors_only(asked: list[dict[str, Any]]) -> None:
    read_weights(SOURCE, "resnet18")
    assert asked == [{"progress": True, "check_hash": True, "weights_only": True}]


def test_the_file_in_torchs_cache_is_recorded_and_checked(
    asked: list[dict[str, Any]], state: State, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_weights(SOURCE, "resnet18").origin.sha256 is None  # torchvision did not say where its file is
    with pytest.raises(WeightsError, match=f"{SOURCE} was to have the SHA-256 {'0' * 64}, but the file it was read"):
        read_weights(f"{SOURCE}@sha256:{'0' * 64}", "resnet18")
    torch.save(state, empty_cache / FILE)
    assert refused().startswith(f"{empty_cache / FILE} is broken: its SHA-256 begins with ")
    kept = named_by_its_hash(state, empty_cache)
    monkeypatch.setattr(models.ResNet18_Weights.IMAGENET1K_V1.value, "url", f"https://example.org/{kept.name}")
    origin = read_weights(SOURCE, "resnet18").origin
    assert (origin.source, origin.file) == (SOURCE, str(kept))
    assert origin.sha256 == hashlib.sha256(kept.read_bytes()).hexdigest()


def test_the_offline_folder_comes_before_the_network(
    asked: list[dict[str, Any]], state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {key: tensor + 1 for key, tensor in state.items()}
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    kept = named_by_its_hash(other, tmp_path)
    monkeypatch.setattr(models.ResNet18_Weights.IMAGENET1K_V1.value, "url", f"https://example.org/{kept.name}")
    net = build("resnet18", weights=SOURCE)
    assert equal(net, other)
    assert net.weights_from is not None
    assert (net.weights_from.source, net.weights_from.file) == (SOURCE, str(kept))
    assert not asked


def test_a_file_of_another_hash_than_its_name_says_is_refused(
    asked: list[dict[str, Any]], state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    torch.save(state, tmp_path / FILE)
    found = hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()[:8]
    assert refused() == (
        f"{tmp_path / FILE} is broken: its SHA-256 begins with {found} and not as its name says; delete it and fetch "
        "it again"
    )
    assert not asked


@pytest.mark.parametrize("error", [
    OSError("no route to host"), RuntimeError('invalid hash value (expected "f37072fd", got "0000")'),
    IncompleteRead(b"half"), UnpicklingError("Unsupported global"),
], ids=["no network", "another hash", "breaks off", "more than tensors"])  # fmt: skip
def test_a_download_that_fails_says_what_to_do(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, error)
    assert refused() == (
        f"cannot get torchvision's IMAGENET1K_V1 for resnet18 ({error}); without a network, put {FILE} into the folder "
        "that CONVSMITH_WEIGHTS names"
    )


def test_an_unknown_entry_offers_the_nearest() -> None:
    assert refused("torchvision:IMAGENET1K_V3", "resnet50", UnknownName).startswith(
        "torchvision's ResNet50_Weights has no entry 'IMAGENET1K_V3'; did you mean 'IMAGENET1K_V"
    )


def test_a_network_that_torchvision_lacks_needs_a_file() -> None:
    assert refused("torchvision:DEFAULT", "resnet20") == "torchvision has no weights for resnet20; give a file"
