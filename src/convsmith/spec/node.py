"""What every node of a description is, and what a leaf must know about itself.

A leaf says its facts once: output signature, MACs, operations, weights, window. Every table, picture, module, budget
check and search candidate reads them from the trace; none of them computes a shape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

from convsmith.spec.errors import SpecError
from convsmith.spec.signature import Pair, Rational, Sig, positive_size
from convsmith.spec.widths import Scope, Width

if TYPE_CHECKING:
    from convsmith.spec.tracer import At, Tracer

Category = Literal["convolution", "linear", "normalisation", "activation", "pooling", "regularisation", "shape", "join"]


class Weight(NamedTuple):
    """One tensor of a layer: its name in the state dict, its shape, and whether training changes it by gradient.

    A layer that is a bare parameter of its container has one weight, without a name. In an imported network a tensor
    may lie elsewhere than its layer's path: such a name is the whole key, after a slash.
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool = True

    def key(self, path: str) -> str:
        """The key in the state dict, for a layer at `path`."""
        if self.name.startswith("/"):
            return self.name[1:]
        return f"{path}.{self.name}" if self.name else path


class Window(NamedTuple):
    """What one output unit sees of its layer's input, per axis (rows, cols).

    `stride` is how far the window moves from one output to the next, in input units; it is below 1 where the layer
    enlarges the image (transposed convolution). `adaptive` windows together cover the image whatever its size.
    """

    kernel: Pair
    stride: tuple[Rational, Rational] = (1, 1)
    pad: Pair = (0, 0)
    dilation: Pair = (1, 1)
    adaptive: bool = False


class Stated(NamedTuple):
    """Weights and window on record."""

    tensors: tuple[Weight, ...]
    sees: Window | None

    def weights(self, *_: Sig) -> tuple[Weight, ...]:
        """The tensors."""
        return self.tensors

    def window(self, *_: Sig) -> Window | None:
        """The window."""
        return self.sees


class Facts(NamedTuple):
    """What a leaf makes of its inputs, whose signatures are `entering`; all numbers are for one sample.

    `activations` are the elements of the output, `macs` those of convolutions, linear layers and matrix products; `ops`
    are element-wise, normalisation and pooling operations. `params` are trained and `buffers` are not. Weights and
    window are asked of the source by whoever wants them: a cost table does not, and they are most of the work.
    """

    out: Sig
    activations: int
    macs: int = 0
    ops: int = 0
    params: int = 0
    buffers: int = 0
    source: Layer | Stated | None = None
    entering: tuple[Sig, ...] = ()

    @property
    def weights(self) -> tuple[Weight, ...]:
        """Every tensor of the layer, in the order of the state dict."""
        return () if self.source is None else self.source.weights(*self.entering)

    @property
    def window(self) -> Window | None:
        """What one output unit sees of the input; None where that is one input unit."""
        return None if self.source is None else self.source.window(*self.entering)


class Torch(NamedTuple):
    """The PyTorch layer of a leaf, as data: a class of `torch.nn` or `convsmith.nn.layers`, and its arguments."""

    name: str
    arguments: dict[str, Any]


class Node(ABC):
    """A value: frozen, comparable, hashable, serialisable. Layers, joins and combinators are nodes."""

    kind: ClassVar[str]
    is_layer: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """The word for this node in tables."""
        return self.kind

    @abstractmethod
    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        """Append this node's rows, with paths that begin with `prefix` ("layer1.0."); say where the signal then is."""


class Leaf(Node):
    """A node that becomes one row of the graph."""

    category: ClassVar[Category]
    widths: ClassVar[tuple[str, ...]] = ()
    """Fields that may hold a relative width."""

    relative: ClassVar[tuple[str, ...]] = ()
    """Those fields that do; an instance may have its own."""

    def resolve(self, here: int, scope: Scope) -> Self:
        """This node with its relative widths turned into numbers."""
        if not self.relative:
            return self
        made = object.__new__(type(self))  # `replace` would check every field again
        values = made.__dict__
        values.update(self.__dict__)
        for name in self.relative:
            values[name] = values[name].resolve(here, scope)
        del values["relative"]
        return made


class Layer(Leaf):
    """A leaf with one input."""

    is_layer: ClassVar[bool] = True

    @abstractmethod
    def infer(self, sig: Sig) -> Facts:
        """Facts for this input. Raises ShapeError (without the path: the trace adds it)."""

    def weights(self, sig: Sig) -> tuple[Weight, ...]:
        """The tensors, where `infer` names the layer as their source."""
        return ()

    def window(self, sig: Sig) -> Window | None:
        """What one output unit sees, where `infer` names the layer as the source."""
        return None

    @abstractmethod
    def torch(self, sig: Sig) -> Torch:
        """The PyTorch layer for this input."""

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        return tracer.layer(self, at, prefix[:-1] or self.kind, scope)


class Join(Leaf):
    """A leaf with several inputs; combinators place it, nobody writes one."""

    category: ClassVar[Category] = "join"

    @abstractmethod
    def infer(self, *sigs: Sig) -> Facts:
        """Facts for these inputs. Raises ShapeError (without the path: the trace adds it)."""

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        raise SpecError(f"{prefix[:-1]}: {self.kind} joins branches and cannot stand in a sequence")


def facts(
    entering: tuple[Sig, ...], out: Sig, weights: tuple[Weight, ...] = (), *, macs: int = 0, ops: int = 0,
    window: Window | None = None,
) -> Facts:  # fmt: skip
    """Facts with weights and window on record; `params` and `buffers` are counted from the weights."""
    params = sum([prod(shape) for _, shape, trainable in weights if trainable])
    buffers = sum([prod(shape) for _, shape, trainable in weights if not trainable])
    source = Stated(weights, window) if weights or window else None
    return Facts(out, out.elements, macs, ops, params, buffers, source, entering)


def note_relative(node: Leaf) -> None:
    """Note which fields hold a relative width, so that a trace need not look."""
    values = node.__dict__
    relative = tuple([name for name in node.widths if isinstance(values[name], Width)])
    if relative:
        object.__setattr__(node, "relative", relative)


def positive(node: Leaf, **values: object) -> None:
    """Refuse anything but integers >= 1 (or relative widths, in the fields that take them)."""
    for name, value in values.items():
        if not (isinstance(value, Width) and name in node.widths):
            positive_size(f"{node.kind}: {name}", value)


def positive_pairs(node: Leaf, **values: object) -> None:
    """Refuse anything but integers >= 1 or pairs of them."""
    for name, value in values.items():
        whole = value if isinstance(value, tuple) and len(value) == 2 else (value,)
        for item in whole:
            positive_size(f"{node.kind}: {name}", item, got=value)


def numbers(node: Leaf, **values: object) -> None:
    """Refuse anything but finite numbers."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise SpecError(f"{node.kind}: {name} must be a finite number, got {value!r}")


def fraction(node: Node, **values: float) -> None:
    """Refuse anything outside 0 <= value < 1."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise SpecError(f"{node.kind}: {name} must be at least 0 and below 1, got {value!r}")
