"""Layers that act in training alone and cost nothing afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.spec.node import Category, Facts, Layer, Torch, fraction
from convsmith.spec.signature import Sig

_new = tuple.__new__  # half the time of a named tuple's constructor


@dataclass(frozen=True)
class Regulariser(Layer):
    """Zeroes something with probability `rate` (not the probability to keep)."""

    rate: float
    category: ClassVar[Category] = "regularisation"

    def __post_init__(self) -> None:
        fraction(self, rate=self.rate)

    def infer(self, sig: Sig) -> Facts:
        return _new(Facts, (sig, sig[0] * sig[1] * sig[2], 0, 0, 0, 0, None, (sig,)))


@dataclass(frozen=True)
class Dropout(Regulariser):
    """Zero each element in training (Srivastava et al. 2014)."""

    rate: float = 0.5
    kind: ClassVar[str] = "dropout"

    def torch(self, sig: Sig) -> Torch:
        return Torch("Dropout", {"p": self.rate})


@dataclass(frozen=True)
class DropPath(Regulariser):
    """Zero a sample's whole branch in training: stochastic depth (Huang et al. 2016)."""

    rate: float = 0.1
    kind: ClassVar[str] = "drop_path"

    def torch(self, sig: Sig) -> Torch:
        return Torch("DropPath", {"rate": self.rate})


NODES = (Dropout, DropPath)
