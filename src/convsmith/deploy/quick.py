"""A network as ONNX in a fraction of the time that torch's exporter takes, for timings: it writes what that writes.

What is served is exported by torch and held to the network's answers (`deploy.export`). Here only time counts, of
hundreds of networks, and tests hold the runtime's optimised graph to be that of the exporter's model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convsmith.nn.modules import Net
from convsmith.spec.graph import INPUT, Row
from convsmith.spec.node import Leaf
from convsmith.spec.nodes.activation import Activation
from convsmith.spec.nodes.conv import Conv
from convsmith.spec.nodes.geometry import pads
from convsmith.spec.nodes.joins import Add, Concat, Mul
from convsmith.spec.nodes.linear import Linear
from convsmith.spec.nodes.norm import Norm
from convsmith.spec.nodes.pool import AvgPool, Pool, PoolTo
from convsmith.spec.nodes.regularise import Dropout, DropPath
from convsmith.spec.nodes.shape import FlattenLayer, Shift, ZeroChannels
from convsmith.spec.signature import Sig, pair

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR = 18, 10
"""The exporter's."""
ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_swish": "HardSwish"}


class Writer:
    """Nodes and constants of a model, written row by row; a value is named by the row that makes it."""

    def __init__(self, weights: Mapping[str, Any], name: Callable[[int], str]) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.weights, self.name = weights, name
        self.row = 0

    def add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node; returns the name of what it makes."""
        from onnx import helper

        out = f"{self.name(self.row)}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [out], name=out, **attributes))
        return out

    def constant(self, value: Any) -> str:
        """A tensor that is part of the model."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def weight(self, path: str, name: str) -> str:
        """A tensor of the network."""
        key = f"{path}.{name}"
        self.constants.setdefault(key, np.ascontiguousarray(self.weights[key].numpy()))
        return key


