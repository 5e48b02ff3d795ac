"""What each operation of torch is in a graph: one function an operation, all in `RULES`."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from convsmith.nn.importer.calls import Call
from convsmith.nn.importer.mixing import MIXING
from convsmith.nn.importer.reader import At, Held, Padded, Pads, Reader, as_image
from convsmith.nn.importer.shapes import SHAPES
from convsmith.spec.nodes.activation import Activation
from convsmith.spec.nodes.conv import Conv, ConvTranspose
from convsmith.spec.nodes.geometry import same_pads
from convsmith.spec.nodes.joins import Add, Mul
from convsmith.spec.nodes.linear import Linear
from convsmith.spec.nodes.norm import LayerNorm, LayerScale, LocalNorm, Norm, Times
from convsmith.spec.nodes.pool import AvgPool, Pool, PoolTo
from convsmith.spec.nodes.regularise import Dropout
from convsmith.spec.signature import Pair

Rule = Callable[[Reader, Call], Any]

ADD, MUL = Add(), Mul()


def conv2d(r: Reader, call: Call) -> At:
    """Convolution; padding that was put around the image beforehand becomes the layer's own."""
    at, around = r.padded(call, "input", 0.0)
    weight, bias = r.value(call, "weight"), r.value(call, "bias")
    kernel, stride, dilation = weight.shape[2:], _pair(call.args["stride"]), _pair(call.args["dilation"])
    own = call.args["padding"]
    if isinstance(own, str):
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        pads = (0, 0, 0, 0) if own == "valid" else (
            reach[0] // 2, reach[0] - reach[0] // 2, reach[1] // 2, reach[1] - reach[1] // 2
        )  # fmt: skip
    else:
        rows, cols = _pair(own)
        pads = (rows, rows, cols, cols)
    pads = tuple(a + b for a, b in zip(around, pads, strict=True))
    node = Conv(
        weight.shape[0], _short(kernel), _short(stride), _pad(pads, kernel, dilation), _short(dilation),
        call.args["groups"], bias is not None,
    )  # fmt: skip
    return r.layer(call, node, at, weight, bias, sig=as_image(at.sig))


def other_conv(r: Reader, call: Call) -> At:
    """A convolution over one or three axes: as many MACs as weights an output channel, times the outputs."""
    weight = r.value(call, "weight")
    macs = _elements(call) * prod(weight.shape[1:])
    ats, held = (r.at(call, "input"),), (weight, r.value(call, "bias"))
    return r.foreign(call, ats, "convolution", *held, macs=macs)


def conv_transpose2d(r: Reader, call: Call) -> At:
    """Transposed convolution."""
    at, weight, bias = r.at(call, "input"), r.value(call, "weight"), r.value(call, "bias")
    groups = call.args["groups"]
    node = ConvTranspose(
        weight.shape[1] * groups, _short(weight.shape[2:]), _short(_pair(call.args["stride"])),
        _short(_pair(call.args["padding"])), _short(_pair(call.args["output_padding"])),
        _short(_pair(call.args["dilation"])), groups, bias is not None,
    )  # fmt: skip
    return r.layer(call, node, at, weight, bias, sig=as_image(at.sig))


def linear(r: Reader, call: Call) -> At:
    """A linear layer on a vector or with channels last; on anything else an operation of the same cost."""
    at, weight, bias = r.at(call, "input"), r.value(call, "weight"), r.value(call, "bias")
    if at.sig.flat or (at.sig.last and at.sig.axes is None):
        return r.layer(call, Linear(weight.shape[0], bias is not None), at, weight, bias)
    return r.foreign(call, (at,), "linear", weight, bias, macs=_elements(call) * weight.shape[1])


def batch_norm(r: Reader, call: Call) -> At:
    """Batch normalisation in evaluation."""
    at = r.at(call, "input")
    held = [r.value(call, name) for name in ("weight", "bias", "running_mean", "running_var")]
    sig = as_image(at.sig)
    if sig.axes is not None or held[2] is None:
        return r.foreign(call, (at,), "normalisation", *held, ops=2 * _elements(call))
    node = Norm(call.args["eps"], call.args["momentum"] or 0.0, held[0] is not None)
    return r.layer(call, node, at, *held, sig=sig)


def layer_norm(r: Reader, call: Call) -> At:
    """Layer normalisation over the last axis."""
    at, held = r.at(call, "input"), (r.value(call, "weight"), r.value(call, "bias"))
    if at.sig.last and at.sig.axes is None and len(call.args["normalized_shape"]) == 1 and None not in held:
        return r.layer(call, LayerNorm(call.args["eps"]), at, *held)
    return r.foreign(call, (at,), "normalisation", *held, ops=5 * _elements(call))


def local_norm(r: Reader, call: Call) -> At:
    """Local response normalisation, as one operation (an ONNX file has it; torch's exporter spells it out)."""
    size = call.args["size"]
    node = LocalNorm(size, call.args["alpha"] / size, call.args["beta"], call.args["k"])
    return r.layer(call, node, r.at(call, "self"))


