"""ONNX's operators in ATen's words: one function an operator where arguments differ, all in `WORDS`."""

from __future__ import annotations

from typing import Any

from convsmith.nn.importer.calls import Call, Ref
from convsmith.nn.importer.onnx_operator import Operator, Rule
from convsmith.nn.importer.onnx_windows import conv, conv_transpose, pad, pool
from convsmith.spec.errors import ImportFailed


def translate(operator: Operator) -> list[Call]:
    """The calls of one operator, most often one. An unknown one keeps its name, for the reader to refuse."""
    rule = WORDS.get(operator.word)
    if rule is None:
        refs = {f"input{i}": Ref(name) for i, name in enumerate(operator.reads) if name}
        return [operator.call(operator.word, refs)]
    return rule(operator)


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
    return [o.call("hardsigmoid" if torchs else "hard_sigmoid", {"self": o.read(0)})]


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
    op = {"ReduceMean": "mean", "ReduceMax": "amax", "ReduceSum": "sum"}[o.word]
    return [o.call(op, {"self": o.read(0), "dim": dims, "keepdim": bool(o.get("keepdims", 1))})]


def concat(o: Operator) -> list[Call]:
    """Along one axis."""
    return [o.call("cat", {"tensors": [Ref(name) for name in o.reads], "dim": o.get("axis", 1)})]


def split(o: Operator) -> list[Call]:
    """Several results at once, and each by its name."""
    whole = Ref(f"{o.makes[0]}.parts")
    shapes = tuple(o.known(name) for name in o.makes)
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
