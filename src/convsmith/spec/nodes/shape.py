"""Layers that only move or pad numbers: flatten, permute, channel shuffle, shift, zero channels, a slice of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.node import Category, Facts, Layer, Torch, Window, facts, note_relative, positive
from convsmith.spec.nodes.geometry import TooSmall, wants_image
from convsmith.spec.signature import Sig
from convsmith.spec.widths import Channels


@dataclass(frozen=True)
class FlattenLayer(Layer):
    """(N, C, H, W) -> (N, C * H * W); write `Flatten`."""

    kind: ClassVar[str] = "flatten"
    category: ClassVar[Category] = "shape"

    def infer(self, sig: Sig) -> Facts:
        elements = sig.elements
        return Facts(Sig(elements, 1, 1, sig.stride, flat=True), elements, entering=(sig,))

    def torch(self, sig: Sig) -> Torch:
        return Torch("Flatten", {})


Flatten = FlattenLayer()


@dataclass(frozen=True)
class Shuffle(Layer):
    """Channel shuffle (Zhang et al. 2018, Fig. 1): channel g * n + i moves to i * groups + g."""

    groups: int
    kind: ClassVar[str] = "shuffle"
    category: ClassVar[Category] = "shape"

    def __post_init__(self) -> None:
        positive(self, groups=self.groups)

    def infer(self, sig: Sig) -> Facts:
        wants_image("channel shuffle", sig)
        if sig.channels % self.groups:
            raise ShapeError(f"{sig.channels} channels do not divide into {self.groups} groups to shuffle")
        return facts((sig,), sig)

    def torch(self, sig: Sig) -> Torch:
        return Torch("ChannelShuffle", {"groups": self.groups})


@dataclass(frozen=True)
class ZeroChannels(Layer):
    """Append channels of zeros up to `to`: the parameter-free shortcut A of He et al. 2015."""

    to: Channels
    kind: ClassVar[str] = "zero_channels"
    category: ClassVar[Category] = "shape"
    widths: ClassVar[tuple[str, ...]] = ("to",)

    def __post_init__(self) -> None:
        note_relative(self)
        positive(self, to=self.to)

    def infer(self, sig: Sig) -> Facts:
        assert isinstance(self.to, int)  # the trace resolves relative widths first
        _first(self, sig)
        if self.to < sig.channels:
            raise ShapeError(f"zero channels can only be added: {sig.channels} enter, {self.to} are wanted")
        return facts((sig,), sig._replace(channels=self.to))

    def torch(self, sig: Sig) -> Torch:
        assert isinstance(self.to, int)
        return Torch("ZeroChannels", {"extra": self.to - sig.channels})


@dataclass(frozen=True)
class Slice(Layer):
    """Part `index` of `parts` equal parts of the channels; `Split` places it."""

    index: int
    parts: int
    kind: ClassVar[str] = "slice"
    category: ClassVar[Category] = "shape"

    def __post_init__(self) -> None:
        positive(self, parts=self.parts)
        if not 0 <= self.index < self.parts:
            raise SpecError(f"slice: index must be between 0 and {self.parts - 1}, got {self.index!r}")

    def infer(self, sig: Sig) -> Facts:
        _first(self, sig)
        if sig.channels % self.parts:
            raise ShapeError(f"{sig.channels} channels do not split into {self.parts} equal parts")
        return facts((sig,), sig._replace(channels=sig.channels // self.parts))

    def torch(self, sig: Sig) -> Torch:
        size = sig.channels // self.parts
        return Torch("ChannelSlice", {"start": self.index * size, "stop": (self.index + 1) * size})


@dataclass(frozen=True)
class Shift(Layer):
    """The image moved up and left by `pixels`, zeros coming in at bottom and right.

    NASNet's factorised reduction takes every second pixel of the image and of the shifted image.
    """

    pixels: int = 1
    kind: ClassVar[str] = "shift"
    category: ClassVar[Category] = "shape"

    def __post_init__(self) -> None:
        positive(self, pixels=self.pixels)

    def infer(self, sig: Sig) -> Facts:
        wants_image("a shift", sig)
        if self.pixels >= min(sig.rows, sig.cols):
            raise TooSmall(f"the image is too small: {sig.rows}×{sig.cols} here, all of which a shift would move out")
        return facts((sig,), sig, window=Window((1, 1), pad=(-self.pixels, -self.pixels)))

    def torch(self, sig: Sig) -> Torch:
        return Torch("Shift", {"pixels": self.pixels})


@dataclass(frozen=True)
class Permute(Layer):
    """Channels to the last axis (`ChannelsLast`) or back to the first (`ChannelsFirst`)."""

    last: bool
    kind: ClassVar[str] = "permute"
    category: ClassVar[Category] = "shape"

    @property
    def label(self) -> str:
        return "channels_last" if self.last else "channels_first"

    def infer(self, sig: Sig) -> Facts:
        if sig.flat or sig.last is self.last:
            raise ShapeError(f"{self.label}: {sig} is not an image with channels {'first' if self.last else 'last'}")
        return facts((sig,), sig._replace(last=self.last))

    def torch(self, sig: Sig) -> Torch:
        return Torch("Permute", {"dims": (0, 2, 3, 1) if self.last else (0, 3, 1, 2)})


ChannelsLast, ChannelsFirst = Permute(True), Permute(False)


def _first(node: Layer, sig: Sig) -> None:
    if sig.last:
        raise ShapeError(f"{node.kind} wants channels first, got channels last ({sig}); put ChannelsFirst before it")


NODES = (FlattenLayer, Shuffle, ZeroChannels, Slice, Shift, Permute)
