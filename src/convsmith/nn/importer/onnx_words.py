"""ONNX's operators in ATen's words: one function an operator where arguments differ, all in `WORDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from convsmith.nn.importer.calls import Call, Ref, Shape
from convsmith.spec.errors import ImportFailed
from convsmith.spec.nodes.geometry import same_pads


class Operator(NamedTuple):
    """One node of an ONNX graph: names of what it reads and makes, known shapes, and numbers of short constants."""

    word: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    attributes: Mapping[str, Any]
    shapes: Mapping[str, Shape]
    numbers: Mapping[str, list[Any]]
    path: str
    leaf: bool = True

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, with bytes as text."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def read(self, index: int) -> Ref | None:
        """The name of an input, None where it is left out."""
        return Ref(self.reads[index]) if index < len(self.reads) and self.reads[index] else None

    def shape(self, index: int = 0) -> Shape:
        """The shape of an input. Raises ImportFailed where it is not known."""
        return self._known(self.reads[index])

    def list(self, index: int, name: str) -> list[Any] | None:
        """Numbers that are an attribute in older files and an input in newer ones."""
        value = self.attributes.get(name)
        if value is None and index < len(self.reads):
            value = self.numbers.get(self.reads[index])
        return None if value is None else list(value) if isinstance(value, list | tuple) else [value]

    def call(self, op: str, args: Mapping[str, Any], makes: str = "", shape: Shape | None = None) -> Call:
        """A call that makes this operator's (first) result."""
        name = makes or self.makes[0]
        return Call(op, args, Ref(name), self._known(name) if shape is None else shape, self.path, self.leaf)

    def _known(self, name: str) -> Shape:
        if name not in self.shapes:
            raise ImportFailed(
                f"{self.path}: the shape of {name!r} cannot be inferred; export the model at a fixed size"
            )
        return self.shapes[name]


def translate(operator: Operator) -> list[Call]:
    """The calls of one operator, most often one. An unknown one keeps its name, for the reader to refuse."""
    rule = WORDS.get(operator.word)
    if rule is None:
        refs = {f"input{i}": Ref(name) for i, name in enumerate(operator.reads) if name}
        return [operator.call(operator.word, refs)]
    return rule(operator)


Rule = Callable[[Operator], list[Call]]


def conv(o: Operator) -> list[Call]:
    """Padding of its own on each side is put around the image first."""
    weight = o.shape(1)
    _two_axes(o, weight)
    stride, dilation = _pair(o.get("strides")), _pair(o.get("dilations"))
    pads = _pads(o, weight[2:], stride, dilation)
    calls, image, padding = _around(o, pads, 0.0)
    args = {
        "input": image, "weight": o.read(1), "bias": o.read(2), "stride": stride, "padding": padding,
        "dilation": dilation, "groups": o.get("group", 1),
    }  # fmt: skip
    return [*calls, o.call("conv2d", args)]


def conv_transpose(o: Operator) -> list[Call]:
    """As ATen's, where both sides are padded alike."""
    _two_axes(o, o.shape(1))
    pads = o.get("pads") or [0, 0, 0, 0]
    if o.get("auto_pad", "NOTSET") != "NOTSET" or pads[:2] != pads[2:] or o.get("output_shape"):
        raise ImportFailed(f"{o.path}: a transposed convolution with padding of its own on each side has no rule")
    args = {
        "input": o.read(0), "weight": o.read(1), "bias": o.read(2), "stride": _pair(o.get("strides")),
        "padding": pads[:2], "output_padding": _pair(o.get("output_padding"), 0),
        "dilation": _pair(o.get("dilations")), "groups": o.get("group", 1),
    }  # fmt: skip
    return [o.call("conv_transpose2d", args)]


