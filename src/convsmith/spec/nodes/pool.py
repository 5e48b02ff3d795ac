"""Pooling: maximum, average, and to a given size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.node import Category, Facts, Layer, Torch, Window, positive, positive_pairs
from convsmith.spec.nodes.geometry import Pads, check_pad, slide
from convsmith.spec.signature import Pair, Rational, Sig, exact, pair


@dataclass(frozen=True)
class Pool(Layer):
    """The maximum (or `AvgPool`, the mean) of each window. Counted as one operation per window element.

    `stride` defaults to the kernel, as in torch. `ceil` lets the last window hang over the edge, as GoogLeNet's do.
    """

    kernel: int | Pair
    stride: int | Pair | None = None
    pad: int | Pair = 0
    ceil: bool = False
    kind: ClassVar[str] = "max_pool"
    category: ClassVar[Category] = "pooling"

    def __post_init__(self) -> None:
        _check(self, self.kernel, self.stride, self.pad)

    def infer(self, sig: Sig) -> Facts:
        return _pooled(sig, *_geometry(self.kernel, self.stride, self.pad), self.ceil)

    def torch(self, sig: Sig) -> Torch:
        return Torch("MaxPool2d", _arguments(self.kernel, self.stride, self.pad, self.ceil))


@dataclass(frozen=True)
class AvgPool(Layer):
    """The mean of each window; `count_pad` counts padded zeros as elements; `divisor` = 1 makes it a sum."""

    kernel: int | Pair
    stride: int | Pair | None = None
    pad: int | Pair = 0
    ceil: bool = False
    count_pad: bool = True
    divisor: int | None = None
    kind: ClassVar[str] = "avg_pool"
    category: ClassVar[Category] = "pooling"

    def __post_init__(self) -> None:
        _check(self, self.kernel, self.stride, self.pad)
        if self.divisor is not None:
            positive(self, divisor=self.divisor)

    def infer(self, sig: Sig) -> Facts:
        return _pooled(sig, *_geometry(self.kernel, self.stride, self.pad), self.ceil)

    def torch(self, sig: Sig) -> Torch:
        extra = {"count_include_pad": self.count_pad, "divisor_override": self.divisor}
        return Torch("AvgPool2d", _arguments(self.kernel, self.stride, self.pad, self.ceil) | extra)


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
        if sig.flat:
            raise ShapeError(f"pooling wants an image, got a flat vector of {sig.channels}")
        rows, cols = pair(self.size)
        (high, down), (wide, across) = _spans(sig.rows, rows), _spans(sig.cols, cols)
        window = Window((high, wide), (down, across), adaptive=True)
        ops = sig.channels * rows * cols * high * wide
        return Facts(Sig(sig.channels, rows, cols, sig.stride), ops=ops, window=window)

    def torch(self, sig: Sig) -> Torch:
        return Torch(f"Adaptive{self.how.capitalize()}Pool2d", {"output_size": pair(self.size)})


def _spans(size: int, out: int) -> tuple[int, Rational]:
    rest = size % out  # where it is not 0 a window holds one element more, or two where its ends fall between elements
    widest = size // out + (rest > 0) + (rest > 0 and out % rest > 0)
    return widest, exact(Fraction(size, out))


def _check(node: Pool | AvgPool, kernel: int | Pair, stride: int | Pair | None, pad: int | Pair) -> None:
    positive_pairs(node, kernel=kernel, **({} if stride is None else {"stride": stride}))
    check_pad(node, pad, same=False)
    if pad is None or (isinstance(pad, tuple) and len(pad) != 2):
        raise SpecError(f"{node.kind}: pad must be an integer or (rows, cols), got {pad!r}")
    if any(2 * p > k for p, k in zip(pair(pad), pair(kernel), strict=True)):
        raise SpecError(f"{node.kind}: pad must be at most half the kernel, got pad {pad!r} with kernel {kernel!r}")


def _geometry(kernel: int | Pair, stride: int | Pair | None, pad: int | Pair) -> tuple[Pair, Pair, Pads]:
    rows, cols = pair(pad)
    return pair(kernel), pair(kernel if stride is None else stride), (rows, rows, cols, cols)


def _pooled(sig: Sig, kernel: Pair, stride: Pair, pad: Pads, ceil: bool) -> Facts:
    out = slide(sig, kernel, stride, pad, ceil=ceil)
    window = Window(kernel, stride, (pad[0], pad[2]))
    return Facts(out, ops=out.elements * kernel[0] * kernel[1], window=window)


def _arguments(kernel: int | Pair, stride: int | Pair | None, pad: int | Pair, ceil: bool) -> dict[str, object]:
    size, step, (rows, _, cols, _) = _geometry(kernel, stride, pad)
    return {"kernel_size": size, "stride": step, "padding": (rows, cols), "ceil_mode": ceil}


NODES = (Pool, AvgPool, PoolTo)
