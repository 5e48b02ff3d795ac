"""The parity gate: the exported model answers as the network it came from, or it is not written.

At the network's own size the two differ by float round-off alone, and that is held to a tolerance. At other sizes the
resize comes in: a grey level within round-off of a half may round the other way, one level in a few pixels, so that
difference is measured and reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from convsmith.data.preprocess import Preprocess
from convsmith.deploy.session import Floats, batches, run
from convsmith.nn.modules import Net
from convsmith.spec.errors import ExportError

RANDOM_IMAGES = 8


@dataclass(frozen=True)
class Parity:
    """How far the runtime's logits are from torch's, over batches of 1, 2 and all `images`.

    `scale` is torch's largest logit, counted from the middle of its image's logits: what is common to all classes
    changes no answer, so an error may not hide behind it. `top1_agreement` is 0..1.
    """

    max_abs_logit_difference: float
    resized_max_abs_logit_difference: float
    scale: float
    top1_agreement: float
    images: int

    def hold(self, tolerance: float, name: str) -> None:
        """Raises ExportError beyond `tolerance` x max(1, `scale`), or where a difference is not a number."""
        limit, same = tolerance * max(1.0, self.scale), f"{self.top1_agreement:.1%} of {self.images} images"
        if not self.max_abs_logit_difference <= limit or not np.isfinite(self.resized_max_abs_logit_difference):
            raise ExportError(
                f"{name}: ONNX Runtime's logits are up to {self.max_abs_logit_difference:.3g} from torch's, "
                f"wanted {limit:.3g} (same top-1 for {same}), so nothing was written"
            )


def measure(session: Any, net: Net, preprocess: Preprocess, images: torch.Tensor) -> Parity:
    """Compare a session with `net` (in evaluation mode on the CPU) on uint8 images (N, C, H, W) of any size."""
    native = _resized(preprocess, images)
    wanted = _torch_logits(net, preprocess, native)
    got = run(session, native, "logits")
    differences = [_distance(got, wanted)]
    for batch in (1, 2):
        differences.append(_distance(run(session, native[:batch], "logits"), wanted[:batch]))
    others = [_enlarged(native[:RANDOM_IMAGES])] + ([images] if images.shape != native.shape else [])
    resized = [
        _distance(run(session, other, "logits"), _torch_logits(net, preprocess, _resized(preprocess, other)))
        for other in others
    ]
    agreement = float((got.argmax(1) == wanted.argmax(1)).mean())
    scale = float(np.ptp(wanted, axis=1).max()) / 2
    return Parity(max(differences), max(resized), scale, agreement, len(images))


def random_images(preprocess: Preprocess) -> torch.Tensor:
    """uint8 (8, C, side, side), the same on every machine."""
    shape = (RANDOM_IMAGES, preprocess.channels, preprocess.side, preprocess.side)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _torch_logits(net: Net, preprocess: Preprocess, native: torch.Tensor) -> Floats:
    with torch.inference_mode():
        return torch.cat([net(preprocess.normalise(part)) for part in batches(native)]).numpy()


def _resized(preprocess: Preprocess, images: torch.Tensor) -> torch.Tensor:
    return torch.cat([preprocess.resize(part) for part in batches(images)])


def _distance(one: Floats, other: Floats) -> float:
    return float(np.abs(one - other).max())


def _enlarged(native: torch.Tensor) -> torch.Tensor:
    """The same images larger and no longer square, so that resize and crop have work to do."""
    side = native.shape[-1]
    grown = F.interpolate(native.float(), size=(3 * side // 2 + 1, 2 * side + 1), mode="bilinear")
    return grown.round().to(torch.uint8)
