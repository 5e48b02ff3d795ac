"""GoogLeNet: Szegedy et al. 2014, "Going deeper with convolutions", Table 1 and Figs. 2 and 3 (arXiv:1409.4842).

`googlenet_paper` is the paper's: biases, local response normalisation, 5x5 convolutions, pooling that reaches over the
edge, and the two auxiliary classifiers of section 5 as `Tap`s (counted apart); 6,998,552 parameters, 13,378,280 with
them. The paper gives no constants for its normalisation: here they are those of Krizhevsky et al. 2012.

`googlenet` is torchvision's: batch normalisation (eps 0.001), a 3x3 where the paper has 5x5 (a known slip, kept for the
weights), 2x2 for the last pooling, adaptive pooling, dropout 0.2; 6,624,904 parameters, 13,004,888 with both heads.

`inception_naive` and `inception_reduced` are the module alone (Fig. 2a and 2b) at the course notes' 28 x 28 x 256.
"""

from __future__ import annotations

from convsmith.spec import (
    AvgPool,
    Branches,
    Conv,
    Dropout,
    Flatten,
    Identity,
    Linear,
    LocalNorm,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Seq,
    SpecError,
    Tap,
)
from convsmith.zoo.blocks import conv
from convsmith.zoo.variant import Variant

# Table 1's inception rows: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
TABLE1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
HEADS = {"4a": "aux1", "4d": "aux2"}  # section 5: behind which rows the auxiliary classifiers stand

# the course notes' module in the same columns, and the channels that enter it
NOTES, ENTERING = (128, 64, 192, 64, 96, 64), 256


def unit(width: int, kernel: int = 1, stride: int = 1, *, norm: bool = False) -> Seq:
    """relu(conv(x) + b), or relu(norm(conv(x)))."""
    if norm:
        return Seq(conv=conv(width, kernel, stride), bn=Norm(1e-3), relu=Relu)
    return Seq(conv=Conv(width, kernel, stride), relu=Relu)


def inception(row: tuple[int, ...], *, large: int = 5, norm: bool = False) -> Node:
    """concat(1x1, 3x3 of 1x1, 5x5 of 1x1, 1x1 of pool), each behind its own reduction: Fig. 2b."""
    one, reduce3, three, reduce5, five, proj = row
    return Branches(
        branch1=unit(one, norm=norm),
        branch2=Seq(unit(reduce3, norm=norm), unit(three, 3, norm=norm)),
        branch3=Seq(unit(reduce5, norm=norm), unit(five, large, norm=norm)),
        branch4=Seq(Pool(3, 1, 1, ceil=True), unit(proj, norm=norm)),
    )


def auxiliary(classes: int, *, adaptive: bool = False, norm: bool = False, rate: float = 0.7) -> Node:
    """linear(relu(linear(conv1x1(pool(x))))), a further output: section 5."""
    return Tap(Seq(
        pool=PoolTo(4) if adaptive else AvgPool(5, 3), conv=unit(128, norm=norm), flatten=Flatten,
        fc1=Linear(1024), relu=Relu, dropout=Dropout(rate), fc2=Linear(classes),
    ))  # fmt: skip


def googlenet(
    classes: int = 1000, aux: bool = True, *, norm: bool = False, large: int = 5, pool4: int = 3,
    adaptive: bool = False, width: float = 1.0, rate: float = 0.4, aux_rate: float = 0.7,
) -> Node:  # fmt: skip
    """Table 1. `norm` is batch in place of local normalisation, `large` the third branch's kernel, `pool4` the last
    maximum's, `adaptive` pools the heads to fixed sizes; `width` scales every convolution but the heads'."""
    if not width > 0:
        raise SpecError(f"googlenet: width must be above 0, got {width!r}")

    def wide(channels: int) -> int:
        return max(1, round(channels * width))

    stages: dict[str, dict[str, Node]] = {"3": {}, "4": {}, "5": {}}
    for name, row in TABLE1.items():
        stage = stages[name[0]]
        stage[f"inception{name}"] = inception(tuple(map(wide, row)), large=large, norm=norm)
        if aux and name in HEADS:
            stage[HEADS[name]] = auxiliary(classes, adaptive=adaptive, norm=norm, rate=aux_rate)
    pool = Pool(3, 2, ceil=True)
    return Seq(
        conv1=unit(wide(64), 7, 2, norm=norm), maxpool1=pool, norm1=Identity if norm else LocalNorm(),
        conv2=unit(wide(64), norm=norm),
        conv3=unit(wide(192), 3, norm=norm), norm2=Identity if norm else LocalNorm(), maxpool2=pool,
        **stages["3"], maxpool3=pool, **stages["4"], maxpool4=Pool(pool4, 2, ceil=True), **stages["5"],
        avgpool=PoolTo(1) if adaptive else AvgPool(7, 1), flatten=Flatten, dropout=Dropout(rate), fc=Linear(classes),
    )  # fmt: skip


def inception_alone(classes: int = 480, reduced: bool = True) -> Node:
    """The course notes' module: Fig. 2b, or Fig. 2a without its reductions. Its `classes` are the channels put out."""
    one, _, three, _, five, proj = NOTES
    if classes != (out := one + three + five + (proj if reduced else ENTERING)):
        raise SpecError(f"an inception module alone has no classifier: it puts out {out} channels, not {classes}")
    naive = Branches(branch1=unit(one), branch2=unit(three, 3), branch3=unit(five, 5), branch4=Seq(pool=Pool(3, 1, 1)))
    return inception(NOTES) if reduced else naive


PAPER = "Szegedy et al. 2014, Going deeper with convolutions (arXiv:1409.4842)"
ROWS = (
    "Table 1's parameters and operations of the first row (2.7 K, 34 M) are those of a separable 7×7, 8 filters for "
    "each colour and then 1×1 to 64 (2,712; 34.0 M); the plain 7×7 that its text and Fig. 3 show has 9,408 and 118 M",
    "Row 5a prints 54 M operations where its own columns give 51 M",
)
REDUCED = (
    "Course notes give 358 M: they add their six products and the 3×3's, 86,704,128, once more. The six sum to "
    "271,351,808"
)

VARIANTS = {
    "googlenet_paper": Variant(
        googlenet, paper=PAPER, year=2014, init="xavier", remarks=ROWS,
        departs="the paper gives neither the constants of local normalisation (here AlexNet's) nor initial weights",
    ),
    "googlenet": Variant(
        googlenet, {"norm": True, "large": 3, "pool4": 2, "adaptive": True, "rate": 0.2},
        provenance="torchvision", paper=PAPER, year=2014, init="googlenet", weights="GoogLeNet_Weights",
        departs="batch normalisation, 3x3 in place of 5x5, 2x2 for the last maximum, adaptive pooling, dropout 0.2",
    ),
    "inception_naive": Variant(
        inception_alone, {"reduced": False}, side=28, channels=ENTERING, classes=672, part=True, paper=PAPER, year=2014,
        init="xavier", departs="one module with the course notes' widths (Fig. 2a)",
    ),
    "inception_reduced": Variant(
        inception_alone, {"reduced": True}, side=28, channels=ENTERING, classes=480, part=True, paper=PAPER, year=2014,
        init="xavier", departs="one module with the course notes' widths (Fig. 2b)", remarks=(f"{REDUCED}.",),
    ),
}  # fmt: skip
