"""How much of a network with trained weights should learn on, by the number of training images.

The course notes (part 4, transfer learning) and the rule that practice made of Yosinski et al. 2014, "How transferable
are features in deep neural networks?" (arXiv:1411.1792): few images bear a new head alone, more of them the last stages
too, and many the whole network. Where the lines are is ours: with 979 photographs the head alone was measured to do
better than the last two stages (docs/transfer.md); the upper line is a guess.
"""

from __future__ import annotations

from typing import Any

FEW, MANY = 1_000, 10_000
"""Training images below which the head alone learns, and from which all learns."""

DECAY = 0.4
"""A stage's share of the rate of the one behind it: 1 / 2.6, rounded, as Howard & Ruder 2018 found it."""


def advice(images: int) -> tuple[dict[str, Any], str]:
    """Fields of the recipe for so many training images, and why in a sentence."""
    if images < FEW:
        return {"trains": "head"}, (
            f"the head alone learns, as {images:,} training images are few (below {FEW:,}); "
            "--unfreeze last:2 trains more"
        )
    if images < MANY:
        return {"trains": "last:2", "lr_decay": DECAY}, (
            f"the head and the last 2 stages learn, as {images:,} training images are between {FEW:,} and {MANY:,}; "
            "--freeze backbone or --unfreeze all train less or more"
        )
    return {"trains": "all", "lr_decay": DECAY}, (
        f"all stages learn, earlier ones more slowly, as {images:,} training images are many ({MANY:,} or more)"
    )
