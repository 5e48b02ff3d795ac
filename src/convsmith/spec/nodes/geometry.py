"""Windows sliding over an image: padding rules and the output size floor((n + pads - reach) / stride) + 1."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple, NoReturn

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.node import Node
from convsmith.spec.signature import LARGEST_SIZE, Pair, Rational, Sig, exact, pair

Pads = tuple[int, int, int, int]
"""top, bottom, left, right"""

Pad = int | Pair | Pads | Literal["same"] | None
"""None keeps the size at stride 1 (odd kernels).

"same" is TensorFlow's: ceil(n / stride), the odd pixel at bottom right.
"""


NOWHERE = Sig(1, 1, 1)


class TooSmall(ShapeError):
    """The image is smaller than the window; the trace answers with the smallest side that works."""


def wants_image(who: str, sig: Sig) -> None:
    """Refuse a flat vector, and channels that are last."""
    if sig.flat:
        raise ShapeError(f"{who} wants an image, got a flat vector of {sig.channels}")
    if sig.last:
        raise ShapeError(f"{who} wants channels first, got channels last ({sig}); put ChannelsFirst before it")


def check_pad(node: Node, pad: object, *, same: bool = True) -> None:
    """Refuse what is not a `Pad`."""
    if pad is None or (same and pad == "same"):
        return
    items = pad if isinstance(pad, tuple) else (pad,)
    whole = all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i <= LARGEST_SIZE for i in items)
    if not whole or (isinstance(pad, tuple) and len(pad) not in (2, 4)):
        kinds = "an integer, (rows, cols) or (top, bottom, left, right)" + (' or "same"' if same else "")
        raise SpecError(f"{node.kind}: pad must be {kinds}, none of it negative, got {pad!r}")


def pads(pad: Pad, sig: Sig, kernel: Pair, stride: Pair, dilation: Pair) -> Pads:
    """Padding in pixels on the four sides for this input."""
    if pad is None:
        rows, cols = dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
        return rows, rows, cols, cols
    if isinstance(pad, str):
        top, bottom = same_pads(sig.rows, kernel[0], stride[0], dilation[0])
        left, right = same_pads(sig.cols, kernel[1], stride[1], dilation[1])
        return top, bottom, left, right
    if isinstance(pad, int):
        return pad, pad, pad, pad
    return pad if len(pad) == 4 else (pad[0], pad[0], pad[1], pad[1])


def same_pads(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """(before, after) so that the output has ceil(size / stride) pixels."""
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2


def slide(sig: Sig, kernel: Pair, stride: Pair, pad: Pads, dilation: Pair = (1, 1), *, ceil: bool = False) -> Sig:
    """Output signature with the input's channels. With `ceil` the last window may start inside the image or its
    leading pad.

    Raises TooSmall if the padded image is smaller than the window, ShapeError on a flat input.
    """
    rows, cols = slid(sig, kernel, stride, pad, dilation, ceil=ceil)
    return Sig(sig.channels, rows, cols, grow(sig, stride))


def slid(sig: Sig, kernel: Pair, stride: Pair, pad: Pads, dilation: Pair, *, ceil: bool = False) -> Pair:
    """`slide`, of which only rows and columns are wanted."""
    if sig.flat or sig.last:
        wants_image("a window", sig)
    if ceil:
        rows = _ceiled(sig.rows, kernel[0], stride[0], pad[0], pad[1], dilation[0])
        cols = _ceiled(sig.cols, kernel[1], stride[1], pad[2], pad[3], dilation[1])
    else:
        rows = (sig.rows + pad[0] + pad[1] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
        cols = (sig.cols + pad[2] + pad[3] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    if rows < 1 or cols < 1:
        too_small(sig, kernel, dilation)
    return rows, cols


def too_small(sig: Sig, kernel: Pair, dilation: Pair) -> NoReturn:
    """Refuse an image that the window does not fit in."""
    window = f"{kernel[0]}×{kernel[1]}" + (f" (dilation {dilation[0]})" if dilation != (1, 1) else "")
    raise TooSmall(f"the image is too small: {sig.rows}×{sig.cols} here, below the window of {window}")


class Slide(NamedTuple):
    """A sliding window, with what does not depend on the image worked out: (n + more) // stride + 1 pixels come out."""

    keeps: bool
    area: int
    down: int
    across: int
    more_rows: int
    more_cols: int


@cache
def sliding(kernel: int | Pair, stride: int | Pair, pad: Pad, dilation: int | Pair) -> Slide:
    """The window of a convolution; "same" padding, too, needs no image."""
    kernel, stride, dilation = pair(kernel), pair(stride), pair(dilation)
    if pad == "same":  # ceil(n / stride) = (n - 1) // stride + 1
        return Slide(stride == (1, 1), kernel[0] * kernel[1], *stride, -1, -1)
    top, bottom, left, right = pads(pad, NOWHERE, kernel, stride, dilation)
    more_rows = top + bottom - dilation[0] * (kernel[0] - 1) - 1
    more_cols = left + right - dilation[1] * (kernel[1] - 1) - 1
    keeps = stride == (1, 1) and more_rows == more_cols == -1
    return Slide(keeps, kernel[0] * kernel[1], *stride, more_rows, more_cols)


def _ceiled(size: int, kernel: int, stride: int, before: int, after: int, dilation: int) -> int:
    span = size + before + after - dilation * (kernel - 1) - 1  # torch lets one window hang over a smaller image
    count = -(-span // stride) + 1
    return count - 1 if (count - 1) * stride >= size + before else count


def grow(sig: Sig, stride: tuple[Rational, Rational]) -> tuple[Rational, Rational]:
    """Cumulative stride after a layer of this stride."""
    if stride == (1, 1):
        return sig.stride
    return exact(sig.stride[0] * stride[0]), exact(sig.stride[1] * stride[1])
