"""Normalisation across a batch and across neighbouring channels, and the learned scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.node import Category, Facts, Layer, Torch, Weight, facts, numbers, positive
from convsmith.spec.signature import Sig


@dataclass(frozen=True)
class Norm(Layer):
    """Batch normalisation (Ioffe & Szegedy 2015): weight * (x - mean) / sqrt(var + eps) + bias, per channel.

    `momentum` is torch's: the share of the new batch in the running statistics (TensorFlow's 0.99 is 0.01 here).
    In evaluation it is one multiplication and one addition per element: 2 operations.
    """

    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    kind: ClassVar[str] = "norm"
    category: ClassVar[Category] = "normalisation"

    def __post_init__(self) -> None:
        numbers(self, eps=self.eps, momentum=self.momentum)
        if not self.eps > 0 or not 0 <= self.momentum <= 1:
            raise SpecError(f"norm: eps must be above 0 and momentum between 0 and 1, got {self.eps}, {self.momentum}")

    def infer(self, sig: Sig) -> Facts:
        size = (sig.channels,)
        learned = (Weight("weight", size), Weight("bias", size)) if self.affine else ()
        kept = (
            Weight("running_mean", size, trainable=False),
            Weight("running_var", size, trainable=False),
            Weight("num_batches_tracked", (), trainable=False),
        )
        return facts(sig, learned + kept, ops=2 * sig.elements)

    def torch(self, sig: Sig) -> Torch:
        name = "BatchNorm1d" if sig.flat else "BatchNorm2d"
        arguments = {"num_features": sig.channels, "eps": self.eps, "momentum": self.momentum, "affine": self.affine}
        return Torch(name, arguments)


@dataclass(frozen=True)
class LocalNorm(Layer):
    """Local response normalisation (Krizhevsky et al. 2012, section 3.3): x / (k + alpha * sum of x^2 over `size`
    maps)^beta.

    `alpha` is the paper's; torch's argument divides by `size`, which the built layer makes up for. Counted as
    size + 2 operations per element.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0
    kind: ClassVar[str] = "local_norm"
    category: ClassVar[Category] = "normalisation"

    def __post_init__(self) -> None:
        positive(self, size=self.size)
        numbers(self, alpha=self.alpha, beta=self.beta, k=self.k)

    def infer(self, sig: Sig) -> Facts:
        if sig.flat:
            raise ShapeError(f"local normalisation wants an image, got a flat vector of {sig.channels}")
        return Facts(sig, ops=(self.size + 2) * sig.elements)

    def torch(self, sig: Sig) -> Torch:
        alpha = self.alpha * self.size
        return Torch("LocalResponseNorm", {"size": self.size, "alpha": alpha, "beta": self.beta, "k": self.k})


@dataclass(frozen=True)
class Scale(Layer):
    """x * weight (+ bias), one number per channel, starting at `start`.

    LeNet's subsampling coefficients, LayerScale.
    """

    start: float = 1.0
    bias: bool = False
    kind: ClassVar[str] = "scale"
    category: ClassVar[Category] = "normalisation"

    def __post_init__(self) -> None:
        numbers(self, start=self.start)

    def infer(self, sig: Sig) -> Facts:
        weights = (Weight("weight", (sig.channels,)),) + ((Weight("bias", (sig.channels,)),) if self.bias else ())
        return facts(sig, weights, ops=(2 if self.bias else 1) * sig.elements)

    def torch(self, sig: Sig) -> Torch:
        return Torch("ChannelScale", {"channels": sig.channels, "start": self.start, "bias": self.bias})


NODES = (Norm, LocalNorm, Scale)
