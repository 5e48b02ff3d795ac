"""Claims about memory: values that layers put out, and bytes."""

from __future__ import annotations

from convsmith.views.claims import counts
from convsmith.views.claims.claim import Claim, printed
from convsmith.views.claims.sources import NOTES, SQUEEZENET

EARLY = printed("most", "> 0.5")
ROWS = (
    "150K 3.2M 3.2M 800K:8.0e5 1.6M 1.6M 400K:4.0e5 800K:8.0e5 800K:8.0e5 800K:8.0e5 200K:2.0e5 400K:4.0e5 400K:4.0e5 "
    "400K:4.0e5 100K:1.0e5 100K:1.0e5 100K:1.0e5 100K:1.0e5 25K 4096 4096 1000"
)
SUM = "the notes' own rows add up to 15.2 M values, 61 MB of float32 (58 MiB)"

CLAIMS = (
    Claim(
        "vgg16-memory-rows", "memory", "The rows of VGG-16, from the image on, hold these values, to two digits.",
        NOTES, "part 3, 1x1 convolutional layer; part 5, VGG-16",
        tuple(printed(*text.split(":")) for text in ROWS.replace("150K", "150K:1.5e5").split()), "values",
        counts.held, ("vgg_d",),
    ),
    Claim(
        "vgg16-memory-values", "memory", "The rows of VGG-16 add up to 24 million values.",
        NOTES, "parts 3 and 5, VGG-16", (printed("24M"),), "values", counts.held_sum, ("vgg_d",),
        why=SUM,
    ),
    Claim(
        "vgg16-memory-93", "memory", "VGG-16 takes 93 MB an image in the forward pass.",
        NOTES, "part 3, 1x1 convolutional layer", (printed("93MB", "93M"),), "bytes", counts.held_bytes, ("vgg_d",),
        why=f"{SUM}; 24 M values would be 96 MB (92 MiB)",
    ),
    Claim(
        "vgg16-memory-96", "memory", "VGG-16 takes 96 MB an image in the forward pass.",
        NOTES, "part 5, VGG-16", (printed("96MB", "96M"),), "bytes", counts.held_bytes, ("vgg_d",), why=SUM,
    ),
    Claim(
        "vgg16-early-memory", "memory", "Most of VGG-16's memory is in early convolutions, the first four of thirteen.",
        NOTES, "part 3, 1x1 convolutional layer; part 5, VGG-16", (EARLY,), "share", counts.first_share, ("vgg_d", 4),
    ),
    Claim(
        "alexnet-early-memory", "memory",
        "AlexNet's memory is mainly that of early layers, the first two of five convolutions.",
        NOTES, "part 1, AlexNet", (EARLY,), "share", counts.first_share, ("alexnet_2012", 2),
    ),
    Claim(
        "vgg19-over-vgg16-memory", "memory", "VGG-19 takes more memory than VGG-16.",
        NOTES, "part 5, VGG-16", (printed("more", "> 1"),), "times", counts.held_ratio, ("vgg_e", "vgg_d"),
    ),
    Claim(
        "alexnet-bytes", "memory", "AlexNet's 62,378,344 parameters are 62 MByte.",
        NOTES, "part 5, AlexNet's table", (printed("62 MByte", "62M"),), "bytes",
        counts.weight_bytes, ("alexnet_single",),
        why="62 M are parameters; in float32 each takes four bytes, 249.5 MB in all",
    ),
    Claim(
        "squeezenet-bytes", "memory", "SqueezeNet's parameters are 4.8 MB, of 2^20 bytes.",
        SQUEEZENET, "Table 2", (printed("4.8MB", "4.8"),), "MiB", counts.weight_bytes, ("squeezenet1_0", 2**20),
    ),
)  # fmt: skip