def other_norm(r: Reader, call: Call) -> At:
    """Group, instance and root-mean-square normalisation."""
    at = r.at(call, "input")
    held = [item for name in call.args if isinstance(item := r.value(call, name), Held)]
    return r.foreign(call, (at,), "normalisation", *held, ops=5 * _elements(call))


def activation(function: str) -> Rule:
    """An activation that descriptions have."""
    return lambda r, call: r.layer(call, Activation(function), r.at(call, next(iter(call.args))))


def hardtanh(r: Reader, call: Call) -> At:
    """ReLU6 where it is that."""
    low, high = call.args["min_val"], call.args["max_val"]
    return (activation("relu6") if (low, high) == (0, 6) else elementwise)(r, call)


def leaky_relu(r: Reader, call: Call) -> At:
    """LeakyReLU of slope 0.2 is ours, others are functions of an element."""
    return (activation("leaky_relu") if call.args["negative_slope"] == 0.2 else elementwise)(r, call)


def gelu(r: Reader, call: Call) -> At:
    """The exact function is ours, its tanh form another."""
    return (activation("gelu") if call.args["approximate"] == "none" else elementwise)(r, call)


def softmax(r: Reader, call: Call) -> At:
    """Over the channels it is ours."""
    at = r.at(call, next(iter(call.args)))
    plain = at.sig.axes is None and not at.sig.last and call.op == "softmax" and call.args["dim"] in (1, -1)
    return (activation("softmax") if plain and (at.sig.flat or call.args["dim"] == 1) else elementwise)(r, call)


def elementwise(r: Reader, call: Call) -> At:
    """Any other function of each element: one operation each."""
    values = [r.value(call, name) for name in call.args]
    ats = [r.settle(call, v) for v in values if isinstance(v, At | Padded)]
    held = [v for v in values if isinstance(v, Held)]
    setting = tuple(v for v in values if isinstance(v, int | float | str))
    same = [at for at in ats if call.shape is not None and at.sig.elements == _elements(call)]
    sig = same[0].sig if same else None
    return r.foreign(call, ats, "activation", *held, setting=setting, ops=_elements(call), sig=sig)


def dropout(r: Reader, call: Call) -> At:
    """Nothing in evaluation, but it is there."""
    at, rate = r.at(call, next(iter(call.args))), float(call.args["p"])
    return r.layer(call, Dropout(rate), at) if 0 <= rate < 1 else at


def max_pool2d(r: Reader, call: Call) -> At:
    """Maximum of windows; padded with minus infinity it may be TensorFlow's SAME."""
    at, around = r.padded(call, "self", float("-inf"))
    kernel, stride, pads = _window(call, around)
    if tuple(_pair(call.args["dilation"])) != (1, 1):
        return _odd_pool(r, call)
    if (pads[0], pads[2]) != (pads[1], pads[3]):
        if pads != around or not _is_same(at, kernel, stride, around):
            return _odd_pool(r, call)
        return r.layer(call, Pool(_short(kernel), _short(stride), "same"), at, sig=as_image(at.sig))
    node = Pool(_short(kernel), _short(stride), _short((pads[0], pads[2])), bool(call.args["ceil_mode"]))
    return r.layer(call, node, at, sig=as_image(at.sig))


def avg_pool2d(r: Reader, call: Call) -> At:
    """Mean of windows; with zeros put around beforehand it may be TensorFlow's SAME."""
    at, around = r.padded(call, "self", 0.0)
    counted, divisor = bool(call.args["count_include_pad"]), call.args["divisor_override"]
    kernel, stride, pads = _window(call, around)
    if any(around):  # what was padded beforehand counts, whatever the pooling says of its own padding
        if max(_pair(call.args["padding"])) > 0 or divisor is not None or not _is_same(at, kernel, stride, around):
            return _odd_pool(r, call)
        return r.layer(call, AvgPool(_short(kernel), _short(stride), "same"), at, sig=as_image(at.sig))
    node = AvgPool(
        _short(kernel), _short(stride), _short((pads[0], pads[2])), bool(call.args["ceil_mode"]),
        counted or not any(pads), divisor,
    )  # fmt: skip
    return r.layer(call, node, at, sig=as_image(at.sig))


def _odd_pool(r: Reader, call: Call) -> At:
    at, kernel = r.at(call, "self"), _pair(call.args["kernel_size"])
    return r.foreign(call, (at,), "pooling", setting=kernel, ops=_elements(call) * prod(kernel))


def adaptive(how: str) -> Rule:
    """Pooling to a size."""

    def rule(r: Reader, call: Call) -> At:
        at = r.at(call, "self")
        node = PoolTo(_short(_pair(call.args["output_size"])), "avg" if how == "avg" else "max")
        return r.layer(call, node, at, sig=as_image(at.sig))

    return rule


