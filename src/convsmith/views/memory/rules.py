"""What torch holds for each kind of layer: what autograd saves of it, and what lives inside it while it runs.

A table, keyed by the torch layer that a row is built as (a join by its kind). Measured with torch 2.14 on the CPU: the
tests build every layer and ask `torch.autograd.graph.saved_tensors_hooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from convsmith.spec.errors import SpecError
from convsmith.spec.node import Layer
from convsmith.spec.nodes.conv import Conv, TableConv
from convsmith.spec.nodes.geometry import pads
from convsmith.spec.nodes.joins import Add
from convsmith.spec.nodes.norm import LocalNorm
from convsmith.spec.nodes.pool import AvgPool, Pool
from convsmith.spec.nodes.regularise import Regulariser
from convsmith.spec.nodes.tiled import TiledConv
from convsmith.spec.signature import Pair, pair
from convsmith.spec.trace import Graph, Row
from convsmith.views.cost import BYTES


class Rule(NamedTuple):
    """What one layer holds, in the words of `SIZES` and in `input` and `output`, its own tensors.

    saves   for the way back; weights are not among it, as they are there anyway
    work    inside the layer while it runs, besides its inputs and its output, and with what is saved among it
    back    on the way back, besides the gradients of its output, inputs and weights
    view    the output lies in its input's memory
    passes  the way back hands the output's gradient to the inputs, in the same memory
    """

    saves: tuple[str, ...] = ()
    work: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    view: bool = False
    passes: bool = False


KEEPS_INPUT, KEEPS_OUTPUT, KEEPS_NOTHING = Rule(("input",)), Rule(("output",)), Rule()
IDENTITY = Rule(view=True, passes=True)
PADDED = Rule(("padded",), work=("padded",), back=("border",))

RULES: dict[str, Rule] = {
    "Conv2d": KEEPS_INPUT,
    "ConvTranspose2d": KEEPS_INPUT,
    "PaddedConv2d": PADDED,
    "SameConv2d": PADDED,
    "TableConv2d": Rule(("input", "kernels"), work=("kernels",)),
    "TiledConv2d": Rule(("padded",), work=("padded", "elements", "elements"), back=("padded", "elements")),
    "Linear": KEEPS_INPUT,
    "Rbf": Rule(("distances",), work=("distances",) * 2, back=("distances",) * 3),
    "BatchNorm1d": Rule(("input", "statistics")),
    "BatchNorm2d": Rule(("input", "statistics")),
    "LayerNorm": Rule(("input", "moments")),
    "ChannelNorm": Rule(("input", "moments")),
    # x / (k + alpha * mean of x^2)^beta: the padded squares, the sum and its power
    "LocalResponseNorm": Rule(
        ("input", "squares", "elements", "elements"),
        work=("elements", "elements"),
        back=("elements", "elements", "elements"),
    ),
    "ChannelScale": Rule(("input",), work=("unbiased",), back=("elements",)),
    "layer_scale": Rule(("input",), back=("elements",)),
    "Times": KEEPS_NOTHING,
    "MaxPool2d": Rule(("input", "indices")),
    "SameMaxPool2d": Rule(("padded", "indices"), work=("padded",), back=("border",)),
    "AdaptiveMaxPool2d": Rule(("input", "indices")),
    "AvgPool2d": KEEPS_INPUT,
    "SameAvgPool2d": Rule(("padded", "counts"), work=("padded",), back=("border",)),
    "AdaptiveAvgPool2d": KEEPS_INPUT,
    "global mean": KEEPS_NOTHING,  # what adaptive average pooling to 1 x 1 becomes
    "Tanh": KEEPS_OUTPUT,
    "ScaledTanh": Rule(("elements",), work=("elements",)),
    "Sigmoid": KEEPS_OUTPUT,
    "ReLU": KEEPS_OUTPUT,  # a built network's are not in place
    "ReLU6": KEEPS_INPUT,
    "LeakyReLU": KEEPS_INPUT,
    "SiLU": KEEPS_INPUT,
    "Hardswish": KEEPS_INPUT,
    "Hardsigmoid": KEEPS_INPUT,
    "GELU": KEEPS_INPUT,
    "Softmax": KEEPS_OUTPUT,
    "Dropout": Rule(("elements",)),  # the mask, in the activations' type (on a GPU one byte an element)
    "DropPath": Rule(("sample",), work=("elements",)),
    "Flatten": IDENTITY,
    "Permute": IDENTITY,
    "ChannelSlice": Rule(view=True),  # its gradient is of the whole input's size
    "ChannelShuffle": KEEPS_NOTHING,
    "ZeroChannels": KEEPS_NOTHING,
    "Shift": KEEPS_NOTHING,
    "add": Rule(passes=True),
    "concat": Rule(passes=True),  # as views of the whole
    "mul": Rule(("input",), back=("gate",)),  # both inputs
}


class Bytes(NamedTuple):
    """So many bytes whatever the batch, and so many for each image of it."""

    fixed: int = 0
    image: int = 0


SIZES: dict[str, Callable[[Graph, Row, int], Bytes]] = {
    "elements": lambda graph, row, value: Bytes(0, value * row.out.elements),
    "padded": lambda graph, row, value: Bytes(0, value * _padded(graph, row)),
    "border": lambda graph, row, value: Bytes(0, value * (_padded(graph, row) - graph.sigs(row)[0].elements)),
    "squares": lambda graph, row, value: Bytes(0, value * _squares(row)),
    "indices": lambda graph, row, value: Bytes(0, 8 * row.out.elements),  # torch's are int64
    "statistics": lambda graph, row, value: Bytes(2 * BYTES * row.out.channels),  # mean and 1 / deviation
    "moments": lambda graph, row, value: Bytes(0, 2 * value * row.out.rows * row.out.cols),  # the same of each pixel
    "counts": lambda graph, row, value: Bytes(value * _counts(row)),
    "unbiased": lambda graph, row, value: Bytes(0, value * row.out.elements * (len(row.facts.weights) - 1)),
    "sample": lambda graph, row, value: Bytes(0, value),
    "distances": lambda graph, row, value: Bytes(0, value * row.out.channels * graph.sigs(row)[0].channels),
    "kernels": lambda graph, row, value: Bytes(value * _dense(graph, row)),
    # the product of gradient and image, before it is summed to the gate's size
    "gate": lambda graph, row, value: Bytes(0, value * (row.out.elements - graph.sigs(row)[1].elements)),
}


def rule_of(graph: Graph, row: Row, *, training: bool) -> Rule:
    """The rule of a row. Raises SpecError for an imported operation, of which no built network has a layer."""
    node = row.node
    if node.category == "join":
        # sums of more than two are made two by two
        return RULES[node.kind]._replace(work=("elements",) * (isinstance(node, Add) and len(row.inputs) > 2))
    if not isinstance(node, Layer):
        raise SpecError(f"{row.path}: what torch keeps of {row.kind} is not known; plan the memory of a description")
    if isinstance(node, Regulariser) and (not training or node.rate == 0):
        return IDENTITY
    name = node.torch(graph.sigs(row)[0]).name
    return RULES["global mean" if name == "AdaptiveAvgPool2d" and row.out.shape[1:] == (1, 1) else name]


def size_of(word: str, graph: Graph, row: Row, value_bytes: int) -> Bytes:
    """Bytes of one of `SIZES`."""
    return SIZES[word](graph, row, value_bytes)


def _padded(graph: Graph, row: Row) -> int:
    node, sig = row.node, graph.sigs(row)[0]
    assert isinstance(node, Conv | TiledConv | Pool | AvgPool)
    kernel = pair(node.kernel)
    one: Pair = (1, 1)
    stride = one if isinstance(node, TiledConv) else pair(node.kernel if node.stride is None else node.stride)
    dilation = pair(node.dilation) if isinstance(node, Conv) else one
    top, bottom, left, right = pads(node.pad, sig, kernel, stride, dilation)
    return sig.channels * (sig.rows + top + bottom) * (sig.cols + left + right)


def _squares(row: Row) -> int:
    assert isinstance(row.node, LocalNorm)
    return (row.out.channels + row.node.size - 1) * row.out.rows * row.out.cols


def _counts(row: Row) -> int:
    """A mean over the image's pixels alone keeps how many each window has."""
    assert isinstance(row.node, AvgPool)
    return 0 if row.node.count_pad else row.out.rows * row.out.cols


def _dense(graph: Graph, row: Row) -> int:
    assert isinstance(row.node, TableConv)
    rows, cols = pair(row.node.kernel)
    return row.out.channels * graph.sigs(row)[0].channels * rows * cols
