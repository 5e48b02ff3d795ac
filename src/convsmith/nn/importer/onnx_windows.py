"""ONNX's windows in ATen's words: convolutions, pooling and padding, which may differ on each side of the image."""

from __future__ import annotations

from typing import Any

from convsmith.nn.importer.calls import Call, Ref, Shape
from convsmith.nn.importer.onnx_operator import Operator
from convsmith.spec.errors import ImportFailed
from convsmith.spec.nodes.geometry import same_pads


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


def pad(o: Operator) -> list[Call]:
    """Around rows and columns."""
    pads, value = o.list(1, "pads"), (o.list(2, "value") or [0.0])[0]
    if pads is None or len(pads) != 8 or any(pads[:2] + pads[4:6]) or o.get("mode", "constant") != "constant":
        raise ImportFailed(f"{o.path}: padding other than constant, of rows and columns, has no rule")
    around = [pads[3], pads[7], pads[2], pads[6]]
    return [o.call("constant_pad_nd", {"self": o.read(0), "pad": around, "value": value})]


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
