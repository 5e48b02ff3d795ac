"""Claims about how many parameters networks have, and where."""

from __future__ import annotations

from convsmith.views.claims import counts, pieces
from convsmith.views.claims.claim import Claim, printed, row
from convsmith.views.claims.sources import (
    EFFICIENTNET,
    GOOGLENET,
    LENET,
    MNASNET,
    MOBILENET,
    MOBILENET_V2,
    NOTES,
    RESNET,
    RESNEXT,
    SQUEEZENET,
    VGG,
)

MORE, LESS = printed("more", "> 1"), printed("less", "< 1")
MOST = printed("most", "> 0.5")

CLAIMS = (
    Claim(
        "lenet5-params", "parameters", "LeNet-5 has about 60,000 trainable parameters.",
        LENET, "section II.B", row("60,000"), "parameters", counts.params, ("lenet5_1998",),
    ),
    Claim(
        "lenet5-params-drawn", "parameters",
        "LeNet-5 of two convolutions, two average pools and three linear layers has 60k.",
        NOTES, "part 5, LeNet 5", (printed("60k", "60K"),), "parameters", counts.params, ("lenet5",),
        why="60,000 are those of the paper's net, whose C3 sees parts of S2; the form drawn here has 61,706",
    ),
    Claim(
        "alexnet-params", "parameters", "AlexNet has some 60 million parameters.",
        NOTES, "part 2, Quiz; part 4, section 1.2", (printed("60M"),), "parameters", counts.params, ("alexnet_2012",),
    ),
    Claim(
        "alexnet-weights", "parameters", "The layers of AlexNet, as one tower, have these weights.",
        NOTES, "part 5, AlexNet's table",
        row("34,848 614,400 884,736 1,327,104 884,736 37,748,736 16,777,216 4,096,000"), "weights",
        counts.weight_tensors, ("alexnet_single",),
    ),
    Claim(
        "alexnet-biases", "parameters", "The layers of AlexNet, as one tower, have these biases.",
        NOTES, "part 5, AlexNet's table", row("96 256 384 384 256 4,096 4,096 1,000"), "biases",
        counts.biases, ("alexnet_single",),
    ),
    Claim(
        "alexnet-table", "parameters",
        "The layers of AlexNet, as one tower, have these parameters, 62,378,344 together.",
        NOTES, "part 5, AlexNet's table",
        row("34,944 614,656 885,120 1,327,488 884,992 37,752,832 16,781,312 4,097,000 62,378,344"), "parameters",
        counts.params_by_layer, ("alexnet_single",),
    ),
    Claim(
        "alexnet-over-lenet5", "parameters", "AlexNet has a thousand times LeNet-5's parameters.",
        NOTES, "part 4, section 1.2", (printed("1000", "1e3"),), "times",
        counts.params_ratios, ("alexnet_2012", "lenet5_1998"),
    ),
    Claim(
        "zfnet-over-alexnet", "parameters", "ZFNet is bigger than AlexNet.",
        NOTES, "part 1, ZFNet", (printed("bigger", "> 1"),), "times", counts.params_ratios, ("zfnet", "alexnet_2012"),
    ),
    Claim(
        "vgg16-rows", "parameters", "The layers of VGG-16 have these weights.",
        NOTES, "part 3, 1x1 convolutional layer; part 5, VGG-16",
        row(
            "1,728 36,864 73,728 147,456 294,912 589,824 589,824 1,179,648 2,359,296 2,359,296 2,359,296 2,359,296 "
            "2,359,296 102,760,448 16,777,216 4,096,000"
        ), "weights",
        counts.weight_tensors, ("vgg_d",),
    ),
    Claim(
        "vgg16-params", "parameters", "VGG-16 has 138 million parameters.",
        NOTES, "parts 3, 4 and 5, VGG-16", (printed("138M"),), "parameters", counts.params, ("vgg_d",),
    ),
    Claim(
        "vgg19-params", "parameters", "VGG-19 has 144 million parameters.",
        VGG, "Table 2", (printed("144 million", "144M"),), "parameters", counts.params, ("vgg_e",),
    ),
    Claim(
        "vgg19-params-quiz", "parameters", "VGG-19 has 110 million parameters.",
        NOTES, "part 2, Quiz", (printed("110M"),), "parameters", counts.params, ("vgg_e",),
        why="the paper's Table 2, as we do, has 144 M; the smallest of its columns has 133 M",
    ),
    Claim(
        "googlenet-params", "parameters", "GoogLeNet has 5 million parameters.",
        NOTES, "part 5, GoogLeNet", (printed("5M"),), "parameters", counts.params, ("googlenet_paper",),
        why="a twelfth of AlexNet's 60 M, by the paper's introduction; the rows of its Table 1 add up to 7 M",
    ),
    Claim(
        "googlenet-params-quiz", "parameters", "GoogLeNet has 4 million parameters.",
        NOTES, "part 2, Quiz", (printed("4M"),), "parameters", counts.params, ("googlenet_paper",),
        why="the rows of the paper's Table 1 add up to 7 M; even without the linear layer it is 6 M",
    ),
    Claim(
        "googlenet-twelvefold", "parameters", "GoogLeNet has twelve times fewer parameters than AlexNet.",
        GOOGLENET, "section 1; course notes, part 5, GoogLeNet", row("12"), "times",
        counts.params_ratios, ("alexnet_2012", "googlenet_paper"),
        why="60,965,224 are 8.7 times the 6,998,552 that Table 1 describes; without either's linear layers it is less",
    ),
    Claim(
        "googlenet-fewest", "parameters", "GoogLeNet has fewer parameters than AlexNet and than VGG-19.",
        NOTES, "part 2, Quiz", (printed("least", "< 1"),) * 2, "times",
        counts.params_ratios, ("googlenet_paper", "alexnet_2012", "vgg_e"),
    ),
    Claim(
        "linear-layers-hold-most", "parameters", "Linear layers hold most of the weights of AlexNet and of VGG-16.",
        NOTES, "part 1, Global Average Pooling; part 3, 1x1 convolutional layer; part 5, VGG-16", (MOST,) * 2, "share",
        counts.share, ("params", "linear", "alexnet_2012", "vgg_d"),
    ),
    Claim(
        "global-average-pooling", "parameters",
        "Behind average pooling, GoogLeNet's linear layer has fewer parameters than VGG-16's.",
        NOTES, "part 1, Global Average Pooling", (LESS,), "times",
        counts.linear_params_ratio, ("googlenet_paper", "vgg_d"),
    ),
    Claim(
        "linear-weights", "parameters", "A linear layer of 4,096 on 25,000 numbers has 102,400,000 weights.",
        NOTES, "part 3, 1x1 convolutional layer", row("102,400,000"), "weights",
        pieces.linear_weights, (25_000, 4096),
    ),
    Claim(
        "linear-as-1x1-weights", "parameters",
        "A 1x1 convolution of 4,096 maps in place of a linear layer on 25,000 numbers has 4,096 weights.",
        NOTES, "part 3, 1x1 convolutional layer", row("4,096"), "weights", pieces.convolution_weights, (25_000, 4096),
        why="each map weighs all that enters: 1 x 1 x 25,000 x 4,096, the linear layer's; global average pooling saves",
    ),
    Claim(
        "linear-as-1x1-share", "parameters",
        "That 1x1 convolution has 0.004 % of the weights of the linear layer in whose place it stands.",
        NOTES, "part 3, 1x1 convolutional layer", (printed("0.004%"),), "share",
        pieces.convolution_over_linear, (25_000, 4096),
        why="it needs all of them; 0.004 % is 4,096 / 102,400,000, which leaves out the channels that enter",
    ),
    Claim(
        "resnet-cifar-params", "parameters",
        "ResNets of 20, 32, 44, 56, 110 and 1202 layers for CIFAR have 0.27 M to 19.4 M.",
        RESNET, "Table 6", row("0.27M 0.46M 0.66M 0.85M 1.7M 19.4M"), "parameters",
        counts.params, ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202"),
    ),
    Claim(
        "resnext-params", "parameters", "ResNet-50 and ResNeXt-50 (32x4d) have 25.5 and 25.0 million parameters.",
        RESNEXT, "Table 1", row("25.5 25.0", "{}×10^6", "{}e6"), "parameters",
        counts.params, ("resnet50", "resnext50_32x4d"),
    ),
    Claim(
        "squeezenet-params", "parameters", "SqueezeNet has 1,248,424 parameters.",
        SQUEEZENET, "Table 1", row("1,248,424"), "parameters", counts.params, ("squeezenet1_0",),
    ),
    Claim(
        "squeezenet-fiftyfold", "parameters", "SqueezeNet has 50 times fewer parameters than AlexNet.",
        SQUEEZENET, "title", (printed("50x", "5e1"),), "times", counts.params_ratios, ("alexnet_2012", "squeezenet1_0"),
    ),
    Claim(
        "mobilenet-params", "parameters",
        "MobileNet has 29.3 million parameters with full convolutions, 4.2 with separable.",
        MOBILENET, "Table 4", row("29.3 4.2", meant="{}M"), "parameters",
        counts.params, ("mobilenet_v1_conv", "mobilenet_v1"),
    ),
    Claim(
        "mobilenet-v2-params", "parameters", "MobileNetV2 has 3.4 million parameters.",
        MOBILENET_V2, "Table 4", (printed("3.4M"),), "parameters", counts.params, ("mobilenet_v2",),
        why="without batch normalisation's it has 3.47 M, which 3.4 cuts; with them 3.5 M",
    ),
    Claim(
        "mnasnet-params", "parameters", "MnasNet-A1 has 3.9 million parameters.",
        MNASNET, "Table 1", (printed("3.9M"),), "parameters", counts.params, ("mnasnet_a1",),
    ),
    Claim(
        "efficientnet-params", "parameters", "EfficientNet-B0, B1 and B3 to B7 have 5.3 M to 66 M parameters.",
        EFFICIENTNET, "Table 2", row("5.3M 7.8M 12M 19M 30M 43M 66M"), "parameters",
        counts.params, tuple(f"efficientnet_b{size}" for size in (0, 1, 3, 4, 5, 6, 7)),
    ),
    Claim(
        "efficientnet-b2-params", "parameters", "EfficientNet-B2 has 9.2 million parameters.",
        EFFICIENTNET, "Table 2", (printed("9.2M"),), "parameters", counts.params, ("efficientnet_b2",),
        why="the authors' release, as we do, has 9.11 M; the paper does not explain its figure",
    ),
)  # fmt: skip
