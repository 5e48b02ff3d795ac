"""The principal components of the colours of a set of images, as data that a run stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsmith.spec.errors import DataError

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Lighting:
    """Eigenvalues of the covariance of RGB on the 0..1 scale, largest first, and as many unit eigenvectors.

    vectors[i] is the direction in RGB of values[i]. Its sign is as good as its opposite: the noise is symmetric.
    """

    values: Vector
    vectors: tuple[Vector, Vector, Vector]

    def __post_init__(self) -> None:
        if len(self.values) != 3 or len(self.vectors) != 3 or any(len(vector) != 3 for vector in self.vectors):
            raise DataError(f"lighting takes three values and three vectors of three, got {self}")

    @staticmethod
    def of(images: Tensor) -> Lighting:
        """Of all the pixels of uint8 (N, 3, H, W), exactly; rounded to six places, so that it prints and stores well.

        Raises DataError for other than three channels.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise DataError(
                f"lighting is of RGB images (N, 3, H, W), got {tuple(images.shape)}; leave colour_noise at 0"
            )
        count, total, products = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
        step = max(1, (1 << 22) // images[:1].numel())
        for block in torch.split(images, step):
            pixels = block.cpu().double().transpose(0, 1).flatten(1)  # (3, pixels); sums of whole numbers are exact
            count, total, products = count + pixels.shape[1], total + pixels.sum(1), products + pixels @ pixels.T
        mean = total / count
        covariance = (products / count - mean[:, None] * mean) / 255**2
        values, columns = torch.linalg.eigh(covariance)  # smallest first
        rounded = [[round(float(x), 6) for x in row] for row in (values.flip(0), *columns.T.flip(0))]
        return Lighting.from_json({"values": rounded[0], "vectors": rounded[1:]})

    def to_json(self) -> dict[str, Any]:
        """Plain data, as stored in a run."""
        return {"values": list(self.values), "vectors": [list(vector) for vector in self.vectors]}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Lighting:
        """Inverse of `to_json`. Raises DataError for other than three values and three vectors."""
        vectors = [tuple(float(x) for x in vector) for vector in data["vectors"]]
        return Lighting(tuple(float(x) for x in data["values"]), tuple(vectors))  # type: ignore[arg-type]


IMAGENET = Lighting(
    (0.2175, 0.0188, 0.0045),
    ((-0.5675, -0.5808, -0.5836), (0.7192, -0.0045, -0.6948), (0.4009, -0.8140, 0.4203)),
)
"""ImageNet's, as fb.resnet.torch published them and others copied; what training images give differs somewhat."""