def pool(o: Operator) -> list[Call]:
    """Maximum or mean; padding of its own on each side is put around the image first."""
    kernel, stride, dilation = o.get("kernel_shape"), _pair(o.get("strides")), _pair(o.get("dilations"))
    if len(kernel) != 2:
        raise ImportFailed(f"{o.path}: pooling over {len(kernel)} axes has no rule")
    largest = o.word == "MaxPool"
    calls, image, padding = _around(o, _pads(o, kernel, stride, dilation), float("-inf") if largest else 0.0)
    args = {
        "self": image,
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "ceil_mode": o.get("ceil_mode", 0),
    }
    if largest:
        return [*calls, o.call("max_pool2d", args | {"dilation": dilation})]
    extra = {"count_include_pad": o.get("count_include_pad", 0), "divisor_override": None}
    return [*calls, o.call("avg_pool2d", args | extra)]


def global_pool(op: str) -> Rule:
    """Pooling to one pixel."""
    return lambda o: [o.call(op, {"self": o.read(0), "output_size": [1, 1]})]


def batch_norm(o: Operator) -> list[Call]:
    """ONNX's momentum is the share of the old statistics."""
    args = {
        "input": o.read(0), "weight": o.read(1), "bias": o.read(2), "running_mean": o.read(3), "running_var": o.read(4),
        "momentum": 1 - o.get("momentum", 0.9), "eps": round(o.get("epsilon", 1e-5), 12),
    }  # fmt: skip
    return [o.call("batch_norm", args)]


def gemm(o: Operator) -> list[Call]:
    """A linear layer; a weight [in, out] is turned first."""
    if o.get("transA", 0) or o.get("alpha", 1.0) != 1 or o.get("beta", 1.0) != 1:
        raise ImportFailed(f"{o.path}: Gemm with factors or its input turned has no rule")
    return _linear(o, turned=not o.get("transB", 0), bias=o.read(2))


def matmul(o: Operator) -> list[Call]:
    """A linear layer where the second factor is held, else a product of activations."""
    if len(o.shape(1)) == 2 and len(o.shape(0)) >= 2:
        return _linear(o, turned=True, bias=None)
    return [o.call("matmul", {"self": o.read(0), "other": o.read(1)})]


def _linear(o: Operator, turned: bool, bias: Ref | None) -> list[Call]:
    weight, calls = o.read(1), []
    if turned:
        rows, cols = o.shape(1)
        weight = Ref(f"{o.makes[0]}.weight")
        calls = [o.call("t", {"self": o.read(1)}, weight.name, (cols, rows))]
    return [*calls, o.call("linear", {"input": o.read(0), "weight": weight, "bias": bias})]


def arithmetic(op: str) -> Rule:
    """Of two values; a constant of one number is that number."""

    def rule(o: Operator) -> list[Call]:
        def value(index: int) -> Any:
            numbers = o.numbers.get(o.reads[index])
            return numbers[0] if numbers is not None and len(numbers) == 1 else o.read(index)

        extra = {"alpha": 1} if op in ("add", "sub") else {}
        return [o.call(op, {"self": value(0), "other": value(1)} | extra)]

    return rule


def unary(op: str, **fixed: Any) -> Rule:
    """A function of each element."""
    return lambda o: [o.call(op, {"self": o.read(0)} | fixed)]


def clip(o: Operator) -> list[Call]:
    """Bounds are inputs or attributes."""
    low, high = (o.list(i, name) or [None] for i, name in ((1, "min"), (2, "max")))
    return [o.call("hardtanh", {"self": o.read(0), "min_val": low[0], "max_val": high[0]})]


def hard_sigmoid(o: Operator) -> list[Call]:
    """Torch's has a slope of 1/6."""
    torchs = abs(o.get("alpha", 0.2) - 1 / 6) < 1e-6 and o.get("beta", 0.5) == 0.5
    return [o.call("hardsigmoid" if torchs else "hardshrink", {"self": o.read(0)})]


def leaky_relu(o: Operator) -> list[Call]:
    """The slope below 0."""
    return [o.call("leaky_relu", {"self": o.read(0), "negative_slope": round(o.get("alpha", 0.01), 7)})]


def gelu(o: Operator) -> list[Call]:
    """Exact, or by tanh."""
    return [o.call("gelu", {"self": o.read(0), "approximate": o.get("approximate", "none")})]


