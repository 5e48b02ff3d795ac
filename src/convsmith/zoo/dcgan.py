"""DCGAN: Radford, Metz & Chintala 2016, "Unsupervised representation learning with deep convolutional generative
adversarial networks", Fig. 1 and the guidelines of section 3 (arXiv:1511.06434).

`dcgan_generator` draws a 3 x 64 x 64 image from 100 numbers, with Fig. 1's maps, and `dcgan_discriminator` tells real
images from drawn ones; both have the form of PyTorch's example (pytorch/examples, dcgan/main.py: 4x4 kernels, no bias),
whose keys they have. The example's generator is half as wide as Fig. 1 (ngf = 64): `width=64`. `dcgan_generator_paper`
has Fig. 1's 5x5 kernels. The paper gives no figure for its discriminator.

Fig. 1's "project and reshape", a linear layer from 100 to 1024 * 4 * 4 seen as an image, is the transposed 4x4
convolution of a 1x1 image: the same weights in the order [100, 1024, 4, 4], the same function.
"""

from __future__ import annotations

from convsmith.spec import HERE, Conv, ConvTranspose, Flatten, LeakyRelu, Node, Norm, Relu, Seq, Tanh
from convsmith.zoo.variant import Variant

# Fig. 1: maps at 4x4, 8x8, 16x16 and 32x32, as multiples of the last, 128; the discriminator's are these backwards
FIG1, LAST, FIRST = (8, 4, 2, 1), 128, 64


def grow(width: int, kernel: int) -> ConvTranspose:
    """conv^T(x) of stride 2: n x n becomes 2n x 2n whatever the kernel."""
    return ConvTranspose(width, kernel, 2, pad=(kernel - 1) // 2, extra=kernel % 2, bias=False)


def generator(classes: int = 3, width: int = LAST, kernel: int = 4) -> Node:
    """tanh(grow(relu(norm(... conv^T(z))))): Fig. 1. Its `classes` are the channels of the image.

    `width` is the maps at 32x32, `kernel` that of the layers of stride 2.
    """
    top, *rest = (times * width for times in FIG1)
    layers: list[Node] = [ConvTranspose(top, 4, bias=False)]
    for out in rest:
        layers += [Norm(), Relu, grow(out, kernel)]
    return Seq(main=Seq(*layers, Norm(), Relu, grow(classes, kernel), Tanh))


def discriminator(classes: int = 1, width: int = FIRST, kernel: int = 4) -> Node:
    """conv(lrelu(norm(conv(... lrelu(conv(x)))))), a logit: strides in place of pooling, no hidden linear layer.

    `width` is the maps at 32x32.
    """
    pad = (kernel - 1) // 2
    layers: list[Node] = [Conv(width, kernel, 2, pad, bias=False), LeakyRelu]
    for _ in FIG1[1:]:
        layers += [Conv(HERE * 2, kernel, 2, pad, bias=False), Norm(), LeakyRelu]
    return Seq(main=Seq(*layers, Conv(classes, 4, pad=0, bias=False)), flatten=Flatten)


PAPER = (
    "Radford, Metz & Chintala 2016, Unsupervised representation learning with deep convolutional generative "
    "adversarial networks (arXiv:1511.06434)"
)

VARIANTS = {
    "dcgan_generator": Variant(
        generator, {"width": LAST, "kernel": 4}, side=1, channels=100, classes=3, part=True,
        paper=PAPER, year=2015, init="dcgan",
        departs="4x4 kernels of PyTorch's example where Fig. 1 has 5x5",
        remarks=("PyTorch's example has half of Fig. 1's maps (ngf = 64): `width=64`, 3,576,704 parameters.",),
    ),
    "dcgan_generator_paper": Variant(
        generator, {"width": LAST, "kernel": 5}, side=1, channels=100, classes=3, part=True,
        paper=PAPER, year=2015, init="dcgan",
        departs="the paper does not say how its 5x5 are padded, nor whether they have biases (here none)",
    ),
    "dcgan_discriminator": Variant(
        discriminator, {"width": FIRST, "kernel": 4}, side=64, classes=1, paper=PAPER, year=2015, init="dcgan",
        departs="PyTorch's example, without its last sigmoid: the paper has no figure of its discriminator",
    ),
}  # fmt: skip
