"""timm's weights: from the hub through timm itself, from the offline folder, and every way that can fail."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from convsmith import build
from convsmith.nn import Net, read_weights
from convsmith.spec import MissingExtra, UnknownName, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread", "no_folder")

State = dict[str, Tensor]
NAME = "resnet18.tv_in1k"


@pytest.fixture
def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVSMITH_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def state() -> State:
    return dict(build("resnet18", seed=8).state_dict())


def equal(net: Net, state: State) -> bool:
    return all(torch.equal(t, state[key]) for key, t in net.state_dict().items())


def create(monkeypatch: pytest.MonkeyPatch, made: Any) -> list[dict[str, Any]]:
    """timm.create_model gives what `made()` gives instead of going to the network; what it was asked is noted."""
    asked: list[dict[str, Any]] = []

    def create_model(name: str, **options: Any) -> nn.Module:
        asked.append({"name": name, **options})
        return made()

    monkeypatch.setattr(timm, "create_model", create_model)
    return asked


def refused(source: str, kind: type[Exception] = WeightsError) -> str:
    with pytest.raises(kind) as caught:
        build("resnet18", weights=source)
    return str(caught.value)


def test_the_hubs_weights_come_through_timm(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def module() -> nn.Module:
        made = timm.models.resnet.resnet18()
        made.load_state_dict(state)
        return made

    asked = create(monkeypatch, module)
    (tmp_path / "model.safetensors").write_bytes(b"what timm has read")
    cache = {("timm/resnet18.tv_in1k", "model.safetensors"): str(tmp_path / "model.safetensors")}
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, file, **_: cache.get((repo, file)))
    net = build("resnet18", weights=f"timm:{NAME}")
    assert equal(net, state)
    assert asked == [{"name": NAME, "pretrained": True}] * 2
    assert net.weights_from is not None
    assert net.weights_from.source == f"timm:{NAME}"
    assert net.weights_from.sha256 == hashlib.sha256(b"what timm has read").hexdigest()


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_the_offline_folder_comes_before_the_hub(
    suffix: str, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"{NAME}.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, file)
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    net = build("resnet18", weights=f"timm:{NAME}")
    assert equal(net, state)
    assert net.weights_from is not None
    assert net.weights_from.file == str(file)
    assert net.weights_from.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_download_of_timms_address_is_taken_too_if_its_name_says_its_hash(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "resnet18-f37072fd.pth"  # timm's address for tv_in1k ends so
    torch.save(state, file)
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    assert refused(f"timm:{NAME}").startswith(f"{file} is broken: its SHA-256 begins with ")


def test_a_name_without_a_tag_is_recorded_with_it(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = timm.get_pretrained_cfg("resnet18").tag
    save_file(state, tmp_path / f"resnet18.{tag}.safetensors")
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    assert read_weights("timm:resnet18", "resnet18").origin.source == f"timm:resnet18.{tag}"


def test_a_broken_offline_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / f"{NAME}.safetensors"
    file.write_bytes(b"noise")
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    assert refused(f"timm:{NAME}").startswith(f"cannot get timm's {NAME} (")
    assert refused(f"timm:{NAME}").endswith(f"; fetch {file} again")


def test_an_offline_file_that_lacks_tensors_is_refused(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file({key: tensor for key, tensor in state.items() if "layer4.1" not in key}, tmp_path / f"{NAME}.safetensors")
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    assert "Error(s) in loading state_dict" in refused(f"timm:{NAME}")


def test_a_model_that_timm_starts_at_random_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    create(monkeypatch, timm.models.resnet.resnet18)
    assert refused(f"timm:{NAME}") == (f"timm leaves 22 tensors of {NAME} at random (conv1.weight); give other weights")


def test_without_a_network_the_folder_is_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> nn.Module:
        raise ConnectionError("no route to host.\nmore lines")

    create(monkeypatch, fail)
    assert refused(f"timm:{NAME}") == (
        f"cannot get timm's {NAME} (no route to host); without a network, put {NAME}.safetensors into the folder that "
        "CONVSMITH_WEIGHTS names"
    )


def test_unknown_names_offer_the_nearest() -> None:
    assert refused("timm:resnet81", UnknownName).startswith("timm has no model 'resnet81'; did you mean 'resnet")
    message = refused("timm:resnet18.tv_in1", UnknownName)
    assert message.startswith("timm's resnet18 has no weights 'tv_in1'; did you mean 'resnet18.tv_in1k'? (it has ")
    assert "tv_in1k" in message.partition("(it has")[2]
    assert refused("timm:hf-hub:timm/resnet18.a1_in1k", UnknownName).startswith("timm has no model 'hf-hub:timm/")


def test_a_model_without_weights_is_refused() -> None:
    trained = {name.partition(".")[0] for name in timm.list_pretrained("resnet*")}
    bare = next(name for name in timm.list_models("resnet*") if name not in trained)
    assert refused(f"timm:{bare}") == f"timm publishes no weights for {bare}; give a file"


def test_timm_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert refused(f"timm:{NAME}", MissingExtra) == "weights of timm need timm: pip install 'convsmith[timm]'"


@pytest.fixture(scope="module")
def mobilenet() -> nn.Module:
    """timm's MobileNetV2, whose names are not torchvision's, with statistics that are not where they begin."""
    torch.manual_seed(3)
    module = timm.create_model("mobilenetv2_100")
    module(torch.randn(4, 3, 64, 64))
    return module.eval()


@pytest.fixture
def mobilenets_name(mobilenet: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    save_file(mobilenet.state_dict(), tmp_path / "mobilenetv2_100.ra_in1k.safetensors")
    return "timm:mobilenetv2_100.ra_in1k"


def test_names_that_differ_are_moved_along_the_structure(mobilenet: nn.Module, mobilenets_name: str) -> None:
    image = torch.randn(2, 3, 64, 64)
    net = build("mobilenet_v2", weights=mobilenets_name).eval()
    assert not net.state_dict().keys() & mobilenet.state_dict().keys()
    assert torch.allclose(net(image), mobilenet(image), atol=1e-5)


def test_names_are_moved_for_other_classes_channels_and_sides_too(mobilenet: nn.Module, mobilenets_name: str) -> None:
    grey = torch.randn(2, 1, 64, 64)
    net = build("mobilenet_v2", weights=mobilenets_name, classes=7, channels=1, side=64).eval()
    assert net(grey).shape == (2, 7)
    features = mobilenet.forward_features(grey.expand(-1, 3, -1, -1))
    assert (net.features(grey) - features).abs().max() < 1e-3 < features.std()  # three kernels are added up in float32


def test_the_same_names_in_another_structure_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "resnet50.a1_in1k"
    save_file(build("resnet50").state_dict(), tmp_path / f"{name}.safetensors")
    monkeypatch.setenv("CONVSMITH_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError) as caught:  # the paper's strides are in other layers
        build("resnet50_paper", weights=f"timm:{name}")
    message = str(caught.value)
    assert message.startswith(f"timm:{name}: ResNet and resnet50_paper have not the same structure: layer2.0.conv1")
    assert message.endswith("; choose the network of the same form, or give a file with its names")
