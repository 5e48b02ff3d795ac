"""Notes that only decoded images, or their number of channels, give reason for."""

from __future__ import annotations

import torch

from convsmith.data.finding import Finding


def flips(name: str, known: bool | None, channels: int) -> tuple[bool, Finding]:
    """Whether mirror images keep their class: what the source says, else a guess by colour.

    Grey images are often signs, colour ones mostly scenes.
    """
    if known is not None:
        keep = "keep" if known else "do not keep"
        return known, Finding("note", f"left-right mirror images {keep} their class in {name!r}")
    if channels == 3:
        said = "are assumed to keep their class, as the images are in colour; if they do not, say --no-flip"
    else:
        said = "are not assumed to keep their class, as the images are grey; if they do, say --flip"
    return channels == 3, Finding("note", f"left-right mirror images {said}")


def grey(images: torch.Tensor) -> list[Finding]:
    """Colour files that hold grey images cost three channels for one."""
    if images.shape[1] == 1 or any(not torch.equal(images[:, 0], images[:, c]) for c in (1, 2)):
        return []
    return [Finding("note", "every training image is grey though read in colour; one channel would do (--channels 1)")]
