"""Normalisation across a batch, across neighbouring channels and across all of them, and scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.spec.errors import ShapeError, SpecError
from convsmith.spec.node import Category, Facts, Layer, Torch, Weight, facts, numbers, positive
from convsmith.spec.nodes.geometry import wants_image
from convsmith.spec.signature import Sig

COUNTER = Weight("num_batches_tracked", (), trainable=False)

_new = tuple.__new__  # half the time of a named tuple's constructor


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
        channels, rows, cols, _, _, last, _ = sig
        if last:
            raise ShapeError(f"batch normalisation wants channels first, got {sig}; put ChannelsFirst before it")
        elements, twice = channels * rows * cols, 2 * channels
        return _new(Facts, (sig, elements, 0, 2 * elements, twice if self.affine else 0, twice + 1, self, (sig,)))

    def weights(self, sig: Sig) -> tuple[Weight, ...]:
        size = (sig.channels,)
        learned = (Weight("weight", size), Weight("bias", size)) if self.affine else ()
        return (*learned, Weight("running_mean", size, False), Weight("running_var", size, False), COUNTER)

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
        wants_image("local normalisation", sig)
        return facts((sig,), sig, ops=(self.size + 2) * sig.elements)

    def torch(self, sig: Sig) -> Torch:
        alpha = self.alpha * self.size
        return Torch("LocalResponseNorm", {"size": self.size, "alpha": alpha, "beta": self.beta, "k": self.k})


@dataclass(frozen=True)
class Scale(Layer):
    """x * weight (+ bias), one number per channel, starting at `start`.

    LeNet's subsampling coefficients.
    """

    start: float = 1.0
    bias: bool = False
    kind: ClassVar[str] = "scale"
    category: ClassVar[Category] = "normalisation"

    def __post_init__(self) -> None:
        numbers(self, start=self.start)

    def infer(self, sig: Sig) -> Facts:
        if sig.last:
            raise ShapeError(f"a scale wants channels first, got {sig}; put ChannelsFirst before it")
        weights = (Weight("weight", (sig.channels,)),) + ((Weight("bias", (sig.channels,)),) if self.bias else ())
        return facts((sig,), sig, weights, ops=(2 if self.bias else 1) * sig.elements)

    def torch(self, sig: Sig) -> Torch:
        return Torch("ChannelScale", {"channels": sig.channels, "start": self.start, "bias": self.bias})


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalisation (Ba et al. 2016) over the channels of each pixel, wherever the channels are.

    weight * (x - mean) / sqrt(var + eps) + bias; counted as 5 operations per element, as mean and variance are
    computed anew.
    """

    eps: float = 1e-5
    kind: ClassVar[str] = "layer_norm"
    category: ClassVar[Category] = "normalisation"

    def __post_init__(self) -> None:
        numbers(self, eps=self.eps)
        if not self.eps > 0:
            raise SpecError(f"layer_norm: eps must be above 0, got {self.eps}")

    def infer(self, sig: Sig) -> Facts:
        size = (sig.channels,)
        return facts((sig,), sig, (Weight("weight", size), Weight("bias", size)), ops=5 * sig.elements)

    def torch(self, sig: Sig) -> Torch:
        first = not (sig.flat or sig.last)
        return Torch("ChannelNorm" if first else "LayerNorm", {"normalized_shape": sig.channels, "eps": self.eps})


@dataclass(frozen=True)
class LayerScale(Layer):
    """x * w, one learned number per channel, starting at `start` (Touvron et al. 2021, "Going deeper").

    A parameter of its container and no module: its state-dict key is its path, its shape [channels, 1, 1].
    """

    start: float = 1e-6
    kind: ClassVar[str] = "layer_scale"
    category: ClassVar[Category] = "normalisation"

    def __post_init__(self) -> None:
        numbers(self, start=self.start)

    def infer(self, sig: Sig) -> Facts:
        wants_image("a layer scale", sig)
        return facts((sig,), sig, (Weight("", (sig.channels, 1, 1)),), ops=sig.elements)

    def torch(self, sig: Sig) -> Torch:
        return Torch("layer_scale", {"channels": sig.channels, "start": self.start})


@dataclass(frozen=True)
class Times(Layer):
    """x * by, a fixed number: Inception-ResNet's residuals are scaled by 0.1 to 0.3 (Szegedy et al. 2016, 3.3)."""

    by: float
    kind: ClassVar[str] = "times"
    category: ClassVar[Category] = "normalisation"

    def __post_init__(self) -> None:
        numbers(self, by=self.by)

    def infer(self, sig: Sig) -> Facts:
        return facts((sig,), sig, ops=sig.elements)

    def torch(self, sig: Sig) -> Torch:
        return Torch("Times", {"by": self.by})


NODES = (Norm, LocalNorm, LayerNorm, Scale, LayerScale, Times)