def softmax(o: Operator) -> list[Call]:
    """Along one axis."""
    return [o.call("softmax", {"self": o.read(0), "dim": o.get("axis", -1)})]


def mean(o: Operator) -> list[Call]:
    """Axes are an attribute or an input; none are all."""
    axes = o.list(1, "axes") or list(range(len(o.shape(0))))
    dims = [axis % len(o.shape(0)) for axis in axes]
    op = "amax" if o.word == "ReduceMax" else "mean"
    return [o.call(op, {"self": o.read(0), "dim": dims, "keepdim": bool(o.get("keepdims", 1))})]


def concat(o: Operator) -> list[Call]:
    """Along one axis."""
    return [o.call("cat", {"tensors": [Ref(name) for name in o.reads], "dim": o.get("axis", 1)})]


def split(o: Operator) -> list[Call]:
    """Several results at once, and each by its name."""
    whole = Ref(f"{o.makes[0]}.parts")
    shapes = tuple(o._known(name) for name in o.makes)
    axis = o.get("axis", 0) % len(o.shape(0))
    parts = Call("split", {"self": o.read(0), "dim": axis}, whole, None, o.path, o.leaf, shapes=shapes)
    return [parts, *(o.call("getitem", {"self": whole, "index": i}, name) for i, name in enumerate(o.makes))]


def slice_(o: Operator) -> list[Call]:
    """Along one axis it is ATen's; along several any rearrangement."""
    starts, axes, steps = o.list(1, "starts"), o.list(3, "axes"), o.list(4, "steps") or [1]
    if starts is not None and len(starts) == 1 and axes is not None and len(o.shape(0)) == 4:
        dim = axes[0] % 4
        size = o.shape(0)[dim]
        start = starts[0] + size if starts[0] < 0 else min(starts[0], size)
        return [o.call("slice", {"self": o.read(0), "dim": dim, "start": start, "step": steps[0]})]
    return [o.call("index", {"self": o.read(0)})]


def pad(o: Operator) -> list[Call]:
    """Around rows and columns."""
    pads, value = o.list(1, "pads"), (o.list(2, "value") or [0.0])[0]
    if pads is None or len(pads) != 8 or any(pads[:2] + pads[4:6]) or o.get("mode", "constant") != "constant":
        raise ImportFailed(f"{o.path}: padding other than constant, of rows and columns, has no rule")
    around = [pads[3], pads[7], pads[2], pads[6]]
    return [o.call("constant_pad_nd", {"self": o.read(0), "pad": around, "value": value})]


def transpose(o: Operator) -> list[Call]:
    """The axes in another order, by default turned round."""
    dims = o.get("perm") or list(range(len(o.shape(0))))[::-1]
    return [o.call("permute", {"self": o.read(0), "dims": dims})]


def layer_norm(o: Operator) -> list[Call]:
    """Over the axes from `axis` on."""
    axis = o.get("axis", -1) % len(o.shape(0))
    args = {
        "input": o.read(0), "normalized_shape": list(o.shape(0)[axis:]), "weight": o.read(1), "bias": o.read(2),
        "eps": round(o.get("epsilon", 1e-5), 12),
    }  # fmt: skip
    return [o.call("layer_norm", args)]


def local_norm(o: Operator) -> list[Call]:
    """Local response normalisation."""
    args = {"self": o.read(0), "size": o.get("size"), "alpha": o.get("alpha", 1e-4), "beta": o.get("beta", 0.75)}
    return [o.call("local_response_norm", args | {"k": o.get("bias", 1.0)})]


def other(op: str) -> Rule:
    """Every input as it is."""
    return lambda o: [o.call(op, {("self", "weight", "bias")[i] if i < 3 else f"input{i}": Ref(name)
                                  for i, name in enumerate(o.reads) if name})]  # fmt: skip


def resize(o: Operator) -> list[Call]:
    """Interpolation of any kind."""
    return [o.call("upsample_nearest2d", {"input": o.read(0)})]


def size(o: Operator) -> list[Call]:
    """A shape is a constant."""
    return [o.call("zeros_like", {"self": o.read(0)}, shape=(len(o.shape(0)),))]


