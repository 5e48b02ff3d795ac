"""Which file the weights came from is recorded with its SHA-256, and another hash is refused where one is demanded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from convsmith import build
from convsmith.nn import read_weights
from convsmith.search import start_from
from convsmith.spec import Flatten, Linear, Network, Seq, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = Network(Seq(flatten=Flatten, fc=Linear(2)), 2, 1, 2, name="tiny")


def save(path: Path, value: float) -> str:
    """A file of weights for TINY, and its SHA-256."""
    torch.save({"fc.weight": torch.full((2, 4), value), "fc.bias": torch.zeros(2)}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weight(path: str | Path) -> Tensor:
    return build(TINY, weights=path).fc.weight


def test_a_built_network_says_where_its_weights_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = save(tmp_path / "w.pth", 1)
    monkeypatch.chdir(tmp_path)
    origin = build(TINY, weights="w.pth").weights_from
    assert origin is not None
    assert (origin.source, origin.file, origin.sha256) == (str(tmp_path / "w.pth"), str(tmp_path / "w.pth"), digits)
    assert build(TINY).weights_from is None


def test_a_hash_can_be_demanded_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    digits = save(path, 1)
    assert weight(f"{path}@sha256:{digits}").eq(1).all()
    assert weight(f"{path}@sha256:{digits.upper()}").eq(1).all()
    assert read_weights(f"{path}@sha256:{digits}", "tiny").origin.source == str(path)
    other = save(path, 2)
    with pytest.raises(WeightsError) as caught:
        weight(f"{path}@sha256:{digits}")
    assert str(caught.value) == (
        f"{path} has the SHA-256 {other} instead of {digits}: these are other weights; bring the first back"
    )


@pytest.mark.parametrize("digits", ["", "12ab", "g" * 64, "0" * 65])
def test_a_hash_that_is_none_is_refused(digits: str, tmp_path: Path) -> None:
    save(tmp_path / "w.pth", 1)
    with pytest.raises(WeightsError) as caught:
        weight(f"{tmp_path / 'w.pth'}@sha256:{digits}")
    assert str(caught.value) == (
        f"{tmp_path / 'w.pth'}@sha256:{digits}: a SHA-256 has 64 hexadecimal digits, got {digits!r}; "
        f"`sha256sum {tmp_path / 'w.pth'}` has it"
    )


def test_a_run_that_starts_from_weights_demands_what_it_recorded(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    save(path, 1)
    origin = start_from(build(TINY), str(path))
    assert start_from(build(TINY), origin.source, origin.sha256) == origin
    other, net = save(path, 2), build(TINY, seed=1)
    before = net.fc.weight.clone()
    with pytest.raises(WeightsError, match=f"has the SHA-256 {other} instead of {origin.sha256}"):
        start_from(net, origin.source, origin.sha256)
    assert torch.equal(net.fc.weight, before)
    assert net.weights_from is None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "w.pth", 1)

    def denied(self: Path, *_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(WeightsError) as caught:
        read_weights(tmp_path / "w.pth", "tiny")
    monkeypatch.undo()
    assert (
        str(caught.value) == f"cannot read {tmp_path / 'w.pth'}: Permission denied; check the path and its permissions"
    )


def test_a_relative_name_is_looked_for_here_and_then_in_the_offline_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, value in ((here, 1), (there / "deep", 2)):
        folder.mkdir(parents=True)
        save(folder / "w.pth", value)
    monkeypatch.chdir(here)
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(there))
    assert weight("w.pth").eq(1).all()
    assert weight("deep/w.pth").eq(2).all()
    assert weight(f"deep/w.pth@sha256:{hashlib.sha256((there / 'deep/w.pth').read_bytes()).hexdigest()}").eq(2).all()
    assert read_weights("deep/w.pth", "tiny").origin.source == str(there / "deep" / "w.pth")
    for missing in ("none.pth", str(here / "deep" / "w.pth")):  # an absolute path means itself alone
        with pytest.raises(WeightsError, match=f"no weights at {missing}; give a .safetensors or .pth file"):
            weight(missing)
    monkeypatch.setenv("CONVSMITH_WEIGHTS", "")
    with pytest.raises(WeightsError, match=r"no weights at deep/w\.pth"):
        weight("deep/w.pth")


def test_an_offline_folder_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path / "none"))
    with pytest.raises(WeightsError) as caught:
        weight("w.pth")
    assert str(caught.value) == (
        f"CONVSMITH_WEIGHTS names {tmp_path / 'none'}, which is no folder; make it, or unset the variable"
    )
