"""ONNX files as graphs: the same costs as the module that was exported, and operators one by one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from convsmith import build, cost, spec
from convsmith.nn import from_onnx, from_torch
from convsmith.spec import Graph, ImportFailed, MissingExtra

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytestmark = pytest.mark.usefixtures("one_thread")


def written(
    folder: Path, nodes: Sequence[Any], held: dict[str, Any] | None = None, image: Sequence[Any] = (1, 4, 8, 6),
    out: str = "y",
) -> Path:  # fmt: skip
    """A file of these operators, which read `x` and the tensors `held`, and end in `y`."""
    from onnx import TensorProto, helper, numpy_helper

    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(image))]
    outputs = [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (held or {}).items()]
    graph = helper.make_graph(list(nodes), "g", inputs, outputs, tensors)
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def node(word: str, reads: str, makes: str = "y", **attributes: Any) -> Any:
    return onnx.helper.make_node(word, reads.split(), makes.split(), name=f"/{word.lower()}/", **attributes)


def floats(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def said(graph: Graph) -> list[str]:
    return [f"{row.path}: {row.kind} {row.out}" for row in graph.rows]


CASES: dict[str, tuple[list[Any], dict[str, Any], list[str]]] = {
    "convolution": (
        [node("Conv", "x conv.weight conv.bias", pads=[1, 1, 1, 1], strides=[2, 2])],
        {"conv.weight": floats(6, 4, 3, 3), "conv.bias": floats(6)}, ["conv: conv 6×4×3"],
    ),
    "padding of its own on each side": (
        [node("Conv", "x conv.weight", pads=[0, 0, 1, 1], strides=[2, 2])], {"conv.weight": floats(6, 4, 3, 3)},
        ["conv: conv 6×4×3"],
    ),
    "same padding": (
        [node("Conv", "x w.weight", auto_pad="SAME_UPPER", strides=[2, 2])], {"w.weight": floats(6, 4, 3, 3)},
        ["w: conv 6×4×3"],
    ),
    "grouped": ([node("Conv", "x w.weight", group=2)], {"w.weight": floats(6, 2, 1, 1)}, ["w: conv 6×8×6"]),
    "transposed convolution": (
        [node("ConvTranspose", "x up.weight", strides=[2, 2], pads=[1, 1, 1, 1])], {"up.weight": floats(4, 3, 4, 4)},
        ["up: conv_transpose 3×16×12"],
    ),
    "batch normalisation": (
        [node("BatchNormalization", "x n.weight n.bias n.running_mean n.running_var", epsilon=1e-3)],
        {"n.weight": floats(4), "n.bias": floats(4), "n.running_mean": floats(4), "n.running_var": floats(4)},
        ["n: norm 4×8×6"],
    ),
    "pooling": (
        [node("MaxPool", "x", "p", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
         node("AveragePool", "p", kernel_shape=[2, 2], strides=[2, 2])],
        {}, ["maxpool: max_pool 4×4×3", "averagepool: avg_pool 4×2×1"],
    ),
    "head with its weight turned": (
        [node("GlobalAveragePool", "x", "p"), node("Flatten", "p", "f"), node("Gemm", "f fc.weight fc.bias")],
        {"fc.weight": floats(4, 10), "fc.bias": floats(10)},
        ["globalaveragepool: avg_pool_to 4×1×1", "flatten: flatten 4", "fc: linear 10"],
    ),
    "head by matmul": (
        [node("ReduceMean", "x axes", "p", keepdims=0), node("MatMul", "p w", "m"), node("Add", "m b")],
        {"axes": np.array([2, 3]), "w": floats(4, 10), "b": floats(10)},
        ["reducemean: avg_pool_to 4×1×1", "reducemean.flatten: flatten 4", "w: linear 10", "b: add 10"],
    ),
    "activations": (
        [node("Relu", "x", "a"), node("Clip", "a low high", "b"), node("HardSwish", "b", "c"), node("Gelu", "c", "d"),
         node("LeakyRelu", "d", "e", alpha=0.2), node("HardSigmoid", "e", "f", alpha=1 / 6), node("Sigmoid", "f", "g"),
         node("Softmax", "g", axis=1)],
        {"low": np.float32(0), "high": np.float32(6)},
        ["relu: relu 4×8×6", "clip: relu6 4×8×6", "hardswish: hard_swish 4×8×6", "gelu: gelu 4×8×6",
         "leakyrelu: leaky_relu 4×8×6", "hardsigmoid: hard_sigmoid 4×8×6", "sigmoid: sigmoid 4×8×6",
         "softmax: softmax 4×8×6"],
    ),
    "gate, factor and sum": (
        [node("GlobalAveragePool", "x", "p"), node("Mul", "x p", "m"), node("Mul", "m half", "h"), node("Add", "h x")],
        {"half": np.float32(0.5)},
        ["globalaveragepool: avg_pool_to 4×1×1", "mul: mul 4×8×6", "mul_2: times 4×8×6", "add: add 4×8×6"],
    ),
    "split, concatenation": (
        [node("Split", "x", "a b", axis=1, num_outputs=2), node("Concat", "b a", axis=1)], {},
        ["split: slice 2×8×6", "split_2: slice 2×8×6", "concat: concat 4×8×6"],
    ),
    "slice of the channels": (
        [node("Slice", "x from to axis")], {"from": np.array([2]), "to": np.array([4]), "axis": np.array([1])},
        ["slice: slice 2×8×6"],
    ),
    "shuffle": (
        [node("Reshape", "x five", "a"), node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]), node("Reshape", "b four")],
        {"five": np.array([1, 2, 2, 8, 6]), "four": np.array([1, 4, 8, 6])}, ["reshape: shuffle 4×8×6"],
    ),
    "channels last": (
        [node("Transpose", "x", "a", perm=[0, 2, 3, 1]), node("LayerNormalization", "a n.weight n.bias", "b"),
         node("MatMul", "b w", "c"), node("Transpose", "c", perm=[0, 3, 1, 2])],
        {"n.weight": floats(4), "n.bias": floats(4), "w": floats(4, 9)},
        ["transpose: channels_last 8×6×4", "n: layer_norm 8×6×4", "w: linear 8×6×9",
         "transpose_2: channels_first 9×8×6"],
    ),
    "local normalisation": ([node("LRN", "x", size=5, alpha=1e-3, bias=2.0)], {}, ["lrn: local_norm 4×8×6"]),
    "pad": (
        [node("Pad", "x pads", "p"), node("Conv", "p w.weight")],
        {"pads": np.array([0, 0, 1, 0, 0, 0, 1, 2]), "w.weight": floats(6, 4, 3, 3)}, ["w: conv 6×8×6"],
    ),
    "dropout, identity": ([node("Dropout", "x", "d"), node("Identity", "d")], {}, ["dropout: dropout 4×8×6"]),
    "resize": (
        [node("Resize", "x  scales")], {"scales": np.array([1, 1, 2, 2], np.float32)},
        ["resize: upsample_nearest2d 4×16×12"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_operators_are_what_they_are_in_torch(
    case: tuple[list[Any], dict[str, Any], list[str]], tmp_path: Path
) -> None:
    nodes, held, wanted = case
    if nodes[0].op_type == "Resize":
        del nodes[0].input[:]
        nodes[0].input.extend(["x", "", "scales"])
    assert said(from_onnx(written(tmp_path, nodes, held))) == wanted


def drawn(net: nn.Module) -> nn.Module:
    """The exporter leaves out biases of 0, and keeps one of several equal tensors."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.rand(parameter.shape, generator=draw))
    return net


