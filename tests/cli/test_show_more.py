"""`convsmith show` of somebody else's network, in other forms, and what memory it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from .conftest import Cli

SOURCE = """
from torch import nn
from convsmith.spec import Conv, Flatten, Linear, PoolTo, Seq

class Net(nn.Sequential):
    def __init__(self, width: int = 4) -> None:
        super().__init__(nn.Conv2d(1, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))

class Branchy(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x

body = Seq(conv=Conv(8, 3), pool=PoolTo(1), flatten=Flatten, fc=Linear(5))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mynet.py"
    path.write_text(SOURCE)
    return path


def test_a_module_of_your_own_file(cli: Cli, file: Path) -> None:
    found = json.loads(cli("show", f"{file}:Net", "--side", 16, "--set", "width=6", "--json").out)
    assert (found["name"], found["provenance"], found["channels"], found["classes"]) == ("Net", "imported", 1, 3)
    assert (found["params"], found["macs"]) == (6 * 9 + 6 + 6 * 3 + 3, 6 * 9 * 14 * 14 + 18)
    assert [layer["path"] for layer in found["layers"]] == ["0", "1", "2", "3", "4"]


def test_a_description_of_your_own_file(cli: Cli, file: Path) -> None:
    found = json.loads(cli("show", f"{file}:body", "--side", 16, "--json").out)
    assert (found["provenance"], found["params"]) == ("own", 3 * 8 * 9 + 8 + 8 * 5 + 5)


def test_a_librarys_network_with_other_classes(cli: Cli) -> None:
    found = json.loads(cli("show", "torchvision:resnet18", "--classes", 7, "--side", "64x96", "--json").out)
    ours = json.loads(cli("show", "resnet18", "--classes", 7, "--side", "64x96", "--json").out)
    assert (found["params"], found["macs"], found["side"]) == (ours["params"], ours["macs"], [64, 96])
    pytest.importorskip("timm", reason="timm is not installed")
    assert json.loads(cli("show", "timm:resnet18", "--json").out)["params"] == 11_689_512


def test_an_onnx_file(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "conv.weight"], ["y"], pads=[1, 1, 1, 1])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "conv.weight")],
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph), path)
    found = json.loads(cli("show", path, "--side", 8, "--json").out)
    assert (found["params"], found["macs"], found["name"]) == (108, 108 * 64, "net")
    assert cli("show", path, "--classes", 3).err.startswith(f"error: {path} is finished: --classes is for networks")


@pytest.mark.parametrize(("form", "start"), [
    ("text", "lenet5 (paper)"), ("markdown", "**lenet5 (paper)"), ("csv", "layer,kind,output,params"),
    ("html", "<div>"),
])  # fmt: skip
def test_other_forms(cli: Cli, form: str, start: str) -> None:
    assert cli("show", "lenet5", "--format", form).out.startswith(start)


def test_columns_depth_batch_and_bytes(cli: Cli) -> None:
    how = ("--depth", 1, "--columns", "macs,weight_bytes", "--batch", 2, "--dtype", "float16")
    words = ("show", "resnet18", "--format", "csv", *how)
    lines = cli(*words).out.splitlines()
    assert lines[0] == "layer,kind,output,MACs,weight bytes"
    assert lines[1] == f"conv1,conv,64×112×112,{2 * 118_013_952},{2 * 9_408}"
    assert lines[5].startswith("layer1,14 layers,64×56×56,")


def test_memory_of_inference_and_training(cli: Cli) -> None:
    result = cli("show", "resnet18", "--memory", "--batch", 8, "--available", "4G")
    assert result.code == 0
    assert result.out.startswith("memory at batch 8: float32, of which weights 46.76 MB")
    assert "a batch of up to" in result.out
    plain = json.loads(cli("show", "resnet18", "--memory", "--json").out)
    assert plain["batch"] == 1


@pytest.mark.parametrize(("words", "message"), [
    (("lenet5", "--format", "yaml"), "no format 'yaml'; did you mean 'html'? (there are text, markdown, csv, html"),
    (("lenet5", "--columns", "macs,parms"), "no column 'parms'; did you mean 'params'? (there are params, buffers"),
    (("lenet5", "--batch", "0"), "batch must be an integer of at least 1, got 0"),
    (("lenet5", "--dtype", "float31"), "no dtype 'float31'; did you mean 'float32'?"),
    (("torchvision:resnet5",), "torchvision has no model 'resnet5'; did you mean 'resnet50'?"),
    (("nowhere.py:Net",), "no file nowhere.py; write path/to/file.py:Name or package.module:Name"),
    (("none.onnx",), "no file none.onnx"),
])  # fmt: skip
def test_wrong_words_are_one_line_and_exit_code_2(cli: Cli, words: tuple[str, ...], message: str) -> None:
    result = cli("show", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("what", ["timm:resnet18", "mynet.py:Net", "model.onnx"])
def test_a_verb_that_wants_a_description_says_so(cli: Cli, what: str) -> None:
    result = cli("eject", what)
    assert result.code == 2
    assert result.err.startswith(f"error: {what} is somebody's module and no description; `convsmith show` reads it")


def test_a_module_that_cannot_be_exported_gives_torchs_reason(cli: Cli, file: Path) -> None:
    result = cli("show", f"{file}:Branchy")
    assert result.code == 2
    assert result.err.startswith("error: Branchy cannot be exported by torch: ")
    assert "write control flow that depends on the image's content as tensor operations" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_wrong_size_names_what_refuses(cli: Cli, file: Path) -> None:
    result = cli("show", f"{file}:Net", "--channels", 3)
    assert result.code == 2
    assert "expected input" in result.err
    assert "3 channels" in result.err
    assert torch.is_grad_enabled()
