"""Claims about single layers and blocks: stacks of 3x3, bottlenecks, separable convolutions, output sizes."""

from __future__ import annotations

from convsmith.views.claims import counts, pieces
from convsmith.views.claims.claim import Claim, printed, row
from convsmith.views.claims.sources import MOBILENET, NOTES

CLAIMS = (
    Claim(
        "pair-of-3x3", "layer", "One 5x5 has 25 D^2 weights, two 3x3 have 18 D^2.",
        NOTES, "part 3, Q1; part 2, 3 X 3 convolution filters", (printed("25D^2", "25"), printed("18D^2", "18")),
        "D^2 weights", pieces.weights_over_squared_width, ((5, 1), (3, 2)),
    ),
    Claim(
        "pair-of-3x3-ratio", "layer", "A 5x5 has 1.5 times the weights of two 3x3.",
        NOTES, "part 2, 3 X 3 convolution filters", row("1.5"), "times", pieces.weights_ratio, ((5, 1), (3, 2)),
        why="25 / 18 is 1.39, 1.4 rounded; the notes' own 3 x 3 x 2 = 18 and 5 x 5 = 25 stand beside it",
    ),
    Claim(
        "pair-of-3x3-flops", "layer", "Two 3x3 take fewer FLOPs than one 5x5.",
        NOTES, "part 1, VGGNet", (printed("less", "< 1"),), "times", pieces.stack_macs_ratio, ((3, 2), (5, 1)),
    ),
    Claim(
        "stacks-of-3x3", "layer",
        "A 3x3, 5x5 and 7x7 have 9, 25 and 49 weights, one, two and three 3x3 have 9, 18 and 27.",
        NOTES, "part 5, size of the receptive field", row("9 25 49 9 18 27"), "D^2 weights",
        pieces.weights_over_squared_width, ((3, 1), (5, 1), (7, 1), (3, 1), (3, 2), (3, 3)),
    ),
    Claim(
        "bottleneck-weights", "layer", "Two 3x3 on 64 channels have 73,728 weights, a bottleneck on 256 has 69,632.",
        NOTES, "part 3, 1x1 convolutional layer", row("73,728 69,632"), "weights",
        counts.params, ("layer_basic", "layer_bottleneck"),
    ),
    Claim(
        "bottleneck-flops", "layer",
        "A bottleneck takes somewhat fewer FLOPs than a basic block of a quarter of its channels.",
        NOTES, "part 1, Bottleneck Block", (printed("fewer", "< 1"),), "times", pieces.bottleneck_macs_ratio, (64,),
    ),
    Claim(
        "reduction-saving", "layer", "A 1x1 from 128 to 32 channels before a 3x3 saves 30 % of the parameters.",
        NOTES, "part 2, Inception blocks", (printed("30%"),), "share", pieces.saved_by_reduction, (3, 128, 32),
        why="it saves 72 %: 4,096 + 36,864 weights are left of 147,456, so some 30 % (28 %) is what remains",
    ),
    Claim(
        "separable-cost", "layer",
        "A depthwise separable 3x3 to 64 channels takes 1/N + 1/D^2 of a full one's computation.",
        MOBILENET, "section 3.1; course notes, part 4, section 2.2", (printed("1/64 + 1/9", "73/576"),), "times",
        pieces.separable_share, (64, 64, 3),
    ),
    Claim(
        "separable-cost-wide", "layer", "A depthwise separable 5x5 from 32 to 512 channels, too, takes 1/N + 1/D^2.",
        MOBILENET, "section 3.1", (printed("1/512 + 1/25", "537/12800"),), "times",
        pieces.separable_share, (32, 512, 5),
    ),
    Claim(
        "next-stage", "layer",
        "After a 2x2 pool, twice the channels mean as much computation, half the memory, four times the weights.",
        NOTES, "part 1, VGGNet", (printed("the same", "1"), printed("half", "1/2"), printed("4 times", "4")), "times",
        pieces.next_stage, (64, 56),
    ),
    Claim(
        "output-size", "layer", "A convolution's maps have floor((n + 2p - f) / s) + 1 pixels a side.",
        NOTES, "part 4, section 1.1, output size", (printed("always", "1"),), "share of settings",
        pieces.size_formula_agrees,
    ),
    Claim(
        "strides-on-7", "layer", "A 3x3 makes 5x5 of 7x7 at stride 1, and 3x3 at stride 2.",
        NOTES, "part 3, Q3", row("5 3"), "px", pieces.output_sides, (7, 3, 0, 1, 2),
    ),
    Claim(
        "padding-keeps-size", "layer", "One pixel of padding keeps the size of a 3x3's maps.",
        NOTES, "part 3, Q2", (printed("the same", "224"),), "px", pieces.output_sides, (224, 3, 1, 1),
    ),
)  # fmt: skip
