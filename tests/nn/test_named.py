"""Modules by their names on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from convsmith import trace
from convsmith.nn.importer.named import image_of, is_named, named
from convsmith.spec import ConvsmithError, ImportFailed, MissingExtra, Network, UnknownName

SOURCE = """
from torch import nn
from convsmith.spec import Conv, Network, Seq

class Net(nn.Sequential):
    def __init__(self, width: int = 4) -> None:
        super().__init__(nn.Conv2d(1, width, 3), nn.ReLU())

made = Net(7)
described = Network(Seq(conv=Conv(5)), 9, name="mine")

def number():
    return 3

def broken():
    raise RuntimeError("out of order\\nsecond line")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mynet.py"
    path.write_text(SOURCE)
    return path


def test_a_class_an_instance_and_a_description_of_a_file(file: Path) -> None:
    made = named(f"{file}:Net", {"width": 6})
    assert isinstance(made, nn.Module)
    assert made[0].out_channels == 6
    assert image_of(made) == (1, 224, 224)
    instance = named(f"{file}:made", {})
    assert isinstance(instance, nn.Module)
    assert instance[0].out_channels == 7
    described = named(f"{file}:described", {})
    assert isinstance(described, Network)
    assert trace(described).rows[0].out.shape == (5, 9, 9)


def test_a_modules_factory_by_its_import_path(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.chdir(file.parent)
    assert isinstance(named("mynet:Net", {}), nn.Module)
    assert isinstance(named("torch.nn:Identity", {}), nn.Identity)


def test_libraries_modules_hold_no_numbers() -> None:
    made = named("torchvision:regnet_x_400mf", {"num_classes": 7})  # reads numbers while it is made
    assert isinstance(made, nn.Module)
    assert next(made.parameters()).is_meta
    assert made.fc.out_features == 7
    pytest.importorskip("timm", reason="timm is not installed")
    made = named("timm:inception_v4", {})
    assert isinstance(made, nn.Module)
    assert next(made.parameters()).is_meta
    assert image_of(made) == (3, 299, 299)


@pytest.mark.parametrize(("what", "kind", "message"), [
    ("{file}:Ned", UnknownName, "{file} has no 'Ned'; did you mean 'Net'?"),
    ("{file}:number", ImportFailed, "{file}:number gives int, not a module or a description"),
    ("{file}:broken", ImportFailed, "{file}:broken fails: RuntimeError: out of order"),
    ("nowhere.py:Net", UnknownName, "no file nowhere.py; write path/to/file.py:Name or package.module:Name"),
    ("no.such.module:Net", UnknownName, "no.such.module: No module named 'no'; write path/to/file.py:Name or"),
    ("torchvision:resnet5", UnknownName, "torchvision has no model 'resnet5'; did you mean 'resnet50'?"),
    ("torchvision:resnet50", UnknownName, "torchvision:resnet50 cannot be made so: "),
], ids=["name", "number", "broken", "file", "module", "model", "option"])  # fmt: skip
def test_what_is_not_there_or_fails_is_said_in_one_line(
    what: str, kind: type[ConvsmithError], message: str, file: Path
) -> None:
    options = {"widht": 3} if what == "torchvision:resnet50" else {}
    with pytest.raises(kind) as caught:
        named(what.format(file=file), options)
    assert str(caught.value).startswith(message.format(file=file))
    assert "\n" not in str(caught.value)


def test_a_file_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0\n")
    with pytest.raises(ImportFailed, match=r"bad\.py fails: ZeroDivisionError: division by zero"):
        named(f"{tmp_path / 'bad.py'}:Net", {})


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(MissingExtra, match=r"pip install 'convsmith\[timm\]'"):
        named("timm:resnet18", {})


def test_timms_unknown_names_have_a_nearest() -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    with pytest.raises(UnknownName, match="timm has no model 'convnext_tinny'; did you mean 'convnext_tiny'"):
        named("timm:convnext_tinny", {})


def test_a_colon_makes_a_name_unless_it_is_a_file(tmp_path: Path) -> None:
    assert is_named("a.py:Net")
    assert not is_named("resnet50")
    (tmp_path / "odd:name.json").write_text("{}")
    assert not is_named(str(tmp_path / "odd:name.json"))
