"""Claims about width and resolution multipliers and compound scaling."""

from __future__ import annotations

from convsmith.views.claims import counts
from convsmith.views.claims.claim import Claim, printed, row
from convsmith.views.claims.sources import EFFICIENTNET, MOBILENET

WIDTHS = ("mobilenet_v1", "mobilenet_v1_075", "mobilenet_v1_050", "mobilenet_v1_025")

CLAIMS = (
    Claim(
        "mobilenet-width-macs", "scaling",
        "MobileNets of width 1, 0.75, 0.5 and 0.25 take 569 to 41 million multiply-adds.",
        MOBILENET, "Table 6; course notes, part 4, section 2.2", row("569 325 149 41", meant="{}M"), "MACs",
        counts.macs, WIDTHS,
    ),
    Claim(
        "mobilenet-width-params", "scaling",
        "MobileNets of width 1, 0.75, 0.5 and 0.25 have 4.2 to 0.5 million parameters.",
        MOBILENET, "Table 6; course notes, part 4, section 2.2", row("4.2 2.6 1.3 0.5", meant="{}M"), "parameters",
        counts.params, WIDTHS,
    ),
    Claim(
        "mobilenet-resolution", "scaling",
        "MobileNet takes 569, 418, 290 and 186 million multiply-adds at 224 to 128 pixels.",
        MOBILENET, "Table 7; course notes, part 4, section 2.2", row("569 418 290 186", meant="{}M"), "MACs",
        counts.macs_at, ("mobilenet_v1", 224, 192, 160, 128),
    ),
    Claim(
        "resolution-squared", "scaling",
        "A resolution multiplier rho takes computation to rho^2, as from 224 to 128 pixels.",
        MOBILENET, "section 3.4", (printed("(128/224)^2", "16/49"),), "times (convolutions)",
        counts.convolution_macs_ratio, ("mobilenet_v1", 128, 224),
    ),
    Claim(
        "mobilenet-shallow", "scaling",
        "Without five of its layers MobileNet takes 307 million multiply-adds with 2.9 million parameters.",
        MOBILENET, "Table 5", row("307 2.9", meant="{}M"), "MACs, parameters",
        counts.macs_and_params, ("mobilenet_v1_shallow",),
    ),
    Claim(
        "compound-doubling", "scaling", "One step of compound scaling, alpha beta^2 gamma^2, doubles the computation.",
        EFFICIENTNET, "section 3.3", row("2"), "times", counts.compound_cost,
    ),
)  # fmt: skip