def test_weights_count_and_so_do_products(tmp_path: Path) -> None:
    nodes, held, _ = CASES["head with its weight turned"]
    total = cost(from_onnx(written(tmp_path, nodes, held)))
    assert (total.params, total.macs) == (50, 40)


def test_statistics_are_buffers_and_a_single_slope_is_a_parameter(tmp_path: Path) -> None:
    _, held, _ = CASES["batch normalisation"]
    held = {key.replace("running", "moving"): value for key, value in held.items()} | {"act.weight": floats(1)}
    norm = node("BatchNormalization", "x n.weight n.bias n.moving_mean n.moving_var", "m")
    total = cost(from_onnx(written(tmp_path, [norm, node("PRelu", "m act.weight")], held)))
    assert (total.params, total.buffers) == (4 + 4 + 1, 8)


def test_an_open_size_is_asked_for_and_given(tmp_path: Path) -> None:
    nodes, held, _ = CASES["convolution"]
    path = written(tmp_path, nodes, held, image=("n", 4, "h", "w"))
    with pytest.raises(ImportFailed, match=r"net\.onnx leaves its input size open: say --side"):
        from_onnx(path)
    assert from_onnx(path, 16).rows[0].out.shape == (6, 8, 8)
    assert from_onnx(path, (16, 8)).rows[0].out.shape == (6, 8, 4)


