"""SGD and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Plain(Recipe):
    """Ours: `default` without augmentation and label smoothing, to see what a network does by itself."""

    name: str = "plain"
    lr: float = 0.05
    label_smoothing: float = 0.0
    shift: float = 0.0
    flip: bool | None = False
    rotate: float = 0.0
    scale: float = 0.0
