"""Tiled convolution: weights are tied only between units `period` steps apart.

Le, Ngiam, Chen, Chia, Koh & Ng 2010, "Tiled convolutional neural networks" (NIPS 23, pages 1279 to 1287), whose k is
`period` here. Neighbours learn kernels of their own, so that pooling over them can be invariant to more than shifts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
from convsmith.spec.nodes.geometry import Pad, check_pad, pads, slide
from convsmith.spec.signature import Pair, Sig, pair
from convsmith.spec.widths import Channels

STEP = (1, 1)
"""Stride and dilation of a tiled convolution."""


@dataclass(frozen=True)
class TiledConv(Layer):
    """y[:, r, c] = conv_p(x)[:, r, c] of stride 1, p = (r mod t) * t + c mod t, t = `period`: t * t kernels alternate.

    Weight [t * t * out, in, kh, kw], bias [t * t * out]: kernel p has rows p * out up to (p + 1) * out. MACs = out * in
    * kh * kw * rows * cols of the output, as `Conv` has. t = 1 is `Conv`; from t = max(rows, cols) on nothing is shared
    (a locally connected layer), and a kernel whose p no unit has is counted but never used.
    """

    out: Channels
    kernel: int | Pair = 3
    period: int = 2
    pad: Pad = None
    bias: bool = False

    kind: ClassVar[str] = "tiled_conv"
    category: ClassVar[Category] = "convolution"
    widths: ClassVar[tuple[str, ...]] = ("out",)

    def __post_init__(self) -> None:
        note_relative(self)
        positive(self, out=self.out, period=self.period)
        positive_pairs(self, kernel=self.kernel)
        check_pad(self, self.pad)

    def infer(self, sig: Sig) -> Facts:
        assert isinstance(self.out, int)  # the trace resolves relative widths first
        kernel = pair(self.kernel)
        pad = pads(self.pad, sig, kernel, STEP, STEP)
        image = slide(sig, kernel, STEP, pad)._replace(channels=self.out)
        kernels = self.period**2 * self.out
        bias = (Weight("bias", (kernels,)),) if self.bias else ()
        weights = (Weight("weight", (kernels, sig.channels, *kernel)), *bias)
        macs = image.elements * sig.channels * kernel[0] * kernel[1]
        return facts((sig,), image, weights, macs=macs, window=Window(kernel, pad=(pad[0], pad[2])))

    def torch(self, sig: Sig) -> Torch:
        kernel = pair(self.kernel)
        return Torch(
            "TiledConv2d",
            {
                "in_channels": sig.channels,
                "out_channels": self.out,
                "kernel_size": kernel,
                "period": self.period,
                "pads": pads(self.pad, sig, kernel, STEP, STEP),
                "bias": self.bias,
            },
        )


NODES = (TiledConv,)
