"""A layer in a few words, as a diagram says it."""

from __future__ import annotations

from convsmith.spec.node import Leaf
from convsmith.spec.nodes.activation import Activation
from convsmith.spec.nodes.conv import Conv, ConvTranspose, TableConv
from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.nodes.joins import Add, Concat, Mul
from convsmith.spec.nodes.linear import Linear, Rbf
from convsmith.spec.nodes.norm import LayerNorm, LayerScale, LocalNorm, Norm, Scale, Times
from convsmith.spec.nodes.pool import AvgPool, Pool, PoolTo
from convsmith.spec.nodes.regularise import Dropout, DropPath
from convsmith.spec.nodes.shape import FlattenLayer, Permute, Shift, Shuffle, Slice, ZeroChannels
from convsmith.spec.nodes.tiled import TiledConv
from convsmith.spec.signature import Pair, Sig, pair
from convsmith.views.items import is_entry

FUNCTIONS = {
    "scaled_tanh": "1.7159 tanh", "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "leaky ReLU", "silu": "SiLU",
    "hard_swish": "h-swish", "hard_sigmoid": "h-sigmoid", "gelu": "GELU",
}  # fmt: skip


def label_of(node: Leaf, sig: Sig | None = None) -> str:
    """A layer in a few words: `3×3 conv, 64, /2`. `sig` is its input, by which a depthwise convolution is known."""
    if isinstance(node, Conv | ConvTranspose):
        deep = sig is not None and node.groups == sig.channels > 1
        word = "depthwise" if deep else "conv" if isinstance(node, Conv) else "transposed conv"
        groups = "" if deep or node.groups == 1 else f", {node.groups} groups"
        dilation = "" if node.dilation in (1, (1, 1)) else f", dilation {_by(node.dilation)}"
        return f"{_by(node.kernel)} {word}, {node.out}{_per(node.stride)}{groups}{dilation}"
    if isinstance(node, Pool | AvgPool) and pair(node.kernel) == (1, 1):
        return f"subsample{_per(node.kernel if node.stride is None else node.stride)}"
    if isinstance(node, Pool | AvgPool):
        word = "max" if isinstance(node, Pool) else "avg" if getattr(node, "divisor", None) != 1 else "sum"
        return f"{_by(node.kernel)} {word} pool{_per(node.kernel if node.stride is None else node.stride)}"
    if isinstance(node, TableConv):
        return f"{_by(node.kernel)} conv by table, {len(node.table)}"
    if isinstance(node, TiledConv):
        return f"{_by(node.kernel)} tiled conv, {node.out}, period {node.period}"
    if isinstance(node, Slice):
        return f"part {node.index + 1} of {node.parts}"
    if isinstance(node, PoolTo):
        return f"global {node.how} pool" if pair(node.size) == (1, 1) else f"{node.how} pool to {_by(node.size)}"
    return _plain(node)


WORDS: dict[type[Leaf], str] = {
    Linear: "linear, {out}", Rbf: "radial basis, {out}",
    Norm: "BN", LocalNorm: "LRN", LayerNorm: "layer norm", Scale: "scale", LayerScale: "layer scale",
    Times: "times {by:.3g}",
    Dropout: "dropout {rate:.3g}", DropPath: "drop path {rate:.3g}",
    FlattenLayer: "flatten", Shuffle: "shuffle, {groups} groups", ZeroChannels: "zero pad to {to}",
    Shift: "shift by {pixels}",
    Add: "add", Concat: "concat", Mul: "mul",
}  # fmt: skip


def _plain(node: Leaf) -> str:
    if isinstance(node, Activation):
        return FUNCTIONS.get(node.function, node.function)
    if isinstance(node, Permute):
        return "channels last" if node.last else "channels first"
    if isinstance(node, Foreign):
        return node.word if is_entry(node) else node.word.replace("_", " ")
    return WORDS[type(node)].format(**vars(node))


def _by(size: int | Pair) -> str:
    return "×".join(map(str, pair(size)))


def _per(stride: int | Pair) -> str:
    rows, cols = pair(stride)
    return "" if (rows, cols) == (1, 1) else f", /{rows}" if rows == cols else f", /{rows}×{cols}"
