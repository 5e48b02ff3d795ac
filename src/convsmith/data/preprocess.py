"""The one way from an image to a network's input, shared by training, prediction and the exported model.

Short side to `side` (bilinear, antialiased), centre crop to `side` x `side`, then (x / 255 - mean) / std per channel.
Users of other tools lose accuracy because this step is not in the file; ours travels with every run and in the ONNX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from convsmith.spec.errors import DataError

CHUNK = 1 << 20
"""Values normalised at a time on a CPU."""


@dataclass(frozen=True)
class Preprocess:
    """`side` in pixels; `mean` and `std` per channel, on the 0..1 scale."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.side < 1 or len(self.mean) != len(self.std) or not self.mean or min(self.std) <= 0:
            raise DataError(f"preprocessing needs side >= 1 and one positive std per channel, got {self}")

    @property
    def channels(self) -> int:
        """Channels that the network reads."""
        return len(self.mean)

    def resize(self, image: torch.Tensor) -> torch.Tensor:
        """uint8 (N, C, H, W) -> uint8 (N, C, side, side); the identity where the size already fits."""
        height, width = image.shape[-2:]
        if (height, width) == (self.side, self.side):
            return image
        rows, cols = cover(height, width, self.side)
        grown = F.interpolate(image.float(), size=(rows, cols), mode="bilinear", antialias=True)
        top, left = (rows - self.side) // 2, (cols - self.side) // 2
        crop = grown[..., top : top + self.side, left : left + self.side]
        return crop.round().clamp(0, 255).to(torch.uint8)

    def normalise(self, image: torch.Tensor) -> torch.Tensor:
        """uint8 or float 0..255 (N, C, side, side) -> float32 of the same shape, zero mean and unit deviation."""
        if image.device.type == "cpu" and image.dtype == torch.uint8:
            return _normalised(image, torch.tensor(self.mean), torch.tensor(self.std))
        mean = torch.tensor(self.mean, device=image.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=image.device).view(-1, 1, 1)
        return (image.float() / 255 - mean) / std

    def to_json(self) -> dict[str, Any]:
        """Plain data, as stored in a run and in an exported model."""
        return {"side": self.side, "mean": list(self.mean), "std": list(self.std), "fit": "short side, centre crop"}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Preprocess:
        """Inverse of `to_json`."""
        return Preprocess(int(data["side"]), tuple(data["mean"]), tuple(data["std"]))


def _normalised(image: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """The same numbers, bit for bit, a few images at a time so that they stay in the processor's cache.

    Where channels lie side by side, a row of pixels is one vector, and so are its means.
    """
    out = torch.empty_like(image, dtype=torch.float32)
    source, target = image, out
    mean, std = mean.view(-1, 1, 1), std.view(-1, 1, 1)
    if image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous():
        count, channels, height, width = image.shape
        source, target = (t.permute(0, 2, 3, 1).view(count, height, width * channels) for t in (image, out))
        mean, std = mean.flatten().repeat(width), std.flatten().repeat(width)
    step = max(1, CHUNK // max(1, image[:1].numel()))
    for start in range(0, len(image), step):
        part = target[start : start + step]
        part.copy_(source[start : start + step]).div_(255).sub_(mean).div_(std)
    return out


def cover(height: int, width: int, side: int) -> tuple[int, int]:
    """Size (rows, columns) at which the short side is `side` and the aspect ratio is kept, rounded half up."""
    short = min(height, width)
    return (2 * height * side + short) // (2 * short), (2 * width * side + short) // (2 * short)


def statistics(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel on the 0..1 scale; uint8 (N, C, H, W). A constant channel gets std 1.

    From a histogram of the 256 levels: exact, and with little memory beside the images' own.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in range(images.shape[1]):
        counts = torch.zeros(256, dtype=torch.int64)
        for start in range(0, len(images), 4096):
            block = images[start : start + 4096, channel]
            counts += torch.bincount(block.flatten().cpu(), minlength=256)
        share = counts.double() / counts.sum()
        average = (share * levels).sum()
        mean.append(round(float(average), 4))
        std.append(round(float((share * (levels - average) ** 2).sum().sqrt()), 4) or 1.0)
    return tuple(mean), tuple(std)
