"""Claims about multiply-adds, which the papers and the notes call FLOPs or operations, and where they are."""

from __future__ import annotations

from convsmith.views.claims import counts, pieces
from convsmith.views.claims.claim import Claim, printed, row
from convsmith.views.claims.sources import EFFICIENTNET, MNASNET, MOBILENET, MOBILENET_V2, NOTES, RESNET, RESNEXT

LARGER = printed("larger", "> 1")
APART = "the paper's column lies up to 5 % away from ours at the same resolutions, and does not say how it counts"

CLAIMS = (
    Claim(
        "convolution-multiplications", "computation", "A convolution multiplies D_F D_F C_in D_out D_out C_out times.",
        NOTES, "part 4, section 2.2, Standard Convolution",
        (printed("3·3·64·56·56·64", "115605504"),), "MACs", pieces.plain_macs, (3, 64, 56, 64),
    ),
    Claim(
        "alexnet-convolutions-compute-most", "computation", "Most of AlexNet's FLOPs are in its convolutions.",
        NOTES, "part 1, AlexNet", (printed("most", "> 0.5"),), "share",
        counts.share, ("macs", "convolution", "alexnet_2012"),
    ),
    Claim(
        "alexnet-pools-compute-little", "computation",
        "Any pool of AlexNet computes less than any of its convolutions.",
        NOTES, "part 1, AlexNet", (printed("less", "< 1"),), "times",
        counts.largest_pool_over_smallest_conv, ("alexnet_2012",),
    ),
    Claim(
        "vgg-over-alexnet", "computation", "VGG is a far larger network than AlexNet, in FLOPs and in parameters.",
        NOTES, "part 1, AlexNet vs VGG", (LARGER, LARGER), "times",
        counts.macs_and_params_ratio, ("vgg_d", "alexnet_2012"),
    ),
    Claim(
        "inception-naive", "computation", "The naive inception module on 28x28x256 takes 854 million operations.",
        NOTES, "part 5, naive inception module", (printed("854M"),), "MACs", counts.macs, ("inception_naive",),
    ),
    Claim(
        "inception-reduced", "computation", "The inception module with reductions takes 358 million operations.",
        NOTES, "part 5, inception module with dimension reduction", (printed("358M"),), "MACs",
        counts.macs, ("inception_reduced",),
        why="the six products that the notes list add up to 271 M; they count the 3x3's, 86.7 M, twice",
    ),
    Claim(
        "inception-half", "computation", "Reductions take an inception module's operations to less than half.",
        NOTES, "part 5, inception module with dimension reduction", (printed("half", "< 0.5"),), "times",
        counts.macs_ratios, ("inception_reduced", "inception_naive"),
    ),
    Claim(
        "resnet-flops", "computation",
        "ResNets of 18, 34, 50, 101 and 152 layers take 1.8, 3.6, 3.8, 7.6 and 11.3 GFLOPs.",
        NOTES, "part 5, ResNet's table", row("1.8 3.6 3.8 7.6 11.3", "{}×10^9", "{}e9"), "MACs",
        counts.macs, tuple(f"resnet{depth}_paper" for depth in (18, 34, 50, 101, 152)),
    ),
    Claim(
        "vgg19-flops", "computation", "VGG-19 takes 19.6 billion FLOPs.",
        RESNET, "section 3.3", (printed("19.6 billion", "19.6e9"),), "MACs", counts.macs, ("vgg_e",),
    ),
    Claim(
        "vgg16-flops", "computation", "VGG-16 takes 15.3 billion FLOPs.",
        RESNET, "section 4.1", (printed("15.3 billion", "15.3e9"),), "MACs", counts.macs, ("vgg_d",),
        why="without the linear layers it is 15.347, 15.3 rounded; the paper's 19.6 for VGG-19 has them",
    ),
    Claim(
        "resnet34-over-vgg19", "computation", "ResNet-34 takes 18 % of VGG-19's FLOPs.",
        RESNET, "section 3.3", (printed("18%"),), "times", counts.macs_ratios, ("resnet34_paper", "vgg_e"),
    ),
    Claim(
        "resnet152-under-vgg", "computation", "ResNet-152 takes fewer FLOPs than VGG-16 and VGG-19.",
        RESNET, "section 4.1", (printed("lower", "< 1"),) * 2, "times",
        counts.macs_ratios, ("resnet152_paper", "vgg_d", "vgg_e"),
    ),
    Claim(
        "resnext-flops", "computation", "ResNet-50 and ResNeXt-50 (32x4d) take 4.1 and 4.2 billion FLOPs.",
        RESNEXT, "Table 1", row("4.1 4.2", "{}×10^9", "{}e9"), "MACs", counts.macs, ("resnet50", "resnext50_32x4d"),
    ),
    Claim(
        "mobilenet-full", "computation", "MobileNet with full convolutions takes 4,866 million multiply-adds.",
        MOBILENET, "Table 4", (printed("4866", "4866M"),), "MACs", counts.macs, ("mobilenet_v1_conv",),
        why="4,866.27 M are its convolutions' alone; the linear layer, which Table 4's 569 M has, makes it 4,867.29 M",
    ),
    Claim(
        "mobilenet-separable", "computation", "MobileNet takes 569 million multiply-adds.",
        MOBILENET, "Table 4", (printed("569", "569M"),), "MACs", counts.macs, ("mobilenet_v1",),
    ),
    Claim(
        "mobilenet-saving", "computation", "Separable 3x3 take 8 to 9 times less computation in MobileNet.",
        MOBILENET, "section 3.1", (printed("8 to", "> 8"), printed("9", "< 9")), "times",
        counts.macs_ratios, ("mobilenet_v1_conv", "mobilenet_v1", "mobilenet_v1"),
    ),
    Claim(
        "mobilenet-shares", "computation",
        "1x1, depthwise 3x3 and the linear layer of MobileNet have 94.86, 3.06 and 0.18 % of multiply-adds.",
        MOBILENET, "Table 2", row("94.86% 3.06% 0.18%"), "share",
        counts.shares_by_kind, ("mobilenet_v1", "macs", "1x1", "grouped", "linear"),
    ),
    Claim(
        "mobilenet-weight-shares", "computation",
        "1x1, depthwise, full 3x3 and the linear layer of MobileNet have these shares of weights.",
        MOBILENET, "Table 2", row("74.59% 1.06% 0.02% 24.33%"), "share",
        counts.shares_by_kind, ("mobilenet_v1", "weights", "1x1", "grouped", "full", "linear"),
    ),
    Claim(
        "mobilenet-v2-macs", "computation", "MobileNetV2 takes 300 million multiply-adds.",
        MOBILENET_V2, "Table 4", (printed("300M"),), "MACs", counts.macs, ("mobilenet_v2",),
    ),
    Claim(
        "mnasnet-macs", "computation", "MnasNet-A1 takes 312 million multiply-adds.",
        MNASNET, "Table 1", (printed("312M"),), "MACs", counts.macs, ("mnasnet_a1",),
    ),
    Claim(
        "efficientnet-flops", "computation", "EfficientNet-B0, B2, B3, B6 and B7 take 0.39 to 37 billion FLOPs.",
        EFFICIENTNET, "Table 2", row("0.39 1.0 1.8 19 37", "{}B", "{}e9"), "MACs",
        counts.macs_at_own_sides, (
            ("efficientnet_b0", 224), ("efficientnet_b2", 260), ("efficientnet_b3", 300), ("efficientnet_b6", 528),
            ("efficientnet_b7", 600),
        ),
    ),
    Claim(
        "efficientnet-flops-apart", "computation", "EfficientNet-B1, B4 and B5 take 0.70, 4.2 and 9.9 billion FLOPs.",
        EFFICIENTNET, "Table 2", row("0.70 4.2 9.9", "{}B", "{}e9"), "MACs",
        counts.macs_at_own_sides, (("efficientnet_b1", 240), ("efficientnet_b4", 380), ("efficientnet_b5", 456)),
        why=APART,
    ),
)  # fmt: skip