def quick_model(net: Net, name: Callable[[int], str] = "row{}".format) -> ModelProto | None:
    """`pixels` float32 (N, C, H, W) -> `logits` (N, classes), for any N; grey levels are normalised to 0..1 first.

    `name(i)` names the values and nodes of row i, `name(-1)` those before the network. None where the network has a
    layer that is not written here.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = net.graph
    rows = [(i, row) for i, row in enumerate(graph.rows) if row.tap is None]
    if not all(type(row.node) in WRITERS for _, row in rows):
        return None
    writer = Writer(net.state_dict(), name)
    writer.row = INPUT
    values = {INPUT: _normalised(writer, graph.input.channels)}
    for i, row in rows:
        writer.row = i
        made = WRITERS[type(row.node)](writer, row, row.node, [values[k] for k in row.inputs])
        if made is None:
            return None
        values[i] = made
    last = next(node for node in writer.nodes if node.output[0] == values[graph.output])
    last.output[0] = "logits"
    values[graph.output] = "logits"

    def about(name: str, sig: Sig) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *sig.shape])

    model = helper.make_model(
        helper.make_graph(
            writer.nodes, "network",
            [about("pixels", graph.input)],
            [about("logits", graph.rows[graph.output].out)],
            [numpy_helper.from_array(value, name) for name, value in writer.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
    )  # fmt: skip
    model.ir_version = IR
    return model


def _normalised(to: Writer, channels: int) -> str:
    """(x / 255 - mean) / deviation, as `Preprocess` does; the numbers do not matter."""
    shape = (1, channels, 1, 1)
    scaled = to.add("Div", ["pixels", to.constant(np.float32(255))])
    centred = to.add("Sub", [scaled, to.constant(np.zeros(shape, np.float32))])
    return to.add("Div", [centred, to.constant(np.ones(shape, np.float32))])


def _conv(to: Writer, row: Row, node: Conv, values: list[str]) -> str:
    (x,), sig = values, row.facts.entering[0]
    kernel, stride, dilation = pair(node.kernel), pair(node.stride), pair(node.dilation)
    top, bottom, left, right = pads(node.pad, sig, kernel, stride, dilation)
    if node.pad == "same" or (top, left) != (bottom, right):
        x = _padded(to, x, (top, bottom, left, right), 0.0)
        top = bottom = left = right = 0
    weights = [to.weight(row.path, "weight"), *([to.weight(row.path, "bias")] if node.bias else [])]
    return to.add("Conv", [x, *weights], kernel_shape=kernel, strides=stride, dilations=dilation,
                  group=node.groups, pads=[top, left, bottom, right])  # fmt: skip


def _norm(to: Writer, row: Row, node: Norm, values: list[str]) -> str:
    size = row.out.channels
    if node.affine:
        scale = [to.weight(row.path, "weight"), to.weight(row.path, "bias")]
    else:
        scale = [to.constant(np.ones(size, np.float32)), to.constant(np.zeros(size, np.float32))]
    running = [to.weight(row.path, "running_mean"), to.weight(row.path, "running_var")]
    return to.add("BatchNormalization", [*values, *scale, *running], epsilon=node.eps)


def _activation(to: Writer, row: Row, node: Activation, values: list[str]) -> str | None:
    if node.function == "relu6":
        return to.add("Clip", [*values, to.constant(np.float32(0)), to.constant(np.float32(6))])
    if node.function == "silu":
        return to.add("Mul", [*values, to.add("Sigmoid", values)])
    if node.function == "hard_sigmoid":
        return to.add("HardSigmoid", values, alpha=1 / 6, beta=0.5)
    found = ACTIVATIONS.get(node.function)
    return found and to.add(found, values)


def _pool(to: Writer, row: Row, node: Pool | AvgPool, values: list[str]) -> str | None:
    (x,), sig = values, row.facts.entering[0]
    kernel, stride = pair(node.kernel), pair(node.kernel if node.stride is None else node.stride)
    top, bottom, left, right = pads(node.pad, sig, kernel, stride, (1, 1))
    about: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "ceil_mode": int(node.ceil)}
    if node.pad == "same":
        around, (top, bottom, left, right) = (top, bottom, left, right), (0, 0, 0, 0)
        x = _padded(to, x, around, 0.0 if isinstance(node, AvgPool) else -np.inf)
    about["pads"] = [top, left, bottom, right]
    if isinstance(node, Pool):
        return to.add("MaxPool", [x], **about)
    if node.divisor is not None:
        return None
    mean = to.add("AveragePool", [x], count_include_pad=int(node.count_pad or node.pad == "same"), **about)
    if node.pad != "same" or node.count_pad:
        return mean
    return to.add("Div", [mean, to.constant(_shares(sig, kernel, stride, around))])


def _shares(sig: Sig, kernel: tuple[int, int], stride: tuple[int, int], around: tuple[int, int, int, int]) -> Any:
    """What share of each window lies on the image, (1, 1, rows, cols)."""
    top, bottom, left, right = around
    image = np.pad(np.ones((sig.rows, sig.cols), np.float32), ((top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel)[:: stride[0], :: stride[1]]
    return windows.mean((2, 3), dtype=np.float32)[None, None]


def _pool_to(to: Writer, row: Row, node: PoolTo, values: list[str]) -> str | None:
    sig, (rows, cols) = row.facts.entering[0], pair(node.size)
    if node.how == "avg" and (rows, cols) == (1, 1):
        return to.add("ReduceMean", [*values, to.constant(np.array([-1, -2], np.int64))], keepdims=1)
    if sig.rows % rows or sig.cols % cols or node.how != "avg":
        return None
    step = [sig.rows // rows, sig.cols // cols]
    return to.add("AveragePool", values, kernel_shape=step, strides=step, count_include_pad=1)


def _linear(to: Writer, row: Row, node: Linear, values: list[str]) -> str:
    weights = [to.weight(row.path, "weight"), *([to.weight(row.path, "bias")] if node.bias else [])]
    return to.add("Gemm", [*values, *weights], transB=1)


def _flatten(to: Writer, row: Row, node: FlattenLayer, values: list[str]) -> str:
    return to.add("Reshape", [*values, to.constant(np.array([-1, row.out.channels], np.int64))], allowzero=1)


def _shift(to: Writer, row: Row, node: Shift, values: list[str]) -> str:
    x, n = values[0], node.pixels
    for axis in (2, 3):
        ends = [to.constant(np.array([at], np.int64)) for at in (n, np.iinfo(np.int64).max, axis)]
        x = to.add("Slice", [x, *ends])
    return _padded(to, x, (0, n, 0, n), 0.0)


def _zero_channels(to: Writer, row: Row, node: ZeroChannels, values: list[str]) -> str:
    extra = row.out.channels - row.facts.entering[0].channels
    ends = np.zeros(2 * len(row.out.shape) + 2, np.int64)
    ends[len(ends) // 2 + 1] = extra
    return to.add("Pad", [*values, to.constant(ends), to.constant(np.float32(0))], mode="constant")


def _padded(to: Writer, x: str, around: tuple[int, int, int, int], value: float) -> str:
    top, bottom, left, right = around
    ends = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
    return to.add("Pad", [x, to.constant(ends), to.constant(np.float32(value))], mode="constant")


def _add(to: Writer, row: Row, node: Leaf, values: list[str]) -> str:
    first, *rest = values
    for other in rest:
        first = to.add("Add", [first, other])
    return first


def _concat(to: Writer, row: Row, node: Leaf, values: list[str]) -> str:
    return to.add("Concat", values, axis=1)


def _mul(to: Writer, row: Row, node: Leaf, values: list[str]) -> str:
    return to.add("Mul", values)


def _nothing(to: Writer, row: Row, node: Leaf, values: list[str]) -> str:
    return values[0]


WRITERS: dict[type[Leaf], Callable[..., str | None]] = {
    Conv: _conv, Norm: _norm, Activation: _activation, Pool: _pool, AvgPool: _pool, PoolTo: _pool_to,
    Linear: _linear, FlattenLayer: _flatten, Shift: _shift,
    ZeroChannels: _zero_channels, Add: _add, Concat: _concat, Mul: _mul, Dropout: _nothing, DropPath: _nothing,
}  # fmt: skip
"""How a layer is written; None where its settings are not."""
