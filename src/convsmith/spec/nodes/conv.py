"""Convolutions: plain, grouped, depthwise, dilated, asymmetric (`Conv`), transposed, and by connection table."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.node import (
    Category,
    Facts,
    Layer,
    Torch,
    Weight,
    Window,
    facts,
    note_relative,
    positive,
    positive_pairs,
)
from convsmith.spec.nodes.geometry import Pad, Slide, check_pad, grow, pads, slide, sliding, too_small, wants_image
from convsmith.spec.signature import Pair, Sig, exact, pair
from convsmith.spec.widths import Channels

_new = tuple.__new__  # half the time of a named tuple's constructor


@dataclass(frozen=True)
class Conv(Layer):
    """y[o] = bias[o] + sum over the group's inputs of weight[o, i] * x[i]; weight [out, in / groups, kh, kw].

    MACs = out * (in / groups) * kh * kw * rows * cols of the output.
    """

    out: Channels
    kernel: int | Pair = 1
    stride: int | Pair = 1
    pad: Pad = None
    dilation: int | Pair = 1
    groups: Channels = 1
    bias: bool = True
    slide: ClassVar[Slide]
    """Each instance's own: derived, so no field."""

    kind: ClassVar[str] = "conv"
    category: ClassVar[Category] = "convolution"
    widths: ClassVar[tuple[str, ...]] = ("out", "groups")

    def __post_init__(self) -> None:
        note_relative(self)
        positive(self, out=self.out, groups=self.groups)
        positive_pairs(self, kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        check_pad(self, self.pad)
        object.__setattr__(self, "slide", sliding(self.kernel, self.stride, self.pad, self.dilation))

    def infer(self, sig: Sig) -> Facts:
        out: Any = self.out
        groups: Any = self.groups
        if self.relative:
            out, groups = _whole(out), _whole(groups)
        channels, rows, cols, stride, flat, last, _ = sig
        keeps, area, down, across, more_rows, more_cols = self.slide
        if flat or last:
            wants_image("a window", sig)
        if groups != 1 and (channels % groups or out % groups):
            raise ShapeError(f"{channels} channels to {out} do not divide into {groups} groups")
        if not keeps:
            rows, cols = (rows + more_rows) // down + 1, (cols + more_cols) // across + 1
            if rows < 1 or cols < 1:
                too_small(sig, pair(self.kernel), pair(self.dilation))
            stride = grow(sig, (down, across))
        size, pixels = out * (channels // groups) * area, rows * cols
        made = _new(Sig, (out, rows, cols, stride, False, False, None))
        params = size + out if self.bias else size
        return _new(Facts, (made, out * pixels, size * pixels, 0, params, 0, self, (sig,)))

    def weights(self, sig: Sig) -> tuple[Weight, ...]:
        weight = Weight("weight", (_whole(self.out), sig.channels // _whole(self.groups), *pair(self.kernel)))
        return (weight, Weight("bias", (_whole(self.out),))) if self.bias else (weight,)

    def window(self, sig: Sig) -> Window:
        kernel, stride, dilation = pair(self.kernel), pair(self.stride), pair(self.dilation)
        top, _, left, _ = pads(self.pad, sig, kernel, stride, dilation)
        return Window(kernel, stride, (top, left), dilation)

    def torch(self, sig: Sig) -> Torch:
        kernel, stride, dilation = pair(self.kernel), pair(self.stride), pair(self.dilation)
        top, bottom, left, right = pads(self.pad, sig, kernel, stride, dilation)
        arguments = {
            "in_channels": sig.channels,
            "out_channels": self.out,
            "kernel_size": kernel,
            "stride": stride,
            "dilation": dilation,
            "groups": self.groups,
            "bias": self.bias,
        }
        if self.pad == "same":
            return Torch("SameConv2d", arguments)
        if (top, left) != (bottom, right):
            return Torch("PaddedConv2d", arguments | {"pads": (top, bottom, left, right)})
        return Torch("Conv2d", arguments | {"padding": (top, left)})


@dataclass(frozen=True)
class ConvTranspose(Layer):
    """The gradient of a convolution as a layer (DCGAN's generator); weight [in, out / groups, kh, kw].

    Output size (n - 1) * stride - 2 * pad + dilation * (kernel - 1) + extra + 1; each input unit is multiplied by the
    whole kernel, so MACs = in * (out / groups) * kh * kw * rows * cols of the *input*.
    """

    out: Channels
    kernel: int | Pair
    stride: int | Pair = 1
    pad: int | Pair = 0
    extra: int | Pair = 0
    dilation: int | Pair = 1
    groups: Channels = 1
    bias: bool = True

    kind: ClassVar[str] = "conv_transpose"
    category: ClassVar[Category] = "convolution"
    widths: ClassVar[tuple[str, ...]] = ("out", "groups")

    def __post_init__(self) -> None:
        note_relative(self)
        positive(self, out=self.out, groups=self.groups)
        positive_pairs(self, kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        for pad in (self.pad, self.extra):
            if not isinstance(pad, int | tuple) or (isinstance(pad, tuple) and len(pad) != 2):
                raise SpecError(f"{self.kind}: pad and extra are an integer or (rows, cols), got {pad!r}")
            check_pad(self, pad, same=False)
        steps = zip(pair(self.extra), pair(self.stride), pair(self.dilation), strict=True)
        if any(extra >= max(stride, dilation) for extra, stride, dilation in steps):
            raise SpecError(f"{self.kind}: extra must be below the stride or the dilation, got {self.extra!r}")

    def infer(self, sig: Sig) -> Facts:
        out, groups = _whole(self.out), _whole(self.groups)
        wants_image("a transposed convolution", sig)
        if sig.channels % groups or out % groups:
            raise ShapeError(f"{sig.channels} channels to {out} do not divide into {groups} groups")
        kernel, stride, dilation, pad = pair(self.kernel), pair(self.stride), pair(self.dilation), pair(self.pad)
        extra = pair(self.extra)
        rows, cols = (
            (size - 1) * stride[axis] - 2 * pad[axis] + dilation[axis] * (kernel[axis] - 1) + extra[axis] + 1
            for axis, size in enumerate((sig.rows, sig.cols))
        )
        if rows < 1 or cols < 1:
            raise ShapeError(f"padding of {pad[0]}×{pad[1]} leaves nothing of a {sig.rows}×{sig.cols} image")
        weight = (sig.channels, out // groups, *kernel)
        weights = (Weight("weight", weight), Weight("bias", (out,))) if self.bias else (Weight("weight", weight),)
        step = (exact(Fraction(1, stride[0])), exact(Fraction(1, stride[1])))
        macs = sig.channels * weight[1] * kernel[0] * kernel[1] * sig.rows * sig.cols
        # at stride 1 it is a convolution with the complementary padding, and is seen as one
        lead = tuple(p if s > 1 else d * (k - 1) - p for p, s, d, k in zip(pad, stride, dilation, kernel, strict=True))
        window = Window(kernel, step, (lead[0], lead[1]), dilation)
        return facts((sig,), Sig(out, rows, cols, grow(sig, step)), weights, macs=macs, window=window)

    def torch(self, sig: Sig) -> Torch:
        return Torch(
            "ConvTranspose2d",
            {
                "in_channels": sig.channels,
                "out_channels": self.out,
                "kernel_size": pair(self.kernel),
                "stride": pair(self.stride),
                "padding": pair(self.pad),
                "output_padding": pair(self.extra),
                "groups": self.groups,
                "bias": self.bias,
                "dilation": pair(self.dilation),
            },
        )


@dataclass(frozen=True)
class TableConv(Layer):
    """A convolution in which output map o sees only the input maps in `table[o]` (LeCun et al. 1998, Table I).

    One kernel per connection: weight [connections, kh, kw], bias [out]. MACs = connections * kh * kw * rows * cols.
    """

    table: tuple[tuple[int, ...], ...]
    kernel: int | Pair
    kind: ClassVar[str] = "table_conv"
    category: ClassVar[Category] = "convolution"

    def __post_init__(self) -> None:
        positive_pairs(self, kernel=self.kernel)
        rows = self.table if isinstance(self.table, tuple) else ()
        if not rows or not all(isinstance(row, tuple) and row and len(set(row)) == len(row) for row in rows):
            raise SpecError(f"{self.kind}: each output map needs at least one input map, each named once")
        if any(type(i) is not int or i < 0 for row in rows for i in row):
            raise SpecError(f"{self.kind}: input maps are numbered from 0 by integers")

    @property
    def connections(self) -> int:
        """How many (input map, output map) pairs are connected."""
        return sum(map(len, self.table))

    def infer(self, sig: Sig) -> Facts:
        highest = max(map(max, self.table))
        if highest >= sig.channels:
            raise ShapeError(f"the connection table names input map {highest}, but only {sig.channels} maps enter")
        kernel = pair(self.kernel)
        image = slide(sig, kernel, (1, 1), (0, 0, 0, 0))
        weights = (Weight("weight", (self.connections, *kernel)), Weight("bias", (len(self.table),)))
        macs = self.connections * kernel[0] * kernel[1] * image.rows * image.cols
        return facts((sig,), image._replace(channels=len(self.table)), weights, macs=macs, window=Window(kernel))

    def torch(self, sig: Sig) -> Torch:
        return Torch(
            "TableConv2d", {"in_channels": sig.channels, "table": self.table, "kernel_size": pair(self.kernel)}
        )


def _whole(width: Channels) -> int:
    if isinstance(width, int):
        return width
    raise SpecError(f"width {width.of.upper()} was not resolved; trace the layer inside a network")


NODES = (Conv, ConvTranspose, TableConv)
