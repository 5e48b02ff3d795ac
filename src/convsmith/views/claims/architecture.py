"""Claims about depths, widths, windows and map sizes."""

from __future__ import annotations

from convsmith.views.claims import counts
from convsmith.views.claims.claim import Claim, printed, row
from convsmith.views.claims.sources import ALEXNET, NOTES

CLAIMS = (
    Claim(
        "lenet5-layers", "architecture",
        "LeNet-5 has seven layers: two convolutions, two pools and three linear layers.",
        NOTES, "part 5, LeNet 5", row("7"), "layers",
        counts.layers, ("lenet5", "convolution", "pooling", "linear"),
    ),
    Claim(
        "lenet5-windows", "architecture", "LeNet-5 convolves with 5x5 at stride 1 and pools 2x2 at stride 2.",
        NOTES, "part 5, LeNet 5", row("5 1 2 2"), "px", counts.windows, ("lenet5",),
    ),
    Claim(
        "alexnet-depth", "architecture", "AlexNet is eight layers deep.",
        NOTES, "part 2, AlexNet", row("8"), "layers", counts.depths, ("alexnet_2012",),
    ),
    Claim(
        "alexnet-learnable-layers", "architecture", "AlexNet has seven learnable layers.",
        NOTES, "part 4, section 1.2, Architecture", row("7"), "layers",
        counts.layers, ("alexnet_2012", "convolution", "linear"),
        why="five convolutions and three linear layers have weights, as the paper's section 3.5 says",
    ),
    Claim(
        "alexnet-kernels", "architecture", "AlexNet's filters are 3x3, 5x5 and 11x11.",
        NOTES, "part 4, section 1.2", (printed("3x3", "3"), printed("5x5", "5"), printed("11x11", "11")), "px",
        counts.kernels, ("alexnet_2012",),
    ),
    Claim(
        "alexnet-strides", "architecture", "AlexNet's strides are 1, 2 and 4.",
        NOTES, "part 4, section 1.2", row("1 2 4"), "px", counts.strides, ("alexnet_2012",),
    ),
    Claim(
        "alexnet-input-227", "architecture", "AlexNet's image has 227 pixels a side, of which conv1 makes maps of 55.",
        NOTES, "part 5, AlexNet", row("55"), "px", counts.first_side, ("alexnet_2012", 227),
    ),
    Claim(
        "alexnet-input-224", "architecture", "AlexNet's image has 224 pixels a side, of which conv1 makes maps of 55.",
        ALEXNET, "Fig. 2", row("55"), "px", counts.first_side, ("alexnet_2012", 224),
        why="floor((224 - 11) / 4) + 1 = 54; the image has 227 pixels, or conv1 two of padding",
    ),
    Claim(
        "alexnet-tensor-sizes", "architecture",
        "From the image on, AlexNet's tensors have these sides and channels, one tower taken for both.",
        NOTES, "part 5, AlexNet's table",
        row("227 3 55 96 27 96 27 256 13 256 13 384 13 384 13 256 6 256 1 4096 1 4096 1 1000"), "sides, channels",
        counts.tensor_sizes, ("alexnet_single",),
    ),
    Claim(
        "zfnet-conv1", "architecture", "ZFNet has a 7x7 at stride 2 where AlexNet has an 11x11 at stride 4.",
        NOTES, "part 5, ZFNet", row("7 2 11 4"), "px", counts.first_windows, ("zfnet", "alexnet_2012"),
    ),
    Claim(
        "zfnet-widths", "architecture", "ZFNet has 512, 1024 and 512 filters where AlexNet has 384, 384 and 256.",
        NOTES, "part 5, ZFNet", row("512 1024 512"), "filters",
        counts.widths, ("zfnet", "conv3", "conv4", "conv5"),
        why="the net of the paper's Fig. 3 keeps AlexNet's widths; section 5.1 tries these in a variation of it",
    ),
    Claim(
        "vgg-depths", "architecture", "VGG's columns A, A-LRN, B, C, D and E have 11 to 19 layers with weights.",
        NOTES, "parts 3 and 5, VGG's table", row("11 11 13 16 16 19"), "layers",
        counts.depths, ("vgg_a", "vgg_a_lrn", "vgg_b", "vgg_c", "vgg_d", "vgg_e"),
    ),
    Claim(
        "vgg-windows", "architecture",
        "All of VGG's convolutions are 3x3 at stride 1, all of its pools 2x2 at stride 2.",
        NOTES, "parts 1, 4 and 5, VGG", row("3 1 2 2"), "px", counts.windows, ("vgg_d",),
    ),
    Claim(
        "googlenet-depth", "architecture", "GoogLeNet is 22 layers deep.",
        NOTES, "parts 2 and 5, GoogLeNet", row("22"), "layers", counts.depths, ("googlenet_paper",),
    ),
    Claim(
        "googlenet-parts", "architecture",
        "GoogLeNet's 22 layers are nine inception modules of two and four convolutions.",
        NOTES, "part 5, GoogLeNet", row("9 4"), "modules, convolutions", counts.inception_parts, ("googlenet_paper",),
        why="three convolutions stand before the modules; the fourth layer is the linear one at the end",
    ),
    Claim(
        "inception-naive-output", "architecture", "The naive inception module puts out 28x28x(128 + 192 + 96 + 256).",
        NOTES, "part 5, naive inception module", row("28 672"), "side, channels",
        counts.output_shape, ("inception_naive",),
    ),
    Claim(
        "resnet-depths", "architecture", "The columns of ResNet's table are 18 to 152 layers deep.",
        NOTES, "part 5, ResNet's table", row("18 34 50 101 152"), "layers",
        counts.depths, tuple(f"resnet{depth}_paper" for depth in (18, 34, 50, 101, 152)),
    ),
    Claim(
        "resnet-map-sides", "architecture", "ResNet's maps shrink from 112x112 to 7x7 and are then averaged to 1x1.",
        NOTES, "part 5, ResNet's table", row("112 56 28 14 7 1"), "px", counts.sides, ("resnet50_paper",),
    ),
    Claim(
        "resnet-doubling", "architecture", "ResNet doubles its filters from stage to stage.",
        NOTES, "part 5, ResNet", row("2 2 2"), "times", counts.stage_ratios, ("resnet34_paper",),
    ),
    Claim(
        "resnet-one-linear-layer", "architecture", "ResNet has one linear layer, that of the 1000 classes.",
        NOTES, "part 5, ResNet", row("1"), "linear layer", counts.layers, ("resnet152_paper", "linear"),
    ),
    Claim(
        "resnet-cifar-depths", "architecture", "On CIFAR, nets of 56 and of 1202 layers are tried.",
        NOTES, "part 5, ResNet", row("56 1202"), "layers", counts.depths, ("resnet56", "resnet1202"),
    ),
    Claim(
        "densenet-growth", "architecture",
        "The channels of a dense block grow exponentially: each layer adds more than the one before.",
        NOTES, "part 2, DenseNet", (printed("exponentially", "> 1"),), "times as many",
        counts.added_channels, ("densenet121", "features.denseblock4"),
        why="every layer adds as many, the growth rate (32 here): channels grow linearly, not exponentially",
    ),
    Claim(
        "mobilenet-depth", "architecture", "MobileNet has 28 layers.",
        NOTES, "part 4, section 2.2, Architecture", row("28"), "layers", counts.depths, ("mobilenet_v1",),
    ),
)  # fmt: skip