def dropout(o: Operator) -> list[Call]:
    """Nothing in evaluation."""
    return [o.call("dropout", {"input": o.read(0), "p": (o.list(1, "ratio") or [0.5])[0]})]


def _two_axes(o: Operator, weight: Shape) -> None:
    if len(weight) != 4:
        raise ImportFailed(f"{o.path}: a convolution over {len(weight) - 2} axes has no rule")


def _pair(value: Any, default: int = 1) -> list[int]:
    return list(value) if value else [default, default]


def _pads(o: Operator, kernel: Any, stride: list[int], dilation: list[int]) -> tuple[int, int, int, int]:
    """top, bottom, left, right"""
    auto = o.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        top, left, bottom, right = o.get("pads") or (0, 0, 0, 0) if auto == "NOTSET" else (0, 0, 0, 0)
        return top, bottom, left, right
    rows, cols = (same_pads(o.shape(0)[2 + i], kernel[i], stride[i], dilation[i]) for i in (0, 1))
    return (*rows, *cols) if auto == "SAME_UPPER" else (*rows[::-1], *cols[::-1])


def _around(o: Operator, pads: tuple[int, int, int, int], value: float) -> tuple[list[Call], Ref | None, list[int]]:
    """The calls that put padding around the image where its sides differ, the image, and the layer's own padding."""
    top, bottom, left, right = pads
    if (top, left) == (bottom, right):
        return [], o.read(0), [top, left]
    n, c, h, w = o.shape(0)
    image = Ref(f"{o.makes[0]}.padded")
    args = {"self": o.read(0), "pad": [left, right, top, bottom], "value": value}
    return [o.call("constant_pad_nd", args, image.name, (n, c, h + top + bottom, w + left + right))], image, [0, 0]


def _each(op: str, words: str) -> dict[str, Rule]:
    return {word: unary(op) for word in words.split()}


WORDS: dict[str, Rule] = {
    "Conv": conv, "ConvTranspose": conv_transpose, "MaxPool": pool, "AveragePool": pool,
    "BatchNormalization": batch_norm, "GlobalAveragePool": global_pool("adaptive_avg_pool2d"),
    "GlobalMaxPool": global_pool("adaptive_max_pool2d"),
    "Gemm": gemm, "MatMul": matmul, "Add": arithmetic("add"), "Sub": arithmetic("sub"), "Mul": arithmetic("mul"),
    "Div": arithmetic("div"), "Max": arithmetic("maximum"), "Min": arithmetic("minimum"), "Pow": arithmetic("pow"),
    "Relu": unary("relu"), "Sigmoid": unary("sigmoid"), "Tanh": unary("tanh"), "HardSwish": unary("hardswish"),
    "Swish": unary("silu"), "HardSigmoid": hard_sigmoid, "Clip": clip, "LeakyRelu": leaky_relu, "Gelu": gelu,
    "Softmax": softmax, "LogSoftmax": unary("log_softmax"), "PRelu": other("prelu"), "Elu": unary("elu"),
    "Selu": unary("selu"), "Mish": unary("mish"), "Softplus": unary("softplus"), "Erf": unary("erf"),
    "Exp": unary("exp"), "Log": unary("log"), "Sqrt": unary("sqrt"), "Reciprocal": unary("reciprocal"),
    "Abs": unary("abs"), "Neg": unary("neg"), "Where": other("where"), "ReduceMean": mean, "ReduceMax": mean,
    "ReduceSum": mean, "Concat": concat, "Split": split, "Slice": slice_, "Pad": pad, "Transpose": transpose,
    "LayerNormalization": layer_norm, "InstanceNormalization": other("instance_norm"),
    "GroupNormalization": other("group_norm"), "LRN": local_norm, "Resize": resize, "Upsample": resize,
    "Dropout": dropout, "Shape": size, "Gather": other("index"), "DepthToSpace": other("pixel_shuffle"),
    **_each("reshape", "Flatten Reshape Squeeze Unsqueeze"), **_each("to", "Identity Cast"),
    **dict.fromkeys(("Expand", "Tile"), other("expand")),
}  # fmt: skip
