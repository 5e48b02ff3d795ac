"""The factorised hierarchical space: a network is a table of rows, and each row chooses its layers for itself.

Tan et al. 2019, "MnasNet", section 4.1 and Fig. 4 (arXiv:1807.11626): layers inside a block are alike, blocks differ.
A row's choices are the convolution (`conv`, `separable`: depthwise and 1x1, or `mbconv3` and `mbconv6`: inverted
bottlenecks of expansion 3 and 6), the kernel, squeeze-excite's ratio (to the channels that enter), the skip (`pool`: a
3x3 mean of the input, `residual`: the input, `none`), layers and width. A skip is there where the channels are kept
(`residual`: and the size). Layers and widths are around a table's, as the paper's are around MobileNet v2's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from convsmith.search.spaces.chain import chain
from convsmith.search.spaces.choice import Choice, Settings, Value
from convsmith.search.spaces.segment import Segment
from convsmith.search.spaces.space import Space
from convsmith.spec import (
    BACK,
    AvgPool,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Linear,
    Node,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Sigmoid,
)
from convsmith.spec.errors import SpaceError, nearest
from convsmith.zoo.blocks import conv, norm
from convsmith.zoo.mnasnet import separable

OPS = ("conv", "separable", "mbconv3", "mbconv6")
SKIPS = ("none", "residual", "pool")


@dataclass(frozen=True)
class Options:
    """What a row chooses among, and its stride. Raises SpaceError for what cannot be."""

    stride: int
    layers: tuple[int, ...]
    width: tuple[int, ...]
    op: tuple[str, ...] = OPS
    kernel: tuple[int, ...] = (3, 5)
    se: tuple[float, ...] = (0, 0.25)
    skip: tuple[str, ...] = SKIPS

    def __post_init__(self) -> None:
        for column, known in (("op", OPS), ("skip", SKIPS)):
            for value in getattr(self, column):
                if value not in known:
                    raise SpaceError(f"{column} is of {', '.join(known)}, got {value!r}{nearest(str(value), known)}")
        whole = [("stride", (self.stride,)), ("layers", self.layers), ("width", self.width), ("kernel", self.kernel)]
        for column, values in whole:
            for value in values:
                if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                    raise SpaceError(f"{column} is an integer of at least 1, got {value!r}")
        for value in self.kernel:
            if value % 2 == 0:
                raise SpaceError(f"kernel is odd, so that sizes are kept, got {value}")
        for ratio in self.se:
            if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
                raise SpaceError(f"se is a share of the channels from 0 (none) to 1, got {ratio!r}")


@dataclass(frozen=True)
class Frame:
    """What stands around the rows: the stem's width and stride, the last 1x1's width, the dropout."""

    stem: int
    stride: int
    last: int
    rate: float = 0.2


def factorised(
    name: str, about: str, rows: Sequence[Options], frame: Frame, *, side: int, channels: int, classes: int
) -> Space:
    """The space of a table's rows, called block1, block2, ..., between a stem and a head."""
    choices, before = list[Choice](), ""
    segments = [Segment("stem", lambda _: _stem(frame))]
    for number, row in enumerate(rows, 1):
        block = f"block{number}"
        columns: dict[str, tuple[Value, ...]] = {
            column: getattr(row, column) for column in ("op", "kernel", "se", "skip", "layers", "width")
        }
        own = [Choice(f"{block}.{column}", options) for column, options in columns.items()]
        choices += own
        reads = (*(choice.name for choice in own), *([before] if before else []))
        node = partial(_block, block, row.stride, before, frame.stem)
        before = f"{block}.width"
        segments.append(Segment(block, node, reads, (before,)))
    segments.append(Segment("head", lambda _: _head(frame, classes)))
    return chain(name, about, choices, segments, side=side, channels=channels, classes=classes, init="mnasnet")


def _stem(frame: Frame) -> Seq:
    return Seq(conv(frame.stem, 3, frame.stride), norm(), Relu)


def _head(frame: Frame, classes: int) -> Seq:
    return Seq(
        conv=conv(frame.last), bn=norm(), relu=Relu, avgpool=PoolTo(1), flatten=Flatten,
        dropout=Dropout(frame.rate), fc=Linear(classes),
    )  # fmt: skip


def _block(block: str, stride: int, before: str, stem: int, settings: Settings) -> Seq:
    chosen = {name.partition(".")[2]: value for name, value in settings.items() if name.startswith(f"{block}.")}
    width, enters = int(chosen["width"]), int(settings[before]) if before else stem
    layers = int(chosen["layers"])
    first = _layer(chosen, enters, stride)
    return Seq(first, *([_layer(chosen, width, 1)] * (layers - 1) if layers > 1 else []))


def _layer(chosen: Settings, enters: int, stride: int) -> Node:
    """One layer of a block: what the row's choices make of `enters` channels."""
    width, kernel = int(chosen["width"]), int(chosen["kernel"])
    gate = _excite(enters, float(chosen["se"]))
    op, skip = str(chosen["op"]), chosen["skip"]
    if op == "conv":
        nodes: list[Node] = [conv(width, kernel, stride), norm(), Relu, *([] if gate is None else [gate])]
    else:
        expansion = int(op.removeprefix("mbconv")) if op != "separable" else 1
        expand = [conv(enters * expansion), norm(), Relu] if expansion > 1 else []
        nodes = [*expand, *separable(width, norm(), kernel, stride, gate)]
    body = Seq(layers=Seq(*nodes))
    if skip == "residual":
        return Residual(body)
    if skip == "pool" and enters == width:
        return Residual(body, Seq(pool=AvgPool(3, stride, 1)), when="always")
    return body


def _excite(enters: int, ratio: float) -> Node | None:
    if not ratio:
        return None
    squeezed = max(1, round(enters * ratio))
    return Gate(Seq(avgpool=PoolTo(1), fc1=Conv(squeezed), act=Relu, fc2=Conv(BACK), scale=Sigmoid))
