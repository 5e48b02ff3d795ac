"""Fully connected layers, and the radial-basis output of 1998."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.spec.errors import ShapeError
from convsmith.spec.node import Category, Facts, Layer, Torch, Weight, facts, note_relative, positive
from convsmith.spec.signature import Sig
from convsmith.spec.widths import Channels

_new = tuple.__new__  # half the time of a named tuple's constructor


@dataclass(frozen=True)
class Linear(Layer):
    """y = W x + b on a flat vector, or on each pixel with channels last; weight [out, in]; MACs = in * out * pixels."""

    out: Channels
    bias: bool = True
    kind: ClassVar[str] = "linear"
    category: ClassVar[Category] = "linear"
    widths: ClassVar[tuple[str, ...]] = ("out",)

    def __post_init__(self) -> None:
        note_relative(self)
        positive(self, out=self.out)

    def infer(self, sig: Sig) -> Facts:
        assert isinstance(self.out, int)  # the trace resolves relative widths first
        channels, rows, cols, *rest = sig
        if not sig.last:
            _flat(sig, "a linear layer")
        elements, params = self.out * rows * cols, self.out * (channels + self.bias)
        made = _new(Sig, (self.out, rows, cols, *rest))
        return _new(Facts, (made, elements, channels * elements, 0, params, 0, self, (sig,)))

    def weights(self, sig: Sig) -> tuple[Weight, ...]:
        assert isinstance(self.out, int)  # the trace resolves relative widths first
        weight = Weight("weight", (self.out, sig.channels))
        return (weight, Weight("bias", (self.out,))) if self.bias else (weight,)

    def torch(self, sig: Sig) -> Torch:
        return Torch("Linear", {"in_features": sig.channels, "out_features": self.out, "bias": self.bias})


@dataclass(frozen=True)
class Rbf(Layer):
    """y[j] = -|x - w[j]|^2 with fixed codes w of +1 and -1 (LeCun et al. 1998, Eq. 7; the sign makes it a logit).

    Nothing here is trained; the codes are a buffer [out, in]. Counted as 3 operations a code bit, no MACs.
    """

    out: int
    kind: ClassVar[str] = "rbf"
    category: ClassVar[Category] = "linear"

    def __post_init__(self) -> None:
        positive(self, out=self.out)

    def infer(self, sig: Sig) -> Facts:
        _flat(sig, "a radial-basis layer")
        codes = Weight("weight", (self.out, sig.channels), trainable=False)
        return facts((sig,), sig._replace(channels=self.out), (codes,), ops=3 * self.out * sig.channels)

    def torch(self, sig: Sig) -> Torch:
        return Torch("Rbf", {"in_features": sig.channels, "out_features": self.out})


def _flat(sig: Sig, who: str) -> None:
    if not sig.flat:
        raise ShapeError(f"{who} wants a flat vector, got an image of {sig}; put Flatten before it")


NODES = (Linear, Rbf)
