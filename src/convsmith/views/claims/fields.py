"""Claims about receptive fields."""

from __future__ import annotations

from convsmith.views.claims import counts, pieces
from convsmith.views.claims.claim import Claim, printed, row
from convsmith.views.claims.sources import NOTES

CLAIMS = (
    Claim(
        "field-of-pair", "receptive-field", "Two 3x3 see as much as one 5x5.",
        NOTES, "parts 1, 2, 3 and 5, VGG", row("5 5"), "px", pieces.stack_fields, ((3, 2), (5, 1)),
    ),
    Claim(
        "field-of-triple", "receptive-field", "Three 3x3 see as much as one 7x7.",
        NOTES, "part 5, VGG", row("7 7"), "px", pieces.stack_fields, ((3, 3), (7, 1)),
    ),
    Claim(
        "field-grows-with-depth", "receptive-field", "One, two and three 3x3 see 3, 5 and 7 pixels a side.",
        NOTES, "part 5, size of the receptive field", row("3 5 7"), "px", pieces.stack_fields, ((3, 1), (3, 2), (3, 3)),
    ),
    Claim(
        "field-of-1x1", "receptive-field", "A 1x1 convolution sees a single pixel.",
        NOTES, "part 3, 1x1 convolutional layer", row("1"), "px", pieces.stack_fields, ((1, 1),),
    ),
    Claim(
        "field-behind-1x1", "receptive-field", "A 1x1 before a 3x3 leaves the receptive field as it is.",
        NOTES, "part 2, Inception blocks", row("3 3"), "px", pieces.reduced_fields, (3,),
    ),
    Claim(
        "field-of-zfnet", "receptive-field", "Smaller strides give ZFNet a larger receptive field than AlexNet's.",
        NOTES, "part 1, ZFNet", (printed("larger", "> 1"),), "times",
        counts.field_ratio, ("zfnet", "alexnet_2012", "pool5"),
        why="smaller strides make it smaller: behind the last pool a unit sees 171 pixels, AlexNet's sees 195",
    ),
)  # fmt: skip
