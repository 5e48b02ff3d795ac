"""One layer each, to compare: the ways to convolve, all for the same 56 x 56 x 64 and without biases.

M channels enter, N leave (both 64 here), the kernel is k x k (3 x 3), R x C pixels enter and padding keeps them. A
plain convolution costs k k M N R C = 115,605,504 multiply-adds with k k M N = 36,864 weights; each function says what
its layer costs beside that. `classes` are the channels that leave. Each variant names the paper of its form.

`layer_basic` and `layer_bottleneck` are He et al. 2015, Fig. 5 (without its skips), which the course notes count at
73,728 and 69,632 weights.
"""

from __future__ import annotations

from collections.abc import Callable

from convsmith.spec import HERE, Conv, ConvTranspose, Node, Pool, Relu, Seq, TiledConv
from convsmith.zoo.alexnet import PAPER as KRIZHEVSKY
from convsmith.zoo.blocks import conv
from convsmith.zoo.resnet import PAPER as HE
from convsmith.zoo.variant import Variant


def plain(classes: int = 64, kernel: int = 3) -> Node:
    """conv(x): k k M N R C, the measure of the others; a 1x1 is 1 / k k of it."""
    return Seq(conv=conv(classes, kernel))


def grouped(classes: int = 64, kernel: int = 3, groups: int = 4) -> Node:
    """concat(conv(x_1), ..., conv(x_g)) of g slices of channels: k k M N R C / g; 1 / g of plain."""
    return Seq(conv=conv(classes, kernel, groups=groups))


def depthwise(classes: int = 64, kernel: int = 3) -> Node:
    """One filter a channel (N / M of them): k k N R C; 1 / M of plain. Channels never mix."""
    return Seq(conv=conv(classes, kernel, groups=HERE))


def separable(classes: int = 64, kernel: int = 3) -> Node:
    """conv1x1(depthwise(x)): k k M R C + M N R C; 1 / N + 1 / k k of plain (Howard et al. 2017, section 3.1)."""
    return Seq(depthwise=conv(HERE, kernel, groups=HERE), pointwise=conv(classes))


def dilated(classes: int = 64, kernel: int = 3, dilation: int = 2) -> Node:
    """conv of every d-th pixel: k k M N R C, as much as plain, for a window of d (k - 1) + 1 pixels a side."""
    return Seq(conv=Conv(classes, kernel, dilation=dilation, bias=False))


def tiled(classes: int = 64, kernel: int = 3, period: int = 2) -> Node:
    """conv of t t kernels that alternate along rows and columns: k k M N R C, as plain; t t k k M N weights."""
    return Seq(conv=TiledConv(classes, kernel, period))


def transposed(classes: int = 64, kernel: int = 3, stride: int = 2) -> Node:
    """The gradient of a convolution of stride s <= k, from which s s as many pixels leave: k k M N R C, as plain."""
    pad, extra = (kernel - stride + 1) // 2, (kernel - stride) % 2
    return Seq(conv=ConvTranspose(classes, kernel, stride, pad, extra, bias=False))


def spatial(classes: int = 64, kernel: int = 3) -> Node:
    """conv1xk(convkx1(x)), N channels between them: k M N R C + k N N R C; 2 / k of plain where M = N."""
    return Seq(vertical=conv(classes, (kernel, 1)), horizontal=conv(classes, (1, kernel)))


def strided(classes: int = 64, kernel: int = 3, stride: int = 2) -> Node:
    """conv of stride s: k k M N R C / s s; 1 / s s of plain (where s divides R and C)."""
    return Seq(conv=conv(classes, kernel, stride))


def pooled(classes: int = 64, kernel: int = 3, stride: int = 2) -> Node:
    """max(conv(x)) of s x s: as much as plain, s s times as much as strided, and N R C comparisons."""
    return Seq(conv=conv(classes, kernel), pool=Pool(stride))


def basic(classes: int = 64, kernel: int = 3) -> Node:
    """conv(relu(conv(x))): k k N (M + N) R C; twice plain where M = N."""
    return Seq(conv1=conv(classes, kernel), relu=Relu, conv2=conv(classes, kernel))


