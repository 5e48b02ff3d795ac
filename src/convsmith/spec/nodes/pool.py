"""Pooling: maximum, average, and to a given size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from convsmith.spec.errors import SpecError
from convsmith.spec.node import Category, Facts, Layer, Torch, Window, positive, positive_pairs
from convsmith.spec.nodes.geometry import check_pad, pads, slide, wants_image
from convsmith.spec.signature import Pair, Sig, exact, pair

PoolPad = int | Pair | Literal["same"]
"""Pixels on every side, or (rows, cols), or TensorFlow's SAME: ceil(n / stride) pixels come out."""

_new = tuple.__new__  # half the time of a named tuple's constructor


@dataclass(frozen=True)
class Pool(Layer):
    """The maximum (or `AvgPool`, the mean) of each window. Counted as one operation per window element.

    `stride` defaults to the kernel, as in torch. `ceil` lets the last window hang over the edge, as GoogLeNet's do.
    """

    kernel: int | Pair
    stride: int | Pair | None = None
    pad: PoolPad = 0
    ceil: bool = False
    kind: ClassVar[str] = "max_pool"
    category: ClassVar[Category] = "pooling"

    def __post_init__(self) -> None:
        _check(self)

    def infer(self, sig: Sig) -> Facts:
        return _pooled(self, sig)

    def window(self, sig: Sig) -> Window:
        return _seen(self, sig)

    def torch(self, sig: Sig) -> Torch:
        return Torch("SameMaxPool2d" if self.pad == "same" else "MaxPool2d", _arguments(self))


@dataclass(frozen=True)
class AvgPool(Layer):
    """The mean of each window; `count_pad` counts padded zeros as elements; `divisor` = 1 makes it a sum."""

    kernel: int | Pair
    stride: int | Pair | None = None
    pad: PoolPad = 0
    ceil: bool = False
    count_pad: bool = True
    divisor: int | None = None
    kind: ClassVar[str] = "avg_pool"
    category: ClassVar[Category] = "pooling"

    def __post_init__(self) -> None:
        _check(self)
        if self.divisor is not None:
            positive(self, divisor=self.divisor)
            if self.pad == "same":
                raise SpecError('avg_pool: a divisor wants padding in pixels, not "same"')

    def infer(self, sig: Sig) -> Facts:
        return _pooled(self, sig)

    def window(self, sig: Sig) -> Window:
        return _seen(self, sig)

    def torch(self, sig: Sig) -> Torch:
        extra = {"count_include_pad": self.count_pad, "divisor_override": self.divisor}
        return Torch("SameAvgPool2d" if self.pad == "same" else "AvgPool2d", _arguments(self) | extra)


@dataclass(frozen=True)
class PoolTo(Layer):
    """Pool to `size` x `size` whatever comes in: `PoolTo(1)` is global pooling. One operation per element read.

    Output i covers input floor(i * n / size) up to ceil((i + 1) * n / size), as torch's adaptive pooling does.
    """

    size: int | Pair
    how: Literal["avg", "max"] = "avg"
    kind: ClassVar[str] = "pool_to"
    category: ClassVar[Category] = "pooling"

    def __post_init__(self) -> None:
        positive_pairs(self, size=self.size)
        if self.how not in ("avg", "max"):
            raise SpecError(f"pool_to: how must be 'avg' or 'max', got {self.how!r}")

    @property
    def label(self) -> str:
        return f"{self.how}_pool_to"

    def infer(self, sig: Sig) -> Facts:
        channels, down, across, stride, flat, last, _ = sig
        if flat or last:
            wants_image("pooling", sig)
        rows, cols = pair(self.size)
        elements = channels * rows * cols
        ops = elements * _widest(down, rows) * _widest(across, cols)
        out = _new(Sig, (channels, rows, cols, stride, False, False, None))
        return _new(Facts, (out, elements, 0, ops, 0, 0, self, (sig,)))

    def window(self, sig: Sig) -> Window:
        rows, cols = pair(self.size)
        stride = exact(Fraction(sig.rows, rows)), exact(Fraction(sig.cols, cols))
        return Window((_widest(sig.rows, rows), _widest(sig.cols, cols)), stride, adaptive=True)

    def torch(self, sig: Sig) -> Torch:
        return Torch(f"Adaptive{self.how.capitalize()}Pool2d", {"output_size": pair(self.size)})


def _widest(size: int, out: int) -> int:
    rest = size % out  # where it is not 0 a window holds one element more, or two where its ends fall between elements
    return size // out + (rest > 0) + (rest > 0 and out % rest > 0)


def _check(node: Pool | AvgPool) -> None:
    positive_pairs(node, kernel=node.kernel, **({} if node.stride is None else {"stride": node.stride}))
    if node.pad == "same":
        if node.ceil:
            raise SpecError(f'{node.kind}: pad="same" already rounds up; leave ceil out')
        return
    if not isinstance(node.pad, int | tuple) or (isinstance(node.pad, tuple) and len(node.pad) != 2):
        raise SpecError(f'{node.kind}: pad must be an integer, (rows, cols) or "same", got {node.pad!r}')
    check_pad(node, node.pad, same=False)
    if any(2 * p > k for p, k in zip(pair(node.pad), pair(node.kernel), strict=True)):
        raise SpecError(
            f"{node.kind}: pad must be at most half the kernel, got pad {node.pad!r} with kernel {node.kernel!r}"
        )


def _steps(node: Pool | AvgPool) -> tuple[Pair, Pair]:
    return pair(node.kernel), pair(node.kernel if node.stride is None else node.stride)


def _pooled(node: Pool | AvgPool, sig: Sig) -> Facts:
    kernel, stride = _steps(node)
    pad = pads(node.pad, sig, kernel, stride, (1, 1))
    out = slide(sig, kernel, stride, pad, ceil=node.ceil)
    elements = out.elements
    return Facts(out, elements, ops=elements * kernel[0] * kernel[1], source=node, entering=(sig,))


def _seen(node: Pool | AvgPool, sig: Sig) -> Window:
    kernel, stride = _steps(node)
    top, _, left, _ = pads(node.pad, sig, kernel, stride, (1, 1))
    return Window(kernel, stride, (top, left))


def _arguments(node: Pool | AvgPool) -> dict[str, object]:
    kernel, stride = _steps(node)
    padding = (0, 0) if isinstance(node.pad, str) else pair(node.pad)
    return {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": node.ceil}


NODES = (Pool, AvgPool, PoolTo)