def add(r: Reader, call: Call) -> At:
    """A sum of equal shapes is a join; anything else a function of an element."""
    one, other = (r.value(call, name) for name in ("self", "other"))
    plain = call.op == "add" and call.args.get("alpha", 1) == 1
    if plain and isinstance(one, At | Padded) and isinstance(other, At | Padded):
        ats = (r.settle(call, one), r.settle(call, other))
        if ats[0].sig.shape == ats[1].sig.shape:
            return r.join(call, ADD, ats)
    return elementwise(r, call)


def mul(r: Reader, call: Call) -> At:
    """A gate is a join, a number a fixed factor, one number a channel a layer scale."""
    one, other = (r.value(call, name) for name in ("self", "other"))
    if isinstance(one, int | float | Held):
        one, other = other, one
    if not isinstance(other, At | Padded | Held):
        return r.layer(call, Times(float(other)), r.settle(call, one)) if call.op == "mul" else elementwise(r, call)
    at = r.settle(call, one)
    if isinstance(other, Held):
        image = at.sig.axes is None and not at.sig.flat and not at.sig.last
        if image and len(other.keys) == 1 and other.shape[-3:] == (at.sig.channels, 1, 1):
            return r.layer(call, LayerScale(), at, other)
        return elementwise(r, call)
    gate = r.settle(call, other)
    if gate.sig.elements > at.sig.elements:
        at, gate = gate, at
    image = all(side.sig.axes is None and not side.sig.last and not side.sig.flat for side in (at, gate))
    if image and gate.sig.shape in ((at.sig.channels, 1, 1), at.sig.shape):
        return r.join(call, MUL, (at, gate))
    return elementwise(r, call)


def _elements(call: Call) -> int:
    return prod(call.shape or (0,))


def _pair(value: Any) -> Pair:
    items = [value] if isinstance(value, int) else list(value)
    return (items[0], items[0]) if len(items) == 1 else (items[0], items[1])


def _short(value: Any) -> int | Pair:
    rows, cols = value
    return rows if rows == cols else (rows, cols)


def _pad(pads: Any, kernel: Any, dilation: Any) -> Any:
    """Padding as descriptions write it: None where it keeps the size, else as few numbers as will do."""
    top, bottom, left, right = pads
    rows, cols = (d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    if (top, left) != (bottom, right):
        return top, bottom, left, right
    return None if (top, left) == (rows, cols) else _short((top, left))


def _window(call: Call, around: Pads) -> tuple[Pair, Pair, Pads]:
    kernel = _pair(call.args["kernel_size"])
    stride = _pair(call.args["stride"] or kernel)
    rows, cols = _pair(call.args["padding"])
    return kernel, stride, (rows + around[0], rows + around[1], cols + around[2], cols + around[3])


def _is_same(at: At, kernel: Pair, stride: Pair, pads: Pads) -> bool:
    rows, cols = (
        same_pads(size, k, s, 1) for size, k, s in zip((at.sig.rows, at.sig.cols), kernel, stride, strict=True)
    )
    return pads == (*rows, *cols)


NORMS = ("group_norm", "instance_norm", "rms_norm", "native_layer_norm")
FUNCTIONS = ("relu", "silu", "hard_swish", "hard_sigmoid", "sigmoid", "tanh")
ELEMENTWISE = (
    "elu", "celu", "selu", "mish", "prelu", "softplus", "hardshrink", "log_softmax", "log_sigmoid", "exp", "log",
    "sqrt", "rsqrt", "pow", "square", "abs", "neg", "erf", "sin", "cos", "clamp", "clamp_min", "clamp_max", "sub",
    "linalg_vector_norm", "rsub", "div", "reciprocal", "maximum", "minimum", "where", "addcmul", "addcdiv",
    "masked_fill", "lerp", "softsign", "threshold", "hard_sigmoid", "round", "floor",
)  # fmt: skip

RULES: dict[str, Rule] = {
    "conv2d": conv2d, "conv1d": other_conv, "conv3d": other_conv,
    "conv_transpose2d": conv_transpose2d, "linear": linear, "batch_norm": batch_norm,
    "layer_norm": layer_norm, "local_response_norm": local_norm,
    "hardtanh": hardtanh, "relu6": activation("relu6"), "leaky_relu": leaky_relu,
    "gelu": gelu,
    "softmax": softmax, "dropout": dropout, "feature_dropout": dropout, "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d, "adaptive_avg_pool2d": adaptive("avg"), "adaptive_max_pool2d": adaptive("max"),
    "add": add, "mul": mul,
    **{name.replace("hard_swish", "hardswish").replace("hard_sigmoid", "hardsigmoid"): activation(name)
       for name in FUNCTIONS},
    **dict.fromkeys(NORMS, other_norm), **dict.fromkeys(ELEMENTWISE, elementwise),
    **SHAPES, **MIXING,
}  # fmt: skip
