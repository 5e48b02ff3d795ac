"""One layer's statistics, and the sums over batches that they come from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Depth:
    """One layer. `depth` counts convolutions and linear layers from 1, in order of execution, without auxiliary heads.

    mean, std     of the responses; `zeros`: the share of zeros, 0..1, after the activation that follows, None without
    weight_grad   norm of the loss's gradient by the layer's weight, None for a layer without one that trains
    weight_grad_rms  the same by weight: norm / sqrt(number of weights)
    output_grad   norm of the loss's gradient by the layer's output (all images of a batch), and `output_grad_rms`

    Of several batches: mean, and gradients as roots of mean squares over batches.
    """

    path: str
    depth: int
    kind: str
    mean: float
    std: float
    zeros: float | None
    weight_grad: float | None
    weight_grad_rms: float | None
    output_grad: float
    output_grad_rms: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


class Tally:
    """Sums over batches for one layer."""

    def __init__(self) -> None:
        self.batches = self.values = self.out_values = self.zeros_of = 0
        self.sum = self.squares = self.zeros = self.weight = self.out = 0.0

    def response(self, value: Tensor) -> None:
        """A batch's responses."""
        wide = value.double()
        self.values += value.numel()
        self.sum += float(wide.sum())
        self.squares += float(wide.square().sum())

    def zero(self, value: Tensor) -> None:
        """What a batch's activation lets through."""
        self.zeros_of += value.numel()
        self.zeros += int((value == 0).sum())

    def output(self, gradient: Tensor) -> None:
        """The gradient by a batch's outputs."""
        self.out_values += gradient.numel()
        self.out += float(gradient.double().square().sum())

    def row(self, path: str, depth: int, kind: str, weight: Tensor | None) -> Depth:
        """What the sums come to."""
        mean = self.sum / self.values
        norm = None if weight is None else sqrt(self.weight / self.batches)
        return Depth(
            path=path,
            depth=depth,
            kind=kind,
            mean=mean,
            std=sqrt(max(0.0, self.squares / self.values - mean**2)),
            zeros=self.zeros / self.zeros_of if self.zeros_of else None,
            weight_grad=norm,
            weight_grad_rms=None if norm is None or weight is None else norm / sqrt(weight.numel()),
            output_grad=sqrt(self.out / self.batches),
            output_grad_rms=sqrt(self.out / max(1, self.out_values)),
        )
