"""Which units of its input each unit of a row reads: what receptive fields are made of.

Here a unit is all channels at one place of a map. A row reads each of its inputs in one of four ways; a window, along
one axis, reads the units of an arithmetic progression.
"""

from __future__ import annotations

from enum import Enum
from fractions import Fraction
from math import ceil, floor

from convsmith.spec.node import Window
from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.nodes.joins import Mul
from convsmith.spec.signature import Pair, Sig
from convsmith.spec.trace import Graph, Row


class Reading(Enum):
    """How a unit reads an input without a window: at its own place, at every place, or the only place there is."""

    SAME = "same"
    ALL = "all"
    ONE = "one"


SAME, ALL, ONE = Reading.SAME, Reading.ALL, Reading.ONE
HERE = (SAME,)
PIXELWISE = Window((1, 1))

POINTWISE = frozenset((
    "add", "sub", "rsub", "mul", "div", "lerp", "maximum", "minimum", "where", "masked_fill",
    "hardtanh", "leaky_relu", "gelu", "elu", "celu", "selu", "mish", "prelu", "softplus", "softsign", "hardshrink",
    "threshold", "log_sigmoid", "exp", "log", "sqrt", "rsqrt", "pow", "square", "abs", "neg", "reciprocal", "erf",
    "sin", "cos", "clamp", "clamp_min", "clamp_max", "round", "floor",
))  # fmt: skip
"""Words of imported operations that make each element of the elements at its own place."""

ALONG_CHANNELS = frozenset(("slice", "narrow", "cat", "concat", "mean", "sum", "amax", "linalg_vector_norm"))
"""Words of imported operations that touch the channels alone where they leave (rows, cols) as they were."""


def readings(graph: Graph, row: Row) -> tuple[Reading | Window, ...]:
    """How the row reads each of its inputs.

    An imported operation that is not known to keep places (reshape, attention, group normalisation) reads everything.
    """
    window = row.facts.window
    if window is not None:
        return HERE if window == PIXELWISE else (window,)
    if isinstance(row.node, Foreign):
        return _foreign(row.node, graph.sigs(row), row.out)
    if isinstance(row.node, Mul):
        image, gate = graph.sigs(row)
        return SAME, SAME if places(gate) == places(image) else ONE
    if row.out.flat and not graph.sigs(row)[0].flat:
        return (ALL,)
    return HERE if len(row.inputs) == 1 else (SAME,) * len(row.inputs)


def places(sig: Sig) -> Pair:
    """(rows, cols) of a map. Three axes of an imported network are an image's: what reads them takes them so."""
    return (sig.axes[1], sig.axes[2]) if sig.axes is not None and len(sig.axes) == 3 else (sig.rows, sig.cols)


def taps(window: Window, axis: int, unit: int) -> range:
    """The input units that output unit `unit` reads along an axis, ascending; those outside the map are padding.

    Empty where a transposed convolution's kernel is smaller than its stride and leaves the unit out.
    """
    stride, dilation, kernel = window.stride[axis], window.dilation[axis], window.kernel[axis]
    if window.adaptive:
        return range(floor(unit * stride), ceil((unit + 1) * stride))
    if stride >= 1:
        first = unit * int(stride) - window.pad[axis]
        return range(first, first + (kernel - 1) * dilation + 1, dilation)
    return _transposed(round(1 / stride), dilation, kernel, unit + window.pad[axis])


def _transposed(stride: int, dilation: int, kernel: int, place: int) -> range:
    """All i with place = i * stride + t * dilation for a tap 0 <= t < kernel."""
    common = Fraction(stride, dilation)
    every = common.numerator  # the taps that reach one place are so far apart
    shared = stride // every
    if place % shared:
        return range(0)
    tap = place // shared * pow(common.denominator, -1, every) % every
    count = max(0, -(-(kernel - tap) // every))
    last = (place - tap * dilation) // stride
    step = common.denominator
    return range(last - (count - 1) * step, last + 1, step)


def _foreign(node: Foreign, sigs: tuple[Sig, ...], out: Sig) -> tuple[Reading | Window, ...]:
    if node.label in POINTWISE:
        return tuple(_pointwise(sig, out) for sig in sigs)
    if node.label == "upsample_nearest2d" and (window := _repeated(sigs[0], out)) is not None:
        return (window,)
    kept = node.label in ALONG_CHANNELS and all(_is_image(sig) and places(sig) == places(out) for sig in (*sigs, out))
    return (SAME if kept else ALL,) * len(sigs)


def _pointwise(sig: Sig, out: Sig) -> Reading:
    if sig.shape == out.shape:
        return SAME
    if not (_is_image(sig) and _is_image(out)):
        return ALL
    if places(sig) == places(out):
        return SAME
    return ONE if places(sig) == (1, 1) else ALL


def _repeated(sig: Sig, out: Sig) -> Window | None:
    """Each unit taken over to a block of rows x cols of the output; None where the sizes are no multiples."""
    (rows, cols), (tall, wide) = places(sig), places(out)
    if not (_is_image(sig) and _is_image(out)) or tall % rows or wide % cols:
        return None
    block = tall // rows, wide // cols
    return Window(block, (Fraction(1, block[0]), Fraction(1, block[1])))


def _is_image(sig: Sig) -> bool:
    """Whether the axes are (C, H, W), or may be: three axes made by what is no image have seen everything already."""
    return not sig.flat and not sig.last and (sig.axes is None or len(sig.axes) == 3)
