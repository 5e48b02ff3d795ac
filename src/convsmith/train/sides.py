"""Progressive resizing: small images first, which cost less, and the full side for the last quarter of the training.

Howard 2018 for DAWNBench (fast.ai); Tan & Le 2021, "EfficientNetV2" (arXiv:2104.00298), section 4.
"""

from __future__ import annotations

from dataclasses import replace

from convsmith.nn import Net
from convsmith.spec.errors import ShapeError, TrainingError
from convsmith.spec.trace import trace
from convsmith.train.recipe import Recipe

FULL_FROM = 0.75
"""Share of the training after which images have their full side."""


def side_at(recipe: Recipe, side: int, epoch: int) -> int:
    """Side of the training images in epoch 0, 1, ...: grows linearly from `start_side`, in eighths of the side."""
    if recipe.start_side == 1 or not recipe.epochs:
        return side
    done = min(1.0, epoch / (FULL_FROM * recipe.epochs))
    grain = max(1, side // 8)
    grown = side * (recipe.start_side + (1 - recipe.start_side) * done)
    return min(side, max(grain, round(grown / grain) * grain))


def check_sides(net: Net, recipe: Recipe, side: int) -> None:
    """Raise TrainingError if the network cannot take the smaller images that training is to begin with."""
    first = side_at(recipe, side, 0)
    if first == side:
        return
    try:
        small = trace(replace(net.network, side=first))
        fits = [row.facts.weights for row in small.rows] == [row.facts.weights for row in net.graph.rows]
    except ShapeError:
        fits = False
    if not fits:
        raise TrainingError(
            f"{net.network.name} cannot begin with images of {first} pixels: its weights depend on the side, or the "
            "images become too small; say --set start_side=1"
        )
