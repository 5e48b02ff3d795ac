"""LeNet-5: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", Fig. 2.

`lenet5` is the form that everyone uses and the course notes draw: [conv pool] x 2 and three linear layers, 61,706
parameters. It departs from the paper in three places: C3 sees all of S2, subsampling has no parameters, and the output
is a linear layer.

`lenet5_1998` is the paper's: trainable subsampling (each sum of four is scaled and shifted: Eq. in section II.B), C3 by
the connection table, the squashing function 1.7159 tanh(2x / 3), and a radial-basis output with fixed codes. 60,000
trainable parameters, 340,908 connections. One departure: the paper drew the codes as 7 x 12 bitmaps of the characters;
here they are fixed +1/-1 codes (the paper names random ones as the alternative), so that any number of classes works.
"""

from __future__ import annotations

from convsmith.spec import AvgPool, Conv, Flatten, Linear, Node, Rbf, Scale, ScaledTanh, Seq, SpecError, TableConv, Tanh
from convsmith.zoo.variant import Variant

# Table I, column by column: the maps of S2 that each map of C3 sees
TABLE1 = tuple(
    tuple(int(digit) for digit in column)
    for column in (
        *("012", "123", "234", "345", "045", "015"),  # six take three neighbouring maps
        *("0123", "1234", "2345", "0345", "0145", "0125"),  # six take four neighbouring maps
        *("0134", "1245", "0235"),  # three take four maps that are not all neighbours
        "012345",  # the last takes all
    )
)


def lenet5(classes: int = 10, width: float = 1.0) -> Node:
    """conv5 6 - pool - conv5 16 - pool - 120 - 84 - classes; `width` scales all but the last."""
    if not width > 0:
        raise SpecError(f"lenet5: width must be above 0, got {width!r}")
    wide = [max(1, round(channels * width)) for channels in (6, 16, 120, 84)]
    return Seq(
        conv1=Conv(wide[0], 5, pad=0), act1=Tanh, pool1=AvgPool(2),
        conv2=Conv(wide[1], 5, pad=0), act2=Tanh, pool2=AvgPool(2), flatten=Flatten,
        fc1=Linear(wide[2]), act3=Tanh, fc2=Linear(wide[3]), act4=Tanh, fc3=Linear(classes),
    )  # fmt: skip


def lenet5_1998(classes: int = 10) -> Node:
    """C1 - S2 - C3 - S4 - C5 - F6 - radial basis, as in Fig. 2."""
    return Seq(
        c1=Conv(6, 5, pad=0), act1=ScaledTanh,
        s2=subsample(), act2=ScaledTanh,
        c3=TableConv(TABLE1, 5), act3=ScaledTanh,
        s4=subsample(), act4=ScaledTanh,
        c5=Conv(120, 5, pad=0), act5=ScaledTanh, flatten=Flatten,
        f6=Linear(84), act6=ScaledTanh, output=Rbf(classes),
    )  # fmt: skip


def subsample() -> Node:
    """coefficient * (sum of 2 x 2) + bias, one pair of parameters a map; the coefficient starts at the mean's 1/4."""
    return Seq(sum=AvgPool(2, divisor=1), scale=Scale(0.25, bias=True))


PAPER = "LeCun et al. 1998, Gradient-based learning applied to document recognition"

VARIANTS = {
    "lenet5": Variant(
        lenet5, side=32, channels=1, classes=10, paper=PAPER, year=1998, init="xavier",
        departs="full C3, subsampling without parameters, linear output (the form in common use)",
    ),
    "lenet5_1998": Variant(
        lenet5_1998, side=32, channels=1, classes=10, paper=PAPER, year=1998, init="lenet_1998",
        departs="fixed random codes in place of the character bitmaps of the output layer",
        remarks=("C3 is counted by its 60 connections; a dense 5×5 convolution of 6 to 16 maps has 240,000 MACs.",),
    ),
}  # fmt: skip