@pytest.mark.parametrize(("nodes", "held", "image", "message"), [
    ([node("Conv", "x w")], {"w": floats(6, 4, 3)}, (1, 4, 8), "net.onnx takes an input of 3 axes"),
    ([node("Celu", "x", "a"), node("Det", "a")], {}, (1, 1, 4, 4), "no rule for the operation Celu in celu"),
    ([node("Gemm", "x w", alpha=2.0)], {"w": floats(6, 3)}, (1, 4, 8, 6), "gemm: Gemm with factors or its input"),
    ([node("Add", "x z")], {}, (1, 4, 8, 6), "no ONNX network that can be read|the shape of 'y' cannot be inferred"),
], ids=["three axes", "unknown", "broken", "undefined"])  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_line(
    nodes: list[Any], held: dict[str, Any], image: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ImportFailed) as caught:
        from_onnx(written(tmp_path, nodes, held, image))
    assert any(part in str(caught.value) for part in message.split("|")), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x07" * 1000, b"\x3a\xff\xff\xff\xff\x0f"])
def test_a_broken_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ImportFailed, match=r"bad\.onnx") as caught:
        from_onnx(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_missing_library_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportFailed, match=r"no file .*none\.onnx"):
        from_onnx(tmp_path / "none.onnx")
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"convsmith\[export\]"):
        from_onnx(tmp_path / "none.onnx")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [
    "resnet18", "shufflenet_v2_x0_5",
    *(pytest.param(name, marks=pytest.mark.wide) for name in ("mobilenet_v3_small", "googlenet", "convnext_tiny")),
])  # fmt: skip
def test_an_exported_network_costs_what_its_module_costs(name: str, tmp_path: Path) -> None:
    """But for batch normalisation, which the exporter folds into the convolution before it."""
    logging.disable(logging.WARNING)
    net, image = drawn(models.get_model(name, weights=None).eval()), torch.randn(1, 3, 64, 64)
    torch.onnx.export(net, (image,), tmp_path / "net.onnx", dynamo=True, verbose=False, external_data=False)
    logging.disable(logging.NOTSET)
    theirs, ours = cost(from_onnx(tmp_path / "net.onnx")), cost(from_torch(net, image))
    assert theirs.macs == ours.macs
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    folded = sum(m.num_features for m in norms)  # its weight goes into the kernels, its bias stays
    aux = sum(p.numel() for key, p in net.named_parameters() if key.startswith("aux"))
    folded -= sum(m.num_features for key, m in net.named_modules() if key.startswith("aux") and m in norms)
    assert theirs.params == sum(p.numel() for p in net.parameters()) - aux - folded
    assert not [row for row in from_onnx(tmp_path / "net.onnx").rows if row.kind.endswith("?")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_we_export_can_be_read_again(tmp_path: Path) -> None:
    net = drawn(build(spec("lenet5"), seed=0).eval())
    torch.onnx.export(net, (torch.zeros(1, 1, 32, 32),), tmp_path / "net.onnx", dynamo=True, verbose=False,
                      external_data=False)  # fmt: skip
    total = cost(from_onnx(tmp_path / "net.onnx"))
    assert (total.params, total.macs) == (61_706, 416_520)