def bottleneck(classes: int = 256, kernel: int = 3, reduction: int = 4) -> Node:
    """conv1x1(relu(conv(relu(conv1x1(x))))), the middle of M / r channels: (M + k k M / r + N) M / r R C.

    With r = 4, k = 3 and M = N: 17 / 16 M M R C, 17 / 288 of basic on as many channels (17 / 18 on a quarter of them).
    """
    width = HERE // reduction
    return Seq(reduce=conv(width), relu1=Relu, conv=conv(HERE, kernel), relu2=Relu, expand=conv(classes))


LECUN = "LeCun et al. 1989, Backpropagation applied to handwritten zip code recognition"
LIN = "Lin, Chen & Yan 2014, Network in network (arXiv:1312.4400)"
SIFRE = "Sifre 2014, Rigid-motion scattering for image classification (thesis)"
YU = "Yu & Koltun 2016, Multi-scale context aggregation by dilated convolutions (arXiv:1511.07122)"
ZEILER = "Zeiler, Krishnan, Taylor & Fergus 2010, Deconvolutional networks"
LE = "Le, Ngiam, Chen, Chia, Koh & Ng 2010, Tiled convolutional neural networks"
JADERBERG = ("Jaderberg, Vedaldi & Zisserman 2014, Speeding up convolutional neural networks with low rank expansions "
             "(arXiv:1405.3866)")  # fmt: skip
SPRINGENBERG = "Springenberg et al. 2015, Striving for simplicity: the all convolutional net (arXiv:1412.6806)"

# name: function, kernel, channels that enter and leave, paper, year of its first printing, remark
LAYERS: dict[str, tuple[Callable[..., Node], int, int, str, int, str]] = {
    "plain": (plain, 3, 64, LECUN, 1989, ""),
    "1x1": (plain, 1, 64, LIN, 2013, (
        "Course notes count 1·1·4,096 = 4,096 weights for a 1×1 convolution of 4,096 maps in place of a linear layer "
        "on 25,000 numbers: they leave out what enters. On 25,000 channels it has the linear layer's 102,400,000."
    )),
    "grouped": (grouped, 3, 64, KRIZHEVSKY, 2012, ""),
    "depthwise": (depthwise, 3, 64, SIFRE, 2014, (
        "Course notes say that channels cannot change here; their number can, to a multiple of those that enter."
    )),
    "separable": (separable, 3, 64, SIFRE, 2014, "1/64 + 1/9 = 0.127 of the plain layer's MACs and weights."),
    "dilated": (dilated, 3, 64, YU, 2015, "The plain layer's cost for a 5×5 window; a plain 5×5 costs 25/9 as much."),
    "tiled": (tiled, 3, 64, LE, 2010, "147,456 weights, 4 times the plain layer's, for as many MACs."),
    "transposed": (transposed, 3, 64, ZEILER, 2010, "112×112 leave; a plain 3×3 on 112×112 costs 4 times as much."),
    "spatial": (spatial, 3, 64, JADERBERG, 2014, "2/3 of the plain layer's MACs and weights."),
    "strided": (strided, 3, 64, SPRINGENBERG, 2014, "1/4 of layer_pooled's MACs, as many weights, as large an output."),
    "pooled": (pooled, 3, 64, SPRINGENBERG, 2014, "4 times layer_strided's MACs, as many weights, as large an output."),
    "basic": (basic, 3, 64, HE, 2015, "73,728 weights; layer_bottleneck: 69,632 (17/18 = 0.944 of them) on 256 maps."),
    "bottleneck": (bottleneck, 3, 256, HE, 2015, (
        "69,632 weights on 256 channels, 17/18 = 0.944 of layer_basic's 73,728 on 64; layer_basic on 256 would have "
        "1,179,648, 288/17 = 16.9 times as many."
    )),
}  # fmt: skip

VARIANTS = {
    f"layer_{name}": Variant(
        build, {"kernel": kernel}, side=56, channels=channels, classes=channels, part=True, paper=paper, year=year,
        remarks=(remark,) if remark else (),
        departs="one layer of the paper's form, at a size chosen to compare, without bias",
    )
    for name, (build, kernel, channels, paper, year, remark) in LAYERS.items()
}  # fmt: skip
