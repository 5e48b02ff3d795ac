"""Occlusion: how sure the network stays of a class while a grey square hides one part of the image after another.

Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2 and figure 7 (d): where the
probability drops, the network needs what is hidden there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convsmith.nn.modes import evaluating
from convsmith.spec.errors import SpecError

BATCH = 64
"""Pictures that the network sees at a time."""
SQUARES, ACROSS = 5, 16
"""By default the square is a fifth of the shorter side, and moves a sixteenth of it."""


@dataclass(frozen=True, eq=False)
class Occlusion:
    """Probabilities 0..1: `hidden` float (N, k, rows, cols) by class and position of the square, `whole` float (N, k).

    Positions are the centres of rows x cols equal cells of the image; `side` is the square's, in pixels. At the edges
    the square hangs over, so it hides less there.
    """

    hidden: Tensor
    whole: Tensor
    side: int

    @property
    def drops(self) -> Tensor:
        """How much the square takes away, (N, k, rows, cols), -1..1; negative where hiding helps."""
        return self.whole[:, :, None, None] - self.hidden


def occlusion(
    net: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    side: int | None = None,
    stride: int | None = None,
    grey: float = 0.0,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> Occlusion:
    """Slide the square over each image; in evaluation mode, and the network's modes stay as they are.

    images    as the network takes them (normalised), float (N, C, H, W)
    classes   int64 (N, k): which classes' probabilities are wanted of each image
    side      of the square, and `stride`, its step, in pixels; for their defaults see `SQUARES` and `ACROSS`
    grey      the square's value on the network's scale, where 0 is the training images' mean colour
    progress  called as progress(done, total) with the number of pictures

    Raises SpecError for a square or a step below one pixel.
    """
    height, width = images.shape[-2:]
    short = min(height, width)
    side = max(1, round(short / SQUARES)) if side is None else side
    stride = max(1, round(short / ACROSS)) if stride is None else stride
    if side < 1 or stride < 1 or batch < 1:
        raise SpecError(f"occlusion wants side, stride and batch of at least 1, got {side}, {stride} and {batch}")
    rows, cols = -(-height // stride), -(-width // stride)
    spans = [
        (i, a, b, c, d)
        for i in range(len(images))
        for a, b in _spans(height, rows, side)
        for c, d in _spans(width, cols, side)
    ]
    found = []
    with evaluating(net), torch.inference_mode():
        whole = torch.cat([net(part).softmax(1) for part in torch.split(images, batch)])
        for start in range(0, len(spans), batch):
            part = spans[start : start + batch]
            shown = images[[i for i, *_ in part]]  # a copy
            for image, (_, a, b, c, d) in zip(shown, part, strict=True):
                image[:, a:b, c:d] = grey
            asked = classes[[i for i, *_ in part]].to(images.device)
            found.append(net(shown).softmax(1).gather(1, asked))
            if progress is not None:
                progress(start + len(part), len(spans))
    hidden = torch.cat(found).view(len(images), rows, cols, -1).permute(0, 3, 1, 2)
    return Occlusion(hidden.clone(), whole.gather(1, classes.to(images.device)).clone(), side)


def _spans(length: int, count: int, side: int) -> list[tuple[int, int]]:
    """First and last pixel, the latter excluded, of a square about the centre of each of `count` equal cells."""
    starts = [((2 * i + 1) * length - side * count + count) // (2 * count) for i in range(count)]
    return [(max(0, start), min(length, max(0, start + side))) for start in starts]
